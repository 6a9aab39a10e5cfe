"""A traced graph computes what its model computes, at sizes that were never traced too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from graphnas.codegen.build import build
from graphnas.ir.graph import Graph
from graphnas.ir.node import Layer
from graphnas.ir.storing import from_json, to_json
from graphnas.ir.verify import verify
from graphnas.tracing.fx import to_fx
from graphnas.tracing.tracer import trace
from tests.models.gpt import gpt_small
from tests.models.mobilenet_v3 import mobilenet_v3_small
from tests.models.resnet import resnet18
from tests.models.vit import vit_small
from tests.tracing import networks
from tests.tracing.comparison import Arguments, assert_equal, emitted, same
from tests.tracing.interpreter import Interpreter


def draw(*shape: int) -> Tensor:
    """Numbers that depend on the shape alone."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)))


def tokens(batch: int, length: int, vocabulary: int) -> Tensor:
    """Token indices."""
    return torch.arange(batch * length).reshape(batch, length) % vocabulary


def rows(batch: int) -> Arguments:
    """A batch of six features."""
    return (draw(batch, 6),), {}


def image(batch: int) -> Arguments:
    """A batch of images."""
    return (draw(batch, 3, 32, 32),), {}


CASES: dict[str, tuple[Callable[[], nn.Module], Callable[[int], Arguments]]] = {
    "resnet18": (lambda: resnet18(), image),
    "mobilenet_v3_small": (lambda: mobilenet_v3_small(), image),
    "vit": (lambda: vit_small(), image),
    "gpt": (lambda: gpt_small(), lambda batch: ((tokens(batch, 7, 65),), {})),
    "stale reader": (networks.StaleReader, rows),
    "twice": (networks.Twice, rows),
    "deep": (networks.Deep, rows),
    "auxiliary": (networks.Auxiliary, rows),
    "norm": (lambda: networks.Norm(6), rows),
    "odd": (networks.Odd, lambda batch: ((tokens(batch, 5, 20),), {})),
    "unet": (networks.UNet, lambda batch: ((draw(batch, 3, 16, 16),), {})),
    "attention unbind": (lambda: networks.FusedAttention("unbind"), lambda batch: ((draw(batch, 5, 8),), {})),
    "attention unpack": (lambda: networks.FusedAttention("unpack"), lambda batch: ((draw(batch, 5, 8),), {})),
    "attention chunk": (lambda: networks.FusedAttention("chunk"), lambda batch: ((draw(batch, 5, 8),), {})),
    "translator": (networks.Translator, lambda batch: ((tokens(batch, 5, 11), tokens(batch, 4, 11)), {})),
    "stochastic depth": (networks.Stochastic, rows),
    "shared": (networks.Shared, rows),
    "foreign": (networks.Foreign, rows),
    "lists": (networks.Lists, lambda batch: (([draw(batch, 6), draw(batch, 6)], {"scale": draw(6)}), {})),
    "frozen": (networks.Frozen, rows),
    "write after": (networks.WriteAfter, rows),
    "rebound": (networks.Rebound, rows),
    "branch": (networks.Branch, rows),
    "data class": (networks.Dataclass, lambda batch: (rows(batch)[0], {"scale": 3.0})),
    "recurrent": (networks.Recurrent, rows),
    "given": (networks.Given, rows),
    "overwritten": (networks.Overwritten, rows),
    "averaged": (networks.Averaged, rows),
    "spectral norm": (lambda: nn.Sequential(nn.utils.parametrizations.spectral_norm(nn.Linear(6, 6))), rows),
    "one mode": (networks.OneMode, rows),
    "sequential": (lambda: nn.Sequential(nn.Linear(6, 6), nn.Sequential(), nn.Dropout(0.5), nn.Linear(6, 1)), rows),
}


@pytest.fixture(scope="module", params=CASES, ids=lambda name: name.replace(" ", "_"))
def case(request: pytest.FixtureRequest) -> tuple[nn.Module, Graph, Callable[[int], Arguments]]:
    """A model, its graph, and inputs by batch size."""
    build, inputs = CASES[request.param]
    torch.manual_seed(0)
    model = build()
    args, kwargs = inputs(2)
    return model, trace(model, *args, **kwargs), inputs


@pytest.mark.parametrize("training", [False, True], ids=["evaluation", "training"])
@pytest.mark.parametrize("batch", [2, 3])
def test_graph_equals_model(case: Any, batch: int, training: bool) -> None:
    model, graph, inputs = case
    assert_equal(model, lambda twin: Interpreter(graph, twin), inputs(batch), training)


@pytest.mark.parametrize("training", [False, True], ids=["evaluation", "training"])
@pytest.mark.parametrize("batch", [2, 3])
def test_emitted_file_equals_model(case: Any, batch: int, training: bool) -> None:
    model, graph, inputs = case
    assert_equal(model, lambda twin: emitted(graph, twin), inputs(batch), training)


@pytest.mark.parametrize("training", [False, True], ids=["evaluation", "training"])
def test_fx_equals_model(case: Any, training: bool) -> None:
    model, graph, inputs = case
    state = {key: value.clone() for key, value in model.state_dict().items()}
    module = to_fx(graph, state, training)
    args, kwargs = inputs(3)
    model.train(training)
    torch.manual_seed(5)
    expected = model(*args, **kwargs)
    model.load_state_dict(state)
    torch.manual_seed(5)
    found = module(*inputs(3)[0], **kwargs)
    assert same(expected, found)


def test_graph_is_valid(case: Any) -> None:
    _, graph, _ = case
    verify(graph)
    assert from_json(to_json(graph)) == graph


def test_trace_is_reproducible(case: Any) -> None:
    model, graph, inputs = case
    args, kwargs = inputs(2)
    assert trace(model, *args, **kwargs) == graph
    assert str(trace(model, *args, **kwargs)) == str(graph)


class Compiled(nn.Module):
    """A part is compiled, and a method, and a layer in its place."""

    def __init__(self) -> None:
        super().__init__()
        self.part = torch.compile(nn.Sequential(nn.Linear(6, 6), nn.ReLU()), backend="eager")
        self.last = nn.Linear(6, 3)
        self.last.compile(backend="eager")

    def forward(self, x: Tensor) -> Tensor:
        return self.double(self.last(self.part(x)))

    @torch.compile(backend="eager")
    def double(self, x: Tensor) -> Tensor:
        return x * 2


def test_what_is_compiled_is_traced_as_it_was_written() -> None:
    model = Compiled()
    (args, _), (others, _) = rows(2), rows(3)
    graph = trace(model, *args)
    verify(graph)
    assert [node.op.type for node in graph.nodes if isinstance(node.op, Layer)] == [
        "torch.nn.Linear",
        "torch.nn.ReLU",
        "torch.nn.Linear",
    ]
    assert torch.equal(build(graph, model.state_dict())(*others), model(*others))
