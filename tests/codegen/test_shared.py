"""Layers and modules that several modules hold: untouched, and with rules on them."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

import graphnas as gn
from graphnas.ir.sampling import enumerate_archs
from tests.codegen.test_writes import check
from tests.tracing.comparison import assert_equal


class Residual(nn.Module):
    """Holds what it is given."""

    def __init__(self, layer: nn.Module, act: nn.Module) -> None:
        super().__init__()
        self.layer = layer
        self.act = act

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.layer(x)) + x


class Pair(nn.Module):
    """An alternative that is a module with parameters of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(8, 8)
        self.second = nn.Linear(8, 8)

    def forward(self, x: Tensor) -> Tensor:
        return self.second(torch.tanh(self.first(x)))


class WritesInput(nn.Module):
    """Writes in place into what the caller gave."""

    def __init__(self) -> None:
        super().__init__()
        self.act = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.act(x) + 1


class WritesPerhapsInput(nn.Module):
    """A slice is written behind a value that an alternative may make the input."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(8, 8)
        self.act = nn.ReLU()
        self.second = nn.Linear(8, 8)

    def forward(self, x: Tensor) -> Tensor:
        a = self.first(x)
        a[0] = 5
        b = self.act(a)
        b[:, 1:3] = a[:, 3:5]
        return self.second(b)


def shared_activation() -> nn.Module:
    """One activation, handed to every block, as people do."""
    act = nn.ReLU()
    return nn.Sequential(Residual(nn.Linear(8, 8), act), Residual(nn.Linear(8, 8), act), nn.Linear(8, 3))


def shared_layer() -> nn.Module:
    """One linear layer and one activation in two blocks."""
    layer, act = nn.Linear(8, 8), nn.ReLU()
    return nn.Sequential(Residual(layer, act), Residual(layer, act), nn.Linear(8, 3))


def shared_block() -> nn.Module:
    """One block in two places."""
    block = Residual(nn.Linear(8, 8), nn.ReLU())
    return nn.Sequential(nn.Sequential(block, nn.Tanh()), nn.Sequential(block, nn.Tanh()))


X = torch.randn(4, 8, generator=torch.Generator().manual_seed(0))
ACTIVATIONS = gn.Swap(nn.ReLU, {"silu": nn.SiLU, "tanh": nn.Tanh})


@pytest.mark.parametrize("training", [False, True], ids=["eval", "train"])
@pytest.mark.parametrize("make", [shared_activation, shared_layer, shared_block])
def test_what_is_shared_is_written(make: Callable[[], nn.Module], training: bool) -> None:
    model = make()
    graph = gn.trace(model, X)
    built = gn.build(graph, model.state_dict())
    assert list(built.state_dict()) == list(model.state_dict())
    assert len(list(built.parameters())) == len(list(model.parameters()))
    assert_equal(model, lambda twin: _like(built, twin), ((X[:3],), {}), training)


def _like(built: nn.Module, twin: nn.Module) -> nn.Module:
    """The built network, with the twin's parameters."""
    for name, _ in twin.named_parameters(remove_duplicate=False):
        path, _, last = name.rpartition(".")
        setattr(built.get_submodule(path), last, twin.get_parameter(name))
    return built.train(twin.training)


def test_blocks_with_one_activation_are_one_class() -> None:
    text = gn.emit(gn.trace(shared_activation(), X))
    assert text.count("class ") == 2
    assert "self.act = nn.ReLU()" in text


@pytest.mark.parametrize("make", [shared_activation, shared_layer, shared_block])
def test_rules_on_what_is_shared(make: Callable[[], nn.Module]) -> None:
    torch.manual_seed(0)
    model = make()
    graph = gn.trace(model, X)
    space = gn.mutate(graph, gn.Swap("*.layer", {"identity": nn.Identity, "pair": lambda site: Pair()}), ACTIVATIONS)
    assert gn.specialize(space, gn.default(space)) == graph
    archs = list(enumerate_archs(space))
    check(space, model.state_dict(), X, archs)
    for arch in archs:
        gn.verify(gn.specialize(space, arch))


@pytest.mark.parametrize("training", [False, True], ids=["eval", "train"])
def test_a_choice_writes_into_the_input_as_its_children_do(training: bool) -> None:
    space = gn.mutate(gn.trace(WritesInput(), X), gn.Swap("act", {"silu": nn.SiLU}))
    for arch in enumerate_archs(space):
        ours, theirs = X.clone(), X.clone()
        gn.build(gn.specialize(space, arch)).train(training)(ours)
        gn.build(space).train(training)(theirs, plan=arch)
        assert torch.equal(ours, theirs)
        assert torch.equal(ours, X) == (arch["act"] == "silu")


def test_a_value_that_may_be_the_input_is_kept_for_those_who_read_it() -> None:
    torch.manual_seed(0)
    model = WritesPerhapsInput()
    rules = gn.Swap("act", {"silu": nn.SiLU(inplace=True)}), gn.Swap("first", {"identity": nn.Identity})
    space = gn.mutate(gn.trace(model, X), *rules)
    supernet = gn.build(space, model.state_dict())
    weights = supernet.state_dict()
    for arch in enumerate_archs(space):
        ours, theirs = X.clone(), X.clone()
        child = gn.build(gn.specialize(space, arch), weights)
        assert torch.equal(child(ours), supernet(theirs, plan=arch)), arch
        assert torch.equal(ours, theirs), arch


class Optional(nn.Module):
    """Parts that may be missing, and of which one may be another block's as well."""

    def __init__(self, first: nn.Module | None, act: nn.Module | None, last: nn.Module | None) -> None:
        super().__init__()
        self.first = first
        self.act = act
        self.last = last
        self.always = nn.Linear(8, 8)

    def forward(self, x: Tensor) -> Tensor:
        x = self.always(torch.tanh(x) if self.first is None else self.first(x))
        if self.act is not None:
            x = self.act(x)
        return x if self.last is None else x + self.last(x)


@pytest.mark.parametrize("seed", range(12))
def test_parts_that_only_some_blocks_have_and_some_share(seed: int) -> None:
    rng = random.Random(seed)
    torch.manual_seed(seed)
    layer, act = nn.Linear(8, 8), nn.ReLU()
    firsts = [lambda: layer, lambda: layer, lambda: nn.Linear(8, 8), lambda: None]
    parts = [(rng.choice(firsts)(), rng.choice((act, None)), rng.choice((nn.Linear(8, 8), None))) for _ in range(4)]
    model = nn.Sequential(*(Optional(*part) for part in parts))
    built = gn.build(gn.trace(model, X), model.state_dict())
    assert list(built.state_dict()) == list(model.state_dict())
    assert torch.equal(built(X[:3]), model(X[:3]))
