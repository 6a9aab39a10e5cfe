"""Alternatives and sites that change what they are given: nobody else sees it."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from graphnas.codegen.build import build
from graphnas.errors import GraphError
from graphnas.ir.sampling import enumerate_archs
from graphnas.ir.specialize import default, specialize
from graphnas.mutations.mutate import mutate
from graphnas.mutations.skip import Skip
from graphnas.mutations.swap import Swap
from graphnas.tracing.tracer import trace
from tests.laws.networks import run, same


class AddThroughView(nn.Module):
    """Writes into a view of what it is given and returns the latter."""

    def forward(self, x: Tensor) -> Tensor:
        x.view(x.shape[0], -1).add_(1)
        return x


class SetItem(nn.Module):
    """Assigns to a part of what it is given."""

    def forward(self, x: Tensor) -> Tensor:
        x[:, 0] = 0
        return x


class ReadAfterwards(nn.Module):
    """Writes into what it is given and reads it under its old name, in a module of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.first = AddThroughView()

    def forward(self, x: Tensor) -> Tensor:
        self.first(x)
        return torch.tanh(x)


ALTERNATIVES: dict[str, tuple[Callable[[], nn.Module], Callable[[Tensor], Tensor]]] = {
    "view": (AddThroughView, lambda x: x + 1),
    "item": (SetItem, lambda x: torch.cat([torch.zeros_like(x[:, :1]), x[:, 1:]], 1)),
    "read": (ReadAfterwards, lambda x: torch.tanh(x + 1)),
}


class Net(nn.Module):
    """What the site is given is read before it, by what keeps it for its gradient, and behind it."""

    def __init__(self, act: Callable[[Tensor], Tensor] | None = None) -> None:
        super().__init__()
        self.stem = nn.Linear(6, 6)
        self.fc = nn.Linear(6, 6)
        self.act = nn.GELU() if act is None else act
        self.out = nn.Linear(6, 2)

    def forward(self, x: Tensor) -> Tensor:
        h = self.stem(x)
        before = self.fc(h)
        y = self.act(h)
        return self.out(before * y + self.fc(h))


class OfInput(Net):
    """The site is given the network's own input."""

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.act(x) + self.fc(x))


X = torch.randn(3, 6, generator=torch.Generator().manual_seed(3))


@pytest.mark.parametrize("option", ALTERNATIVES)
@pytest.mark.parametrize("net", [Net, OfInput])
def test_alternative_is_given_a_copy_of_what_it_would_overwrite(net: type[Net], option: str) -> None:
    torch.manual_seed(0)
    make, meaning = ALTERNATIVES[option]
    model, edited = net(), net(meaning)
    graph = trace(model, X)
    space = mutate(graph, Swap("act", {option: make}))
    assert specialize(space, default(space)) == graph
    supernet, child = build(space, model.state_dict()), build(specialize(space, {"act": option}), model.state_dict())
    weights = model.state_dict()
    for training in (False, True):
        expected = run(edited, weights, X, training=training)
        for found in (run(child, weights, X, training=training),
                      run(supernet, weights, X, training=training, plan={"act": option})):  # fmt: skip
            assert same(found.output, expected.output)
            assert same(found.gradients, expected.gradients)


@pytest.mark.parametrize("option", [*ALTERNATIVES, "relu"])
def test_alternative_leaves_the_caller_its_input(option: str) -> None:
    make = ALTERNATIVES[option][0] if option in ALTERNATIVES else lambda: nn.ReLU(inplace=True)
    space = mutate(trace(OfInput(), X), Swap("act", {option: lambda site: make()}))
    given = X.clone()
    build(specialize(space, {"act": option}), {})(given)
    build(space, {})(given, plan={"act": option})
    assert torch.equal(given, X)


def test_write_that_the_emitter_can_move_needs_no_copy() -> None:
    space = mutate(trace(Net(), X), Swap("act", {"relu": nn.ReLU(inplace=True), "silu": nn.SiLU(inplace=True)}))
    assert not [name for name in space.by_name if name.endswith("_copy")]


class InPlace(Net):
    """The site writes into what is read under its old name afterwards."""

    def __init__(self) -> None:
        super().__init__(nn.ReLU(inplace=True))

    def forward(self, x: Tensor) -> Tensor:
        h = self.stem(x)
        y = self.act(h)
        return self.out(self.fc(y) + h)


class Assigning(Net):
    """The site assigns to a part of what it is given."""

    def __init__(self) -> None:
        super().__init__(SetItem())

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.act(self.stem(x)))


class WritesInput(Net):
    """The site writes into the network's input."""

    def __init__(self) -> None:
        super().__init__(nn.ReLU(inplace=True))

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.act(x))


@pytest.mark.parametrize("net", [InPlace, Assigning, WritesInput])
@pytest.mark.parametrize("swapped", [False, True])
def test_shortcut_around_what_changes_its_input_is_refused(net: type[Net], swapped: bool) -> None:
    graph = trace(net(), X)
    rules = (Swap("act", {"gelu": nn.GELU}),) if swapped else ()
    with pytest.raises(GraphError, match=r"act .*test_overwriting.py:\d+\) changes in place what a shortcut would add"):
        mutate(graph, *rules, Skip("act"))


def test_in_place_layer_may_have_a_shortcut() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 6), nn.ReLU(inplace=True), nn.Linear(6, 2))
    space = mutate(trace(model, X), Skip("1"), Swap("1", {"silu": nn.SiLU(inplace=True)}))
    supernet = build(space, model.state_dict())
    weights = model.state_dict()
    for arch, training in itertools.product(enumerate_archs(space), (False, True)):
        ours = run(build(specialize(space, arch), weights), weights, X, training=training)
        theirs = run(supernet, weights, X, training=training, plan=arch)
        assert same(ours.output, theirs.output)
        assert same(ours.gradients, theirs.gradients)
