"""Whether a network, written to a file, is the same bit for bit: in both modes, also at a batch size never traced."""

from __future__ import annotations

import ast
import copy
import dataclasses
import difflib
import importlib.util
import re
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

import graphnas as gn
from tests.zoo.model import Model

EQUAL, PLAIN = "equal", "plain"
LARGE = 200_000_000  # parameters; what has more is compared in eval mode alone
REPEATS = 4  # of a network whose gradients seem to differ: does it give them again itself?
ROUNDING = 1e-6  # of the largest gradient of a tensor
Answer = dict[str, Any]


def compare(model: Model, device: str = "cpu") -> Answer:
    """What became of a network.

    Args:
        model: the network.
        device: where it is traced and run. What the CPU's file says there must be the same, or that it refuses.

    Returns:
        The outcome, "equal", "refused" or "differs", with the reason; lines and classes of the file, the packages that
        it needs beyond torch, and `exact`: whether gradients are equal bit for bit, or only when traced as `exact`.
    """
    answer = _compare(model, device, exact=False)
    if answer["outcome"] == EQUAL and not answer["exact"]:
        exactly = _compare(model, device, exact=True)
        if exactly["outcome"] != EQUAL or not exactly["exact"]:
            reason = exactly["reason"] or "gradients differ"
            return {**answer, "outcome": "differs", "reason": f"traced as exact: {reason}"}
    return answer


def check(model: Model, most: int) -> Answer:
    """Whether a network can be compared at all; nothing is traced.

    Args:
        model: the network.
        most: parameters that it may have.

    Returns:
        The outcome "plain", or "large", "random" or "vacuous": what its outputs depend on.
    """
    torch.manual_seed(0)
    network = model.make()
    if sum(parameter.numel() for parameter in network.parameters()) > most:
        return {"outcome": "large", "reason": ""}
    stir(network)
    with tempfile.NamedTemporaryFile() as state:
        torch.save(network.state_dict(), state.name)
        network.eval()
        for batch in model.batches[::-1]:
            found, *_ = result(network, model.inputs(batch), training=False)
            if not found or not same(found, result(network, model.inputs(batch), training=False)[0]):
                return {"outcome": "random", "reason": ""}
        is_plain = _sensitive(model, network, Path(state.name))
    return {"outcome": PLAIN if is_plain else "vacuous", "reason": ""}


def _compare(model: Model, device: str, exact: bool) -> Answer:
    torch.manual_seed(0)
    original = model.make()
    stir(original)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        state = folder / "state.pt"  # read when it is needed: a large network leaves no room for a second copy
        try:
            here = "" if device == "cpu" else _made(model, original, folder, exact)
            moved = _executed(folder / "child.py").to(device) if here else None
            model = dataclasses.replace(model, inputs=lambda batch, inputs=model.inputs: _on(device, inputs(batch)))
            torch.save(original.to(device).state_dict(), state)
            source = _made(model, original, folder, exact)
        except gn.GraphNASError as error:
            return {"outcome": "refused", "reason": f"{type(error).__name__}: {error}"}
        if moved is not None and here != source and not _refuses(moved, model.inputs(model.batches[0])):
            changed = [line for line in difflib.ndiff(here.splitlines(), source.splitlines()) if line[0] in "-+"]
            return {"outcome": "differs", "reason": "the CPU's file is another:\n" + "\n".join(changed[:8])}
        moved = None
        rebuilt = _executed(folder / "child.py").to(device)
        return _answer(model, original, rebuilt, state, source)


def _made(model: Model, original: nn.Module, folder: Path, exact: bool) -> str:
    """Writes the file of a network, and returns its text."""
    graph = gn.Tracer(exact=exact).trace(original, **model.inputs(model.batches[0]))
    gn.export(graph, folder / "child.py", weights=original.state_dict(), weights_format="pt")
    return (folder / "child.py").read_text(encoding="utf-8")


def _on(device: str, inputs: Mapping[str, Any]) -> Mapping[str, Any]:
    moved: Mapping[str, Any] = pytree.tree_map_only(Tensor, lambda tensor: tensor.to(device), dict(inputs))
    return moved


def _answer(model: Model, original: nn.Module, rebuilt: nn.Module, state: Path, source: str) -> Answer:
    found = list(_differences(model, original, rebuilt, state))
    rounding = [text for text, far in found if far is not None and far <= ROUNDING]
    differences = [text for text, far in found if far is None or far > ROUNDING]
    if not differences and not _sensitive(model, original, state):
        differences = ["other parameters give the same outputs: nothing was shown"]
    return {
        "outcome": "differs" if differences else EQUAL,
        "reason": "; ".join(differences),
        "lines": source.count("\n"),
        "classes": len(re.findall(r"^class ", source, re.MULTILINE)),
        "needs": _needs(source),
        "exact": not rounding,
    }


def stir(network: nn.Module) -> None:
    """Makes what starts as zeros, ones or a small constant matter: else half a network could be lost unseen."""
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.is_floating_point() and bool((parameter == parameter.reshape(-1)[:1].sum()).all()):
                parameter.add_(0.02 * torch.randn(parameter.shape, generator=generator).to(parameter.dtype))


def _executed(path: Path) -> nn.Module:
    """The network of a file, with the weights beside it, as a person loads it."""
    spec = importlib.util.spec_from_file_location("child", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    network: nn.Module = module.build()
    network.load_state_dict(torch.load(path.with_suffix(".pt")))
    return network


def _needs(source: str) -> list[str]:
    """The packages beyond torch and Python's own that a file imports."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found.update(alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            found.add(str(node.module).split(".")[0])
    return sorted(found - {"torch", "__future__"} - sys.stdlib_module_names)


Difference = tuple[str, float | None]  # in words, and for gradients how far they are


def _differences(model: Model, original: nn.Module, rebuilt: nn.Module, state: Path) -> Iterator[Difference]:
    if not same(original.state_dict(), torch.load(state)):
        yield "tracing changed the model", None
    for what in ("state_dict", "named_parameters"):
        if [*dict(getattr(original, what)())] != [*dict(getattr(rebuilt, what)())]:
            yield f"other keys in {what}, or another order", None
            return
    # Tensors that the original keeps as plain attributes are buffers of the child, outside its state_dict.
    names = [name for name, _ in original.named_buffers()]
    if names != [name for name, _ in rebuilt.named_buffers() if name in names]:
        yield "other buffers, or another order", None
        return
    large = sum(parameter.numel() for parameter in original.parameters()) > LARGE
    for training in (False,) if large else (False, True):
        for batch in model.batches:
            for network in (original, rebuilt):
                network.load_state_dict(torch.load(state))
                network.train(training)
            what = f"{'train' if training else 'eval'} mode, batch {batch}"
            for found, far in _compared(original, rebuilt, state, model.inputs(batch), training):
                yield f"{what}: {found}", far


def _compared(
    original: nn.Module, rebuilt: nn.Module, state: Path, inputs: Mapping[str, Any], training: bool
) -> Iterator[Difference]:
    try:
        expected = result(original, inputs, training)
    except Exception as error:  # a detector in training without targets
        yield from _not_refused(rebuilt, inputs, training, error)
        return
    try:
        given = result(rebuilt, inputs, training)
    except Exception as error:
        yield f"{type(error).__name__}: {str(error).splitlines()[0]:.200}", None
        return
    if not all(map(same, expected, given)):
        expected, given = _repeated(original, state, inputs, training, expected, given)
    for what, first, second in zip(("outputs", "state", "gradients"), expected, given, strict=True):
        if not same(first, second):
            text, far = _distance(first, second)
            yield f"{what} {text}", far if what == "gradients" else None


def _repeated(
    original: nn.Module, state: Path, inputs: Mapping[str, Any], training: bool, expected: Any, given: Any
) -> tuple[Any, Any]:
    """Both without the gradients that the original does not repeat itself: some kernels of GPUs add in any order.

    Kernels that add in one order are not asked for: torchvision then takes compiled ones, which round otherwise.
    """
    outputs, after, gradients = expected
    gradients = dict(gradients)
    expected = outputs, {name: tensor.clone() for name, tensor in after.items()}, gradients
    for _ in range(REPEATS):
        original.load_state_dict(torch.load(state))
        *_, again = result(original, inputs, training)
        for name, tensor in again.items():
            if gradients[name] is not None and not _equal(gradients[name], tensor):
                gradients[name] = given[2][name] = None
    return expected, given


def _not_refused(
    rebuilt: nn.Module, inputs: Mapping[str, Any], training: bool, cause: Exception
) -> Iterator[Difference]:
    """Where the original raises, what is built must raise a guard."""
    if not _refuses(rebuilt, inputs, training):
        yield f"the original raises {type(cause).__name__}: {str(cause).splitlines()[0]:.200}", None


def _refuses(network: nn.Module, inputs: Mapping[str, Any], training: bool = False) -> bool:
    try:
        result(network.train(training), inputs, training)
    except ValueError as error:
        return "traced under another condition" in str(error)
    return False


def _sensitive(model: Model, network: nn.Module, state: Path) -> bool:
    """Whether outputs change with the first third of the parameters: where not, equal outputs show nothing."""
    network.load_state_dict(torch.load(state))
    network.eval()
    inputs = model.inputs(model.batches[0])
    before, _, _ = result(network, inputs, training=False)
    parameters = [parameter for parameter in network.parameters() if parameter.is_floating_point()]
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in parameters[: len(parameters) // 3 + 1]:
            noise = torch.randn(parameter.shape, generator=generator).to(parameter)
            parameter.add_(noise * parameter.abs().mean().clamp_min(0.01))
    after, _, _ = result(network, inputs, training=False)
    return not same(before, after)


def result(network: nn.Module, inputs: Mapping[str, Any], training: bool) -> tuple[Any, Any, Any]:
    """Outputs, buffers and parameters afterwards, and in training the gradients of one number made of all outputs."""
    torch.manual_seed(1)
    network.zero_grad()
    with torch.set_grad_enabled(training):
        outputs = network(**copy.deepcopy(dict(inputs)))
    found = [leaf for leaf in pytree.tree_leaves(outputs) if isinstance(leaf, Tensor)]
    if training and any(leaf.requires_grad for leaf in found):
        torch.stack([_weighed(leaf) for leaf in found if leaf.requires_grad]).sum().backward()
    gradients = {name: parameter.grad for name, parameter in network.named_parameters()}
    return found, dict(network.state_dict()), gradients


def _weighed(output: Tensor) -> Tensor:
    """A sum in which every value has a weight of its own: the plain sum of a softmax has no gradient."""
    weights = torch.cos(torch.arange(output.numel(), dtype=torch.float64, device=output.device))
    return (output.double().reshape(-1) * weights).sum()


def same(first: Any, second: Any) -> bool:
    pairs = _pairs(first, second)
    return pairs is not None and all(_equal(a, b) for a, b in pairs)


def _equal(first: Any, second: Any) -> bool:
    if not isinstance(first, Tensor) or not isinstance(second, Tensor):
        return first is second
    if first.shape != second.shape or first.dtype != second.dtype:
        return False
    return torch.equal(first.nan_to_num(), second.nan_to_num()) and torch.equal(first.isnan(), second.isnan())


def _pairs(first: Any, second: Any) -> list[tuple[Any, Any]] | None:
    if isinstance(first, Mapping):
        return [(first[key], second[key]) for key in first] if first.keys() == second.keys() else None
    return list(zip(first, second)) if len(first) == len(second) else None


def _distance(first: Any, second: Any) -> Difference:
    pairs = _pairs(first, second)
    if pairs is None:
        return f"are {len(second)}, not {len(first)}", None
    wrong = [(a, b) for a, b in pairs if not _equal(a, b)]
    if not all(isinstance(a, Tensor) and isinstance(b, Tensor) and a.shape == b.shape for a, b in wrong):
        return f"differ in {len(wrong)} of {len(pairs)} tensors, in shape or presence", None
    far = max(float((a.double() - b.double()).abs().max() / a.double().abs().max().clamp_min(1e-12)) for a, b in wrong)
    return f"differ in {len(wrong)} of {len(pairs)} tensors, by {far:.1e} of the largest value", far
