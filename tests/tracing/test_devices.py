"""A model is traced where it is; its file says nothing of where, and runs elsewhere as the model does."""

from __future__ import annotations

import copy
import logging
import pickle
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

import graphnas as gn
from tests.outside.cases import CASES, Case

on_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
X = torch.rand(3, 4, generator=torch.Generator().manual_seed(0))


class Masking(nn.Module):
    """Makes tensors where its input is, in every way that people write."""

    def __init__(self, persistent: bool = False) -> None:
        super().__init__()
        self.layer, self.drop = nn.Linear(4, 4), nn.Dropout(0.3)
        self.register_buffer("scale", torch.rand(4), persistent=persistent)

    def forward(self, x: Tensor) -> Tensor:
        device = self.layer.weight.device
        steps = torch.arange(x.shape[1], device=x.device) + torch.ones(4).to(device)
        mask = torch.zeros(x.shape[1], device=next(self.parameters()).device, dtype=x.dtype)
        mask = mask.masked_fill(steps > 2, 1).to(x.device)
        if x.device != self.scale.device:
            raise AssertionError
        return self.drop(self.layer(x) * mask + self.scale.to(x)) + x.new_ones(4) + torch.rand_like(x)


@pytest.mark.parametrize("device", ["meta", pytest.param("cuda", marks=on_gpu)])
def test_file_names_no_device(device: str) -> None:
    torch.manual_seed(0)
    model = Masking(persistent=device == "meta")  # which has no values that a file could carry
    here = gn.emit(gn.Tracer().trace(model, X))
    assert gn.emit(gn.Tracer().trace(model.to(device), X.to(device))) == here
    assert device not in here


@on_gpu
@pytest.mark.parametrize("training", [False, True])
def test_what_was_traced_on_the_cpu_computes_on_a_gpu_as_the_model_does(training: bool) -> None:
    model = Masking()
    child = gn.build(gn.Tracer().trace(model, X), model.state_dict())
    results = []
    for network in (model.cuda().train(training), child.cuda().train(training)):
        torch.manual_seed(1)
        results.append(network(X.cuda()))
    assert results[0].is_cuda
    assert torch.equal(*results)


class Function(nn.Module):
    """Does what it is told to."""

    def __init__(self, function: Callable[[Any, Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function
        self.layer = nn.Linear(4, 4)
        self.register_buffer("scale", torch.ones(4))
        self.kept: dict[Any, Tensor] = {}

    def forward(self, x: Tensor) -> Tensor:
        return self.function(self, x)


def emitted(function: Callable[[Any, Tensor], Tensor], x: Tensor = X) -> str:
    """The forward of a file that is made of a function."""
    model = Function(function).to(x.device)
    return gn.emit(gn.trace(model, x)).partition("def forward")[2].partition("def build")[0]


def by_match(_: Any, x: Tensor) -> Tensor:
    match x.device.type:
        case "cuda":
            return x
        case "cpu":
            return x + 1
    return x + 2


DEVICE, KIND = 'x.device == torch.device("cpu")', 'x.device.type == "cpu"'
DECIDING: dict[str, tuple[Callable[[Any, Tensor], Tensor], str]] = {
    "kind": (lambda _, x: x * (4000 if x.device.type == "cpu" else 100_000), KIND),
    "device": (lambda _, x: x if x.device == torch.device("cpu") else x + 1, DEVICE),
    "device in front": (lambda _, x: x if torch.device("cpu") == x.device else x + 1, DEVICE),
    "kind in front": (lambda _, x: x if "cpu" == x.device.type else x + 1, KIND),  # noqa: SIM300
    "among": (lambda _, x: x if x.device.type in ("cuda", "cpu") else x + 1, 'device_type == "cpu"'),
    "is meta": (lambda _, x: x if x.is_meta else x + 1, "not x.is_meta"),
    "text": (lambda _, x: x if str(x.device) == "cpu" else x + 1, DEVICE),
    "format": (lambda _, x: x if f"{x.device.type}:0" == "cpu:0" else x + 1, KIND),
    "sum": (lambda _, x: x if "on " + x.device.type == "on cpu" else x + 1, KIND),
    "begins": (lambda _, x: x if x.device.type.startswith("c") else x + 1, KIND),
    "contains": (lambda _, x: x if "pu" in x.device.type else x + 1, KIND),
    "length": (lambda _, x: x * len(x.device.type), KIND),
    "table": (lambda _, x: x * {"cpu": 2, "cuda": 3}[x.device.type], KIND),
    "table of devices": (lambda _, x: x * {torch.device("cpu"): 2}.get(x.device, 3), DEVICE),
    "match": (by_match, 'device_type == "cpu"'),
    "index": (lambda _, x: x if x.device.index is None else x + 1, DEVICE),
    "number": (lambda _, x: x if x.get_device() < 0 else x + 1, DEVICE),
    "built-in": (lambda _, x: x if hasattr(torch, x.device.type) else x + 1, DEVICE),
    "join": (lambda _, x: x if "".join([x.device.type]) == "cpu" else x + 1, DEVICE),
    "generator": (lambda _, x: x + torch.Generator(device=x.device).initial_seed() * 0, DEVICE),
    "pickle": (lambda _, x: x.to(pickle.loads(pickle.dumps(x.device))), DEVICE),
    "parameter": (lambda m, x: x if m.layer.weight.device.type == "cpu" else x + 1, 'weight.device.type == "cpu"'),
    "any": (lambda m, x: x if next(m.parameters()).device.type == "cpu" else x + 1, 'weight.device.type == "cpu"'),
    "buffer": (lambda m, x: x if m.scale.device.type == "cpu" else x + 1, 'self.scale.device.type == "cpu"'),
    "own": (lambda _, x: x if torch.device(x.device.type).type == "cpu" else x + 1, 'type == "cpu"'),
}

# What comes out on another device as it did.
HOLDING: dict[str, tuple[Callable[[Any, Tensor], Tensor], str]] = {
    "other kind": (lambda _, x: x * (4000 if x.device.type != "mps" else 3), 'x.device.type != "mps"'),
    "not among": (lambda _, x: x if x.device.type in ("cuda", "mps") else x + 1, 'not device_type == "mps"'),
    "two": (lambda m, x: x if x.device == m.scale.device else x.to(m.scale.device), "x.device == self.scale.device"),
    "two kinds": (lambda m, x: x if x.device.type == m.scale.device.type else x + 1, "== self.scale.device.type"),
}
ALL = DECIDING | HOLDING


@pytest.mark.parametrize(("function", "guard"), ALL.values(), ids=ALL)
def test_what_is_decided_by_a_device_is_guarded(function: Callable[[Any, Tensor], Tensor], guard: str) -> None:
    torch.manual_seed(0)
    model = Function(function)
    graph = gn.trace(model, X)
    assert f"_guard({guard}" in gn.emit(graph) or f"{guard}, " in gn.emit(graph)
    assert torch.equal(gn.build(graph, model.state_dict())(X), model(X))


@pytest.mark.parametrize("name", ALL)
def test_file_refuses_a_device_on_which_the_model_would_decide_otherwise(name: str) -> None:
    model = Function(ALL[name][0])
    child = gn.build(gn.trace(model, X), model.state_dict()).to("meta")
    with pytest.raises(ValueError, match="another condition") if name in DECIDING else nullcontext():
        assert child(X.to("meta")).is_meta


def handing(m: Any, x: Tensor) -> Tensor:
    """Hands a device on, and asks nothing that would be answered otherwise on another."""
    device = copy.deepcopy(x.device)
    assert isinstance(device, torch.device)
    assert isinstance(device.type, str)
    assert device is not None
    assert device
    assert device.type
    torch._assert(x.dim() == 2, f"a batch on {device} is flat")
    logging.getLogger(__name__).info("a batch on %s", device)
    if x.shape[0] > 100:
        raise ValueError(f"too many on {device.type}")
    x = x + torch.zeros(4, device=torch.device(device)) + torch.ones(4, device=torch.device(device.type))
    x = x + torch.arange(4, device=device.type) + torch.ones(4).to(copy.copy(device), x.dtype)
    x = x + torch.linspace(0, 1, 4, device=m.layer.weight.device) + x.new_tensor([1.0], device=x.device)
    return torch.as_tensor(x, device=next(m.parameters()).device) + torch.randn(4, device=x.device) * 0


def test_device_that_is_handed_on_decides_nothing() -> None:
    assert emitted(handing, X) == emitted(handing, X.to("meta"))
    assert "_guard(" not in emitted(handing).replace("_guard(not x.shape[0] > 100", "")
    assert "cpu" not in emitted(handing)
    model = Function(handing)
    child = gn.build(gn.trace(model, X), model.state_dict())
    assert torch.equal(child(X), model(X))
    assert child.to("meta")(X.to("meta")).is_meta


class Branching(nn.Module):
    """Has no tensors of its own."""

    def forward(self, x: Tensor) -> Tensor:
        if x.device.type == "cpu":
            return x * 2
        return x.new_ones(2)


def test_examples_on_two_devices_are_branches() -> None:
    for examples in ((X, X.to("meta")), (X.to("meta"), X)):
        graph = gn.trace(Branching(), *map(gn.example, examples))
        assert "_guard" not in gn.emit(graph)
        child = gn.build(graph)
        assert torch.equal(child(X), X * 2)
        assert child(X.to("meta")).shape == (2,)


def rotary(_: Any, x: Tensor) -> Tensor:
    """Leaves autocast as transformers' rotary embeddings do."""
    kind = x.device.type if isinstance(x.device.type, str) and x.device.type != "mps" else "cpu"
    if not torch.is_autocast_enabled(kind):
        return x.float() @ x.float().T
    with torch.autocast(device_type=kind, enabled=False):
        return x.float() @ x.float().T


def test_region_without_autocast_is_for_the_device_that_it_was_made_for() -> None:
    source = emitted(rotary)
    assert 'x.device.type != "mps"' in source
    assert "with torch.autocast(x.device.type, enabled=False):" in source
    assert '"cpu"' not in source
    model = Function(rotary)
    child = gn.build(gn.trace(model, X), model.state_dict())
    for around in (nullcontext(), torch.autocast("cpu")):
        with around:
            assert torch.equal(child(X), rotary(None, X))
    fixed = emitted(lambda _, x: [x.device, torch.autocast("cpu", enabled=False)(torch.exp)(x)][1])
    assert 'with torch.autocast("cpu", enabled=False):' in fixed


def both(_: Any, x: Tensor) -> Tensor:
    """Hands to code in C what it cannot take, and makes a plain number."""
    return x * int(x.shape[0]) * len("".join([x.device.type]))


def test_devices_alone_become_plain_where_code_in_c_is_handed_one() -> None:
    source = emitted(both)
    assert f"_guard({DEVICE}" in source
    assert "* x.shape[0]" in source


def test_numbers_alone_become_plain_where_they_are_what_fails() -> None:
    source = emitted(lambda _, x: x.new_zeros(torch.broadcast_shapes(x.shape)) + torch.ones(4, device=x.device))
    assert "device=x.device" in source
    assert "x.device ==" not in source


@on_gpu
@pytest.mark.parametrize("function", [*(HOLDING[name][0] for name in HOLDING if name != "not among"), handing])
def test_what_a_file_gives_on_a_gpu_is_what_the_model_gives(function: Callable[[Any, Tensor], Tensor]) -> None:
    model = Function(function)
    child = gn.build(gn.trace(model, X), model.state_dict()).cuda()
    assert torch.equal(child(X.cuda()), model.cuda()(X.cuda()))


@on_gpu
def test_tracing_leaves_the_random_numbers_of_a_gpu_alone() -> None:
    model = Masking().cuda()
    torch.manual_seed(1)
    expected = torch.rand(3, device="cuda")
    torch.manual_seed(1)
    gn.Tracer().trace(model, X.cuda())
    assert torch.equal(torch.rand(3, device="cuda"), expected)


@pytest.fixture
def _repeatable(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Kernels that add up in one order."""
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True, warn_only=True)
    yield
    torch.use_deterministic_algorithms(False)


@on_gpu
@pytest.mark.usefixtures("_repeatable")
@pytest.mark.parametrize("case", CASES, ids=repr)
def test_networks_of_other_kinds_compute_on_a_gpu_what_the_model_does(case: Case) -> None:
    torch.manual_seed(0)
    model = case.factory()
    graph = gn.Tracer(exact=True).trace(model, *(gn.example(**given) for given in case.traced))
    child = gn.build(graph, model.state_dict()).cuda().eval()
    model.cuda().eval()
    for given in (*case.traced, *case.untraced):
        moved = pytree.tree_map_only(Tensor, lambda tensor: tensor.cuda(), given)
        expected, found = (pytree.tree_leaves(network(**copy.deepcopy(moved))) for network in (model, child))
        assert all(torch.equal(*pair) for pair in zip(expected, found, strict=True) if isinstance(pair[0], Tensor))


@on_gpu
def test_autocast_on_a_gpu_is_followed() -> None:
    model = Masking().cuda().eval()
    child = gn.build(gn.Tracer().trace(model, X.cuda()), model.state_dict()).cuda().eval()
    results = []
    for network in (model, child):
        torch.manual_seed(1)
        with torch.autocast("cuda", dtype=torch.float16):
            results.append(network(X.cuda()))
    assert results[0].dtype == results[1].dtype
    assert torch.equal(*results)
