"""Layers that repeat are not all computed, and nothing comes out differently for it."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from graphnas.errors import TraceError
from graphnas.ir.node import GUARD, Call
from graphnas.tracing import runs
from graphnas.tracing.repeats import Repeats
from graphnas.tracing.tracer import trace
from tests.models.gpt import gpt_small
from tests.models.resnet import resnet18
from tests.models.vit import VisionTransformer

WIDTH = 128  # enough weights for a layer to be left out


class Stack(nn.Module):
    """Equal layers, and something done with what comes out of them."""

    def __init__(self, then: Callable[[nn.Module, Tensor], Tensor] = lambda model, x: x) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(WIDTH, WIDTH) for _ in range(5))
        self.words = nn.Embedding(4, WIDTH)
        self.then = then

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = torch.tanh(layer(x))
        return self.then(self, x)


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> Callable[[nn.Module], int]:
    """How many linear layers a trace computes."""
    found: list[int] = []
    original = F.linear

    def linear(*args: Tensor) -> Tensor:
        found.append(1)
        return original(*args)

    def count(model: nn.Module) -> int:
        trace(model, torch.randn(2, WIDTH))
        return len(found)

    monkeypatch.setattr(F, "linear", linear)
    return count


def caught(model: nn.Module, x: Tensor) -> Tensor:
    with contextlib.suppress(BaseException):
        return x if x.sum() > 0 else -x
    return x * 0


LOOK = {
    "truth": lambda model, x: x if x.sum() > 0 else -x,
    "truth in a try": caught,
    "item": lambda model, x: x if x.sum().item() > 0 else -x,
    "mask": lambda model, x: x[x > 0],
    "nonzero": lambda model, x: torch.where(x > 0)[0],
    "index": lambda model, x: model.words(x.argmax(1) % 4),
    "gradient": lambda model, x: x.detach().gather(1, x.argmax(1, keepdim=True)),
}


def test_equal_layers_are_not_all_computed(computed: Callable[[nn.Module], int]) -> None:
    assert computed(Stack()) == 2  # the first is given what wants no gradient


@pytest.mark.parametrize("name", LOOK)
def test_everything_is_computed_where_values_are_looked_at(name: str, computed: Callable[[nn.Module], int]) -> None:
    assert computed(Stack(LOOK[name])) == 2 + 5


def test_small_and_unlike_layers_are_computed(computed: Callable[[nn.Module], int]) -> None:
    sizes = [WIDTH, *(WIDTH + 8 * place for place in range(3)), 8, 8, 8]
    layers = [nn.Linear(before, after) for before, after in itertools.pairwise(sizes)]
    assert computed(nn.Sequential(*layers)) == len(layers)


def test_layer_that_has_other_gradients_is_computed(computed: Callable[[nn.Module], int]) -> None:
    model = Stack()
    model.layers[0].requires_grad_(False)
    model.layers[3].weight.requires_grad_(False)
    assert computed(model) == 4


def test_decision_on_data_is_the_true_one() -> None:
    torch.manual_seed(0)
    model, x = Stack(LOOK["truth"]), torch.randn(2, WIDTH)
    for sign in (1.0, -1.0):
        with torch.no_grad():
            model.layers[-1].bias.fill_(sign)
        (guard,) = [node for node in trace(model, x).nodes if node.op == Call(GUARD)]
        assert (guard.args[0].fn == "not") == (sign < 0)


def test_error_in_values_is_reported() -> None:
    model = Stack(lambda model, x: model.words(x.argmax(1) + 4))
    with pytest.raises(TraceError, match=r"'words' \(Embedding\) raised IndexError"):
        trace(model, torch.randn(2, WIDTH))


def test_state_is_as_it_was_after_a_second_attempt() -> None:
    def then(model: nn.Module, x: Tensor) -> Tensor:
        with torch.no_grad():
            model.layers[0].bias.copy_(x[0])
        return x if x.sum() > 0 else -x

    model = Stack(then)
    state = {key: value.clone() for key, value in model.state_dict().items()}
    trace(model, torch.randn(2, WIDTH))
    assert all(torch.equal(value, state[key]) for key, value in model.state_dict().items())


@pytest.mark.parametrize(
    ("build", "example"),
    [
        (resnet18, torch.randn(2, 3, 32, 32)),
        (lambda: gpt_small(), torch.arange(14).reshape(2, 7)),
        (lambda: VisionTransformer(width=128, hidden=256), torch.randn(2, 3, 32, 32)),
        (lambda: VisionTransformer(width=128, hidden=256, dropout=0.0), torch.randn(2, 3, 32, 32)),
    ],
    ids=["resnet18", "gpt", "vit", "vit without dropout"],
)
def test_graph_is_the_same_as_when_everything_is_computed(
    build: Callable[[], nn.Module], example: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Computing(Repeats):
        def __init__(self) -> None:
            super().__init__()
            self.forbid()

    model = build()
    graph = trace(model, example)
    monkeypatch.setattr(runs, "Repeats", Computing)
    assert trace(model, example) == graph


def test_random_draws_are_the_same() -> None:
    """Stochastic depth that draws after a repeated layer decides as it would if every layer were computed."""

    class Drops(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.ModuleList(nn.MultiheadAttention(WIDTH, 2, dropout=0.5) for _ in range(3))

        def forward(self, x: Tensor) -> Tensor:
            for layer in self.layers:
                x, _ = layer(x, x, x)
            return x * 2 if self.training and torch.rand(()) < 0.5 else x

    graph = trace(Drops(), torch.randn(2, 3, WIDTH))
    guards = [node.args[0] for node in graph.nodes if node.op == Call(GUARD)]
    assert len(guards) == 1
