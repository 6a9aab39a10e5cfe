"""What a model asks about tensors and torch is guarded, and regions without autocast are regions of the file."""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from graphnas.codegen.build import build
from graphnas.codegen.emit import emit
from graphnas.errors import TraceError
from graphnas.mutations.mutate import mutate
from graphnas.mutations.swap import Swap
from graphnas.tracing.fx import to_fx
from graphnas.tracing.tracer import trace
from tests.tracing.comparison import same
from tests.tracing.test_guards import module

X = torch.arange(8.0).view(2, 4)


def casting() -> AbstractContextManager[object]:
    """What people put around a model in training."""
    return torch.autocast("cpu", dtype=torch.bfloat16)


def named(x: Tensor) -> Tensor:
    dtype = x.dtype
    return x * 2 if dtype in (torch.float32, torch.float16) else x * 3


def matched(x: Tensor) -> Tensor:
    match x.dtype:
        case torch.float32:
            return x * 2
    return x * 3


def is_float(dtype: torch.dtype) -> bool:
    return dtype is torch.float32


LIMITS = {torch.float32: 2.0, torch.float64: 3.0}
DOUBLE, WANTING, WHOLE = X.double(), X.clone().requires_grad_(), X.long()
ASKED: dict[str, tuple[Callable[[Tensor], Tensor], Tensor, Callable[[], AbstractContextManager[object]]]] = {
    "dtype": (lambda x: x * 2 if x.dtype == torch.float32 else x * 3, DOUBLE, nullcontext),
    "dtype is": (lambda x: x * 2 if torch.float32 is x.dtype else x * 3, DOUBLE, nullcontext),
    "dtype is, elsewhere": (lambda x: x * 2 if is_float(x.dtype) else x * 3, DOUBLE, nullcontext),
    "type of dtype": (
        lambda x: x * 2 if type(x.dtype) is torch.dtype and x.dtype.itemsize < 8 else x,
        DOUBLE,
        nullcontext,
    ),
    "dtype as a text": (lambda x: x * 2 if str(x.dtype) == "torch.float32" else x * 3, DOUBLE, nullcontext),
    "size of dtype": (lambda x: x * 2 if x.dtype.itemsize == 4 else x * 3, DOUBLE, nullcontext),
    "bits of dtype": (lambda x: x * torch.finfo(x.dtype).bits, DOUBLE, nullcontext),
    "limit of dtype": (lambda x: x * 2 if torch.finfo(x.dtype).max < 1e40 else x * 3, DOUBLE, nullcontext),
    "common dtype": (
        lambda x: x * 2 if torch.promote_types(x.dtype, torch.float16) == torch.float32 else x * 3,
        DOUBLE,
        nullcontext,
    ),
    "castable": (lambda x: x * 2 if not torch.can_cast(x.dtype, torch.int64) else x * 3, WHOLE, nullcontext),
    "dtype under a name": (named, DOUBLE, nullcontext),
    "dtype matched": (matched, DOUBLE, nullcontext),
    "dtype as a key": (lambda x: x * LIMITS[x.dtype], DOUBLE, nullcontext),
    "kind of dtype": (lambda x: x * 2 if x.dtype.is_floating_point else x * 3, WHOLE, nullcontext),
    "method": (lambda x: x * 2 if x.is_floating_point() else x * 3, WHOLE, nullcontext),
    "function": (lambda x: x * 2 if torch.is_floating_point(x) else x * 3, WHOLE, nullcontext),
    "complex": (lambda x: x.real if x.is_complex() else x * 3, X.to(torch.complex64), nullcontext),
    "gradient wanted": (lambda x: x * 2 if x.requires_grad else x * 3, WANTING, nullcontext),
    "leaf": (lambda x: x * 2 if (x * 1).is_leaf else x * 3, WANTING, nullcontext),
    "grad mode": (lambda x: x * 2 if torch.is_grad_enabled() else x * 3, X, torch.no_grad),
    "inference": (lambda x: x * 2 if torch.is_inference_mode_enabled() else x * 3, X, torch.inference_mode),
}


@pytest.mark.parametrize("case", ASKED)
def test_answer_is_guarded(case: str) -> None:
    forward, other, context = ASKED[case]
    network = build(trace(module(forward), X))
    assert torch.equal(network(X), forward(X))
    with context(), pytest.raises(ValueError, match=r"traced under another condition: tests/tracing/test_modes\.py:"):
        network(other)


def test_answer_to_torch_is_not_guarded() -> None:
    attention = nn.TransformerEncoderLayer(4, 2, 8, batch_first=True).eval()
    source = emit(trace(attention, torch.zeros(2, 3, 4)))
    assert not [fact for fact in ("is_grad_enabled", "requires_grad", "is_autocast_enabled") if fact in source]


class Norm(nn.Module):
    """A norm that computes in float32 whatever is around it."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.rand(4))

    def forward(self, x: Tensor) -> Tensor:
        kind = x.device.type
        with torch.autocast(device_type=kind, enabled=False):
            x = F.linear(x.float(), self.weight.diag())
        return x


class Net(nn.Module):
    """Norms between layers, and regions in each other and in one mode only."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(4, 4)
        self.norms = nn.ModuleList(Norm() for _ in range(2))
        self.act = nn.ReLU()
        self.last = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        x = self.first(x)
        for norm in self.norms:
            x = self.act(norm(x))
        with torch.no_grad():
            y = self.last(x)
            with torch.autocast("cpu", enabled=False):
                with torch.enable_grad():
                    x = self.last(x)
                y = self.last(y.float())
            z = self.last(y)
        if self.training:
            with torch.autocast("cpu", enabled=False):
                y = self.first(y)
        return x, y, z


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("around", [nullcontext, casting])
def test_region_without_autocast_is_one_in_the_file(
    around: Callable[[], AbstractContextManager[object]], training: bool
) -> None:
    model = Net().train(training)
    graph = trace(copy.deepcopy(model), X)
    space = mutate(graph, Swap("act", {"tanh": nn.Tanh}))
    assert emit(graph).count("with torch.autocast(x.device.type, enabled=False):") == 1
    networks = [build(graph, model.state_dict()), to_fx(graph, dict(model.state_dict(keep_vars=True)), training)]
    networks.append(functools.partial(build(space, model.state_dict()), plan=dict.fromkeys(space.choices, "original")))
    for network in networks:
        getattr(network, "func", network).train(training)
        with around():
            assert same(model(X), network(X))


# ---------------------------------------------------------------- what nobody can be told
def test_model_that_asks_for_the_type_of_a_size_is_refused() -> None:
    with pytest.raises(TraceError, match=r"gives something else while it is recorded.*\n  at tests/tracing/test_modes"):
        trace(module(lambda x: x * 2 if type(x.shape[0]) is int else x * 3), X)
    graph = trace(module(lambda x: x * 2 if isinstance(x.shape[0], int) else x * 3), X)
    assert torch.equal(build(graph)(X[:1]), X[:1] * 2)


class Pair(nn.Module):
    """Does something else where it is given one tensor twice."""

    def forward(self, q: Tensor, k: Tensor) -> Tensor:
        return q * 3 if q is k else q + k


def test_model_that_asks_whether_inputs_are_one_holds_for_two_alone() -> None:
    with pytest.raises(TraceError, match="gives something else while it is recorded"):
        trace(Pair(), X, X)
    network = build(trace(Pair(), X, X.clone()))
    assert torch.equal(network(X, X + 1), X * 2 + 1)
    with pytest.raises(ValueError, match="traced under another condition"):
        network(X, X)
