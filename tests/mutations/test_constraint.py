"""Conditions on architectures: what they keep, who honors them, and what is no condition."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from torch import Tensor, nn
from typer.testing import CliRunner

from graphnas.cli.app import app
from graphnas.codegen.build import build
from graphnas.errors import ConstraintError, GraphError
from graphnas.ir.choice import TRAINING, Choice
from graphnas.ir.graph import Graph
from graphnas.ir.sampling import enumerate_archs, neighbors, sample
from graphnas.ir.specialize import canonical, default, specialize
from graphnas.ir.storing import from_json, save, to_json
from graphnas.mutations.constraint import Constraint
from graphnas.mutations.depth import Depth
from graphnas.mutations.inputs import Inputs
from graphnas.mutations.mutate import mutate
from graphnas.mutations.swap import Swap
from graphnas.strategies.evolution import RegularizedEvolution
from graphnas.strategies.random import Random
from graphnas.tracing.tracer import trace
from tests.mutations.spaces import lawful, x


class Net(nn.Module):
    """Three layers in a row, and an activation."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 4))
        self.act = nn.ReLU()
        self.head = nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.act(self.layers(x)))


RULES = (Depth("layers"), Swap("act", {"tanh": nn.Tanh}), Inputs("head", "layers", take=None))
SHALLOW = Constraint(lambda choice: choice["act"].equals("tanh").implies(choice["layers.depth"] <= 2))
DEEP = Constraint(lambda choice: choice["layers.depth"] < 3)  # the original breaks it


@pytest.fixture(scope="module")
def space() -> Graph:
    return mutate(trace(Net(), x(2, 4)), *RULES)


def members(space: Graph) -> list[dict[str, Any]]:
    return [arch for arch in enumerate_archs(space) if arch.get("act") != "tanh" or arch["layers.depth"] <= 2]


def test_members_are_the_architectures_that_satisfy_it(space: Graph) -> None:
    narrower = mutate(space, SHALLOW)
    wanted = members(space)
    assert list(enumerate_archs(narrower)) == wanted
    assert narrower.size() == len(wanted) < space.size()
    for seed in range(50):
        assert sample(narrower, seed) in wanted
    for arch in wanted:
        assert canonical(narrower, arch) == arch
        assert all(other in wanted for other in neighbors(narrower, arch))
    with pytest.raises(ConstraintError, match="breaks the constraint"):
        specialize(narrower, {"act": "tanh", "layers.depth": 3, "head.input": ("original",)})
    assert from_json(to_json(narrower)) == narrower


@pytest.mark.parametrize("strategy", [Random(), RegularizedEvolution(population=4, tournament=2)])
def test_strategies_propose_members(space: Graph, strategy: Any) -> None:
    narrower = mutate(space, SHALLOW, DEEP)
    wanted = list(enumerate_archs(narrower))
    strategy.start(narrower, {"score": "maximize"}, seed=0)
    found = []
    while (arch := strategy.ask()) is not None:
        found.append(arch)
        strategy.tell(arch, {"score": random.Random(str(arch)).random()})
    assert sorted(map(str, found)) == sorted(map(str, wanted))


def test_laws_hold_under_constraints() -> None:
    space = lawful(Net(), x(3, 4), *RULES, SHALLOW)
    assert space.constraints


def test_original_that_breaks_it_is_explained(space: Graph) -> None:
    narrower = mutate(space, DEEP)
    assert all(arch["layers.depth"] < 3 for arch in enumerate_archs(narrower))
    with pytest.raises(ConstraintError):
        specialize(narrower, default(narrower))
    build(narrower, Net().state_dict())
    found = DEEP.explain(space)
    assert found.looked_for == "architectures with <layers.depth> < 3"
    assert dict(found.decisions) == {"layers.depth": (3, 2, 1)}
    count = sum(arch["layers.depth"] < 3 for arch in enumerate_archs(space))
    assert found.architectures == count
    assert found.notes == (
        "the original breaks it, and is no member of the space",
        f"it keeps {count} of {space.size()} architectures",
    )
    assert SHALLOW.explain(space).notes[0] == "the original satisfies it"


def test_explain_says_that_nothing_is_left(space: Graph) -> None:
    nothing = Constraint(lambda choice: choice["layers.depth"] > 3)
    found = nothing.explain(space)
    assert found.architectures is None
    assert found.notes[1].startswith("applying the rule is an error: no architecture of space Net satisfies")


def test_command_line_says_and_honors_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    save(trace(Net(), x(2, 4)), tmp_path / "net.json")
    (tmp_path / "rules.py").write_text(
        "import graphnas as gn\n"
        "rules = [gn.Depth('layers'), gn.Constraint(lambda choice: choice['layers.depth'] < 3)]\n"
    )

    def told(*arguments: str) -> Any:
        found = CliRunner().invoke(app, [*arguments, "--json"])
        assert found.exit_code == 0, found.output
        return json.loads(found.stdout)

    data = told("mutate", "net.json", "rules.py:rules", "-o", "space.json")
    assert data["rules"][1]["notes"][0] == "the original breaks it, and is no member of the space"
    assert told("space", "size", "space.json")["size"] == 2
    assert all(
        told("space", "sample", "space.json", "--seed", str(seed))["arch"]["layers.depth"] < 3 for seed in range(3)
    )


@pytest.mark.parametrize(("condition", "message"), [
    (lambda choice: choice["layer.depth"] <= 2, r"no label 'layer\.depth'(.|\n)*Did you mean 'layers\.depth'"),
    (Choice("op", (1, 2)) <= 1, "no label 'op'"),
    (Choice("layers.depth", (1, 2)) <= 1, r"options \(1, 2\), but in the space it has \(3, 2, 1\)"),
    (lambda choice: choice["act"].equals("tan"), r"compares 'act' with 'tan', which is none .*Did you mean 'tanh'"),
    (lambda choice: choice["act"].one_of("tanh", "x"), r"compares 'act' with 'x'"),
    (lambda choice: choice["act"] == "tanh", r"test_constraint.py:\d+\) gives False, .*compare by .equals"),
    (lambda choice: choice["layers.depth"] + 1, r"<layers.depth> \+ 1 is neither"),
    (lambda choice: choice["layers.depth"] < 2 and True, "raises TypeError: .* of 'layers.depth' has no truth value"),
    (lambda choice: 1 <= choice["layers.depth"] <= 2, r"write 1 <= a <= 2 as \(1 <= a\) & \(a <= 2\)"),
    (lambda choice: choice["layers.depth"] / 0 < 1, "has no value"),
])  # fmt: skip
def test_what_is_no_condition_on_the_space(space: Graph, condition: Any, message: str) -> None:
    with pytest.raises(GraphError, match=message):
        mutate(space, Constraint(condition))


def test_what_is_no_condition_at_all() -> None:
    with pytest.raises(TypeError, match="a Boolean expression of choices or a function that makes one, but is False"):
        Constraint(Choice("a", (1, 2)) == 1)  # type: ignore[arg-type]
    with pytest.raises(GraphError, match="is neither"):
        Constraint(Choice("a", (1, 2)))
    with pytest.raises(GraphError, match="speaks of training, which is known only when a network runs"):
        Constraint(TRAINING)


def test_constraints_that_exclude_each_other(space: Graph) -> None:
    with pytest.raises(
        ConstraintError, match=r"no architecture of space Net satisfies its constraints(.|\n)*in the rule"
    ):
        mutate(space, DEEP, Constraint(lambda choice: choice["layers.depth"] >= 3))
    with pytest.raises(GraphError, match=r"has the constraint <layers.depth> < 3 already; apply it once"):
        mutate(space, DEEP, DEEP)


def test_search_that_decides_nothing_is_an_answer(space: Graph, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("graphnas.ir.sampling.LIMIT", 2)
    monkeypatch.setattr("graphnas.ir.sampling.ATTEMPTS", 0)
    with pytest.raises(ConstraintError, match="not decided within 2 steps whether an architecture of space Net"):
        mutate(space, Constraint(lambda choice: choice["act"].equals("tanh") & (choice["layers.depth"] <= 1)))
