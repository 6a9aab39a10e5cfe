"""Rules at one site in every order: the space, its size, and what every child computes are the same."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from graphnas.codegen.build import build
from graphnas.ir.choice import Arch
from graphnas.ir.graph import Graph
from graphnas.ir.sampling import enumerate_archs
from graphnas.ir.specialize import default, specialize
from graphnas.mutations.mutate import Rule, mutate
from graphnas.mutations.skip import Skip
from graphnas.mutations.swap import Swap
from graphnas.mutations.value import Value
from graphnas.tracing.tracer import trace

FUNCTIONS = {"gelu": F.gelu, "silu": F.silu, "tanh": torch.tanh}
RULES: dict[str, Rule] = {
    "swap": Swap("block.act", {"gelu": nn.GELU, "silu": nn.SiLU}),
    "second swap": Swap("block.act", {"tanh": nn.Tanh}, label="second"),
    "value": Value("block.act", "negative_slope", (0.2,)),
    "skip": Skip("block.act"),
    "swap around": Swap("block", {"tanh": nn.Tanh}, label="around"),
    "skip around": Skip("block"),
}
# How many operations a rule adds to the one of the site, and to the one of the block around it.
ADDED = {"swap": 2, "second swap": 1, "value": 1}


class Block(nn.Module):
    """A layer and an activation."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(6, 6)
        self.act = nn.LeakyReLU(0.1)

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.fc(x))


class Net(nn.Module):
    """A block between two layers, called twice."""

    def __init__(self) -> None:
        super().__init__()
        self.block = Block()
        self.out = nn.Linear(6, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.block(self.block(x)))


class Edited(Net):
    """The network as a person would write it under an architecture."""

    def __init__(self, arch: Arch) -> None:
        super().__init__()
        self.arch = arch

    def activation(self, x: Tensor) -> Tensor:
        chosen = {self.arch.get("block.act"), self.arch.get("second")} & FUNCTIONS.keys()
        y = (
            FUNCTIONS[str(chosen.pop())](x)
            if chosen
            else F.leaky_relu(x, self.arch.get("block.act.negative_slope", 0.1))
        )
        return y + x if self.arch.get("block.act.skip") else y

    def around(self, x: Tensor) -> Tensor:
        y = torch.tanh(x) if self.arch.get("around") == "tanh" else self.activation(self.block.fc(x))
        return y + x if self.arch.get("block.skip") else y

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.around(self.around(x)))


@pytest.fixture(scope="module")
def graph() -> Graph:
    return trace(Net(), torch.randn(2, 6))


def size(names: tuple[str, ...]) -> int:
    """How many architectures the rules make, in whatever order."""
    inner = (1 + sum(ADDED.get(name, 0) for name in names)) * (1 + ("skip" in names))
    return (inner + ("swap around" in names)) * (1 + ("skip around" in names))


@pytest.mark.parametrize("count", [1, 2, 3])
def test_rules_give_one_space_in_every_order(graph: Graph, count: int) -> None:
    for names in itertools.permutations(RULES, count):
        space = mutate(graph, *(RULES[name] for name in names))
        archs = list(enumerate_archs(space))
        assert (space.size(), len(archs)) == (size(names), size(names)), names
        assert specialize(space, default(space)) == graph, names


@pytest.mark.parametrize("names", [
    ("swap", "skip"), ("skip", "swap"), ("swap", "second swap", "skip"), ("swap", "skip", "second swap"),
    ("skip", "value", "swap"), ("swap around", "skip around"), ("skip around", "swap around", "swap", "skip"),
    tuple(RULES), tuple(RULES)[::-1],
], ids="-".join)  # fmt: skip
def test_child_computes_what_its_architecture_says(graph: Graph, names: tuple[str, ...]) -> None:
    torch.manual_seed(0)
    weights, x = Net().state_dict(), torch.randn(3, 6)
    space = mutate(graph, *(RULES[name] for name in names))
    supernet = build(space, weights)
    assert space.size() == size(names)
    for arch in enumerate_archs(space):
        edited = Edited(arch)
        edited.load_state_dict(weights)
        expected = edited(x)
        assert torch.equal(build(specialize(space, arch), weights)(x), expected), arch
        assert torch.equal(supernet(x, plan=arch), expected), arch


def test_shortcut_takes_the_alternatives_of_its_site_along(graph: Graph) -> None:
    """A rule that means a site and what a rule before has put there means the site as a whole."""
    space = mutate(graph, Swap("block.act", {"leaky": lambda site: nn.LeakyReLU(0.3)}))
    found = Skip("block.act*").explain(space)
    assert [site.name for site in found.matched] == ["block.act", "block@1.act"]
    assert {site.name: reason for site, reason in found.passed} == {
        "block.act_leaky": "it lies inside block.act, which the rule matches as a whole",
        "block@1.act_leaky": "it lies inside block@1.act, which the rule matches as a whole",
    }
    inside = mutate(space, Skip("block.act_leaky"))
    assert inside.size() == 3
