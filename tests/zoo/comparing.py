"""Whether a network, traced and built again, is the same: bit for bit, in both modes, at a batch size never traced."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

import graphnas as gn
from tests.zoo.models import Model

EQUAL = "equal"
Answer = dict[str, Any]


def compare(model: Model) -> Answer:
    """What became of a network: "equal", "refused" or "differs", with the reason, and the size of its file."""
    torch.manual_seed(0)
    original = model.make()
    state = copy.deepcopy(original.state_dict())
    traced = model.inputs(model.batches[0])
    try:
        graph = gn.Tracer(exact=model.exact).trace(original, **traced)
        source = gn.emit(graph)
        rebuilt = gn.build(graph, weights=state)
    except gn.GraphNASError as error:
        return {"outcome": "refused", "reason": f"{type(error).__name__}: {error}"}
    sizes = {"lines": source.count("\n"), "classes": len(re.findall(r"^class ", source, re.MULTILINE))}
    differences = list(_differences(model, original, rebuilt, state))
    outcome = "differs" if differences else EQUAL
    return {"outcome": outcome, "reason": "; ".join(differences), **sizes}


def _differences(model: Model, original: nn.Module, rebuilt: nn.Module, state: Mapping[str, Tensor]) -> Iterator[str]:
    if not _same(original.state_dict(), state):
        yield "tracing changed the model"
    if list(rebuilt.state_dict()) != list(state):
        yield "other keys in state_dict, or another order"
        return
    for training in (False, True):
        for batch in model.batches:
            for network in (original, rebuilt):
                network.load_state_dict(state)
                network.train(training)
            what = f"{'train' if training else 'eval'} mode, batch {batch}"
            yield from (f"{what}: {found}" for found in _compared(original, rebuilt, model.inputs(batch), training))


def _compared(original: nn.Module, rebuilt: nn.Module, inputs: Mapping[str, Any], training: bool) -> Iterator[str]:
    try:
        expected = _run(original, inputs, training)
    except Exception as error:  # a detector in training without targets
        yield from _not_refused(rebuilt, inputs, training, error)
        return
    try:
        given = _run(rebuilt, inputs, training)
    except Exception as error:
        yield f"{type(error).__name__}: {str(error).splitlines()[0]:.200}"
        return
    for what, first, second in zip(("outputs", "state", "gradients"), expected, given, strict=True):
        if not _same(first, second):
            yield f"{what} {_distance(first, second)}"


def _not_refused(rebuilt: nn.Module, inputs: Mapping[str, Any], training: bool, cause: Exception) -> Iterator[str]:
    """Where the original raises, what is built must raise a guard."""
    try:
        _run(rebuilt, inputs, training)
    except ValueError as error:
        if "traced under another condition" in str(error):
            return
    yield f"the original raises {type(cause).__name__}: {str(cause).splitlines()[0]:.200}"


def _run(network: nn.Module, inputs: Mapping[str, Any], training: bool) -> tuple[Any, Any, Any]:
    """Outputs, buffers and parameters afterwards, and in training the gradients of the sum of all outputs."""
    torch.manual_seed(1)
    network.zero_grad()
    with torch.set_grad_enabled(training):
        outputs = network(**copy.deepcopy(dict(inputs)))
    found = [leaf for leaf in pytree.tree_leaves(outputs) if isinstance(leaf, Tensor)]
    if training and any(leaf.requires_grad for leaf in found):
        sum(leaf.double().sum() for leaf in found if leaf.requires_grad).backward()  # type: ignore[union-attr]
    gradients = {name: parameter.grad for name, parameter in network.named_parameters()}
    return found, dict(network.state_dict()), gradients


def _same(first: Any, second: Any) -> bool:
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


def _distance(first: Any, second: Any) -> str:
    pairs = _pairs(first, second)
    if pairs is None:
        return f"are {len(second)}, not {len(first)}"
    wrong = [(a, b) for a, b in pairs if not _equal(a, b)]
    if not all(isinstance(a, Tensor) and isinstance(b, Tensor) and a.shape == b.shape for a, b in wrong):
        return f"differ in {len(wrong)} of {len(pairs)} tensors, in shape or presence"
    far = max(float((a.double() - b.double()).abs().max() / a.double().abs().max().clamp_min(1e-12)) for a, b in wrong)
    return f"differ in {len(wrong)} of {len(pairs)} tensors, by {far:.1e} of the largest value"
