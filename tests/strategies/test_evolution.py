"""Regularized evolution: age alone kills, one decision changes, the best is the parent."""

from __future__ import annotations

import math
import random
import statistics

import pytest

from graphnas.errors import TrialError
from graphnas.ir.choice import Arch
from graphnas.strategies.evolution import RegularizedEvolution
from tests.strategies.spaces import SPACES, flat, nested

ONE = {"accuracy": "maximize"}


def born(strategy: RegularizedEvolution, value: float) -> Arch:
    """Asks, and tells the value."""
    arch = strategy.ask()
    assert arch is not None
    strategy.tell(arch, {"accuracy": value})
    return arch


def test_the_best_dies_exactly_after_as_many_births_as_the_population_has_members() -> None:
    strategy = RegularizedEvolution(population=5, tournament=3)
    strategy.start(flat(*[4] * 6), ONE, 0)
    for _ in range(8):
        born(strategy, 0.1)
    best = born(strategy, 1.0)
    for _ in range(4):
        born(strategy, 0.1)
        assert best in strategy.members
    born(strategy, 0.1)
    assert best not in strategy.members


def test_the_population_is_what_was_told_last() -> None:
    strategy = RegularizedEvolution(population=6, tournament=2)
    strategy.start(flat(*[4] * 6), ONE, 0)
    archs = [born(strategy, number % 3) for number in range(20)]
    assert list(strategy.members) == archs[-6:]


def test_a_failed_trial_is_not_born() -> None:
    strategy = RegularizedEvolution(population=4, tournament=2)
    strategy.start(flat(*[4] * 6), ONE, 0)
    for number in range(12):
        arch = strategy.ask()
        assert arch is not None
        strategy.tell(arch, None if number % 2 else {"accuracy": math.nan if number % 4 else 1.0})
    assert len(strategy.members) == 3


def test_a_child_differs_from_a_member_in_one_decision() -> None:
    strategy = RegularizedEvolution(population=5, tournament=5)
    strategy.start(flat(*[3] * 8), ONE, 0)
    for number in range(5):
        born(strategy, number)
    for _ in range(40):
        members = strategy.members
        child = strategy.ask()
        assert child is not None
        distances = [sum(child[label] != member[label] for label in child) for member in members]
        assert min(distances) == 1
        strategy.tell(child, {"accuracy": 0.0})


@pytest.mark.parametrize(("direction", "best"), [("maximize", 4), ("minimize", 0)])
def test_the_parent_is_the_best_of_the_tournament(direction: str, best: int) -> None:
    strategy = RegularizedEvolution(population=5, tournament=200)
    strategy.start(flat(*[3] * 8), {"accuracy": direction}, 0)
    archs = [born(strategy, number) for number in range(5)]
    child = strategy.ask()
    assert child is not None
    assert sum(child[label] != archs[best][label] for label in child) == 1


def test_a_decision_that_opens_others_leaves_them_to_chance() -> None:
    inner = set()
    for seed in range(30):
        strategy = RegularizedEvolution(population=1, tournament=1, repeats=True)
        strategy.start(nested(), ONE, seed)
        first = born(strategy, 1.0)
        child = strategy.ask()
        assert child is not None
        if first == {"outer": "plain"}:
            assert child["outer"] == "inner"
            inner.add(child["inner"])
    assert inner == {"relu", "tanh", "gelu"}


def test_several_objectives_are_refused() -> None:
    with pytest.raises(TrialError, match="one objective, but got 2: accuracy, macs"):
        RegularizedEvolution().start(SPACES["flat"], {"accuracy": "maximize", "macs": "minimize"}, 0)


def test_metrics_without_the_objective_are_refused() -> None:
    strategy = RegularizedEvolution()
    strategy.start(SPACES["flat"], ONE, 0)
    arch = strategy.ask()
    assert arch is not None
    with pytest.raises(TrialError, match="lack the objective 'accuracy'; they have loss"):
        strategy.tell(arch, {"loss": 1.0})


@pytest.mark.parametrize("sizes", [{"population": 0}, {"tournament": 0}])
def test_a_population_or_tournament_of_nobody_is_refused(sizes: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="must hold"):
        RegularizedEvolution(**sizes)


def test_shares_are_those_of_the_best_fifth() -> None:
    strategy = RegularizedEvolution(population=10, tournament=2)
    strategy.start(flat(2, 50), ONE, 0)
    archs = [born(strategy, number) for number in range(10)]
    assert strategy.shares()["c1"][archs[9]["c1"]] >= 0.5


def test_evolution_finds_more_ones_than_random_search() -> None:
    """On a noisy count of ones the population ends where the rule of the paper takes it, far above chance."""
    means = []
    for seed in range(5):
        noise = random.Random(seed)
        strategy = RegularizedEvolution(population=20, tournament=5, repeats=True)
        strategy.start(flat(*[2] * 30), ONE, seed)
        last: list[float] = []
        for _ in range(400):
            arch = strategy.ask()
            assert arch is not None
            true = statistics.mean(int(option == 1) for option in arch.values())
            strategy.tell(arch, {"accuracy": true + noise.gauss(0, 0.01)})
            last.append(true)
        means.append(statistics.mean(last[-50:]))
    assert statistics.mean(means) > 0.85
