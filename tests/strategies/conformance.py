"""What every strategy must do. A strategy of your own passes when these functions pass:

    @pytest.mark.parametrize("check", CHECKS)
    def test_mine_conforms(check):
        check(lambda: Mine(...))

Each takes a function that makes a new strategy for one objective.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping

import pytest

from graphnas.errors import GraphNASError
from graphnas.ir.choice import Arch
from graphnas.ir.counting import holds
from graphnas.ir.graph import Graph
from graphnas.ir.specialize import canonical
from graphnas.strategies.proposals import key_of
from graphnas.strategies.strategy import Strategy
from tests.strategies.spaces import SPACES, flat

OBJECTIVES = {"accuracy": "maximize"}
Make = Callable[[], Strategy]


def score(arch: Arch) -> dict[str, float]:
    """Some value that depends on the architecture alone."""
    return {"accuracy": random.Random(repr(sorted(arch.items()))).random()}


def proposals(strategy: Strategy, space: Graph, seed: int, count: int, lag: int = 2) -> list[Arch]:
    """What a strategy asks when it is told each answer `lag` asks later; every seventh trial fails."""
    strategy.start(space, OBJECTIVES, seed)
    asked: list[Arch] = []
    for number in range(count):
        if number >= lag:
            earlier = asked[number - lag]
            strategy.tell(earlier, None if number % 7 == 0 else score(earlier))
        arch = strategy.ask()
        if arch is None:
            break
        asked.append(arch)
    return asked


def check_reproducible_by_seed(make: Make) -> None:
    """The same seed gives the same proposals, from a new object and from one that was used before; another does not."""
    space = flat(4, 4, 4, 4)
    first, strategy = proposals(make(), space, 0, 40), make()
    assert proposals(strategy, space, 0, 40) == first
    assert proposals(strategy, space, 0, 40) == first
    assert proposals(make(), space, 1, 40) != first


def check_global_randomness_is_left_alone(make: Make) -> None:
    """Neither read nor moved."""
    random.seed(5)
    state = random.getstate()
    first = proposals(make(), flat(4, 4, 4), 0, 20)
    assert random.getstate() == state
    random.seed(6)
    assert proposals(make(), flat(4, 4, 4), 0, 20) == first


def check_proposals_are_canonical_members(make: Make) -> None:
    """Every label is live, every live label is decided, constraints hold."""
    for space in SPACES.values():
        for arch in proposals(make(), space, 3, 30):
            assert dict(arch) == canonical(space, arch)
            assert not [label for label in space.flow.reached(arch, through_open=False)[1] if label not in arch]
            assert holds(space, arch)


def check_pending_is_never_proposed_again(make: Make) -> None:
    """Nothing is told, so nothing comes twice; when all is pending there is nothing more."""
    for space in SPACES.values():
        asked = proposals(make(), space, 0, 200, lag=10_000)
        keys = [key_of(arch) for arch in asked]
        assert len(set(keys)) == len(keys)
        assert len(keys) == space.size()


def check_resumes_by_replay(make: Make) -> None:
    """A new strategy that is asked and told what is stored goes on as the first one would have."""
    space = flat(4, 4, 4)
    whole = proposals(make(), space, 7, 30)
    for cut in (0, 1, 2, 9, 29):
        assert proposals(make(), space, 7, cut) == whole[:cut]


def check_order_of_metrics_does_not_matter(make: Make) -> None:
    """Metrics beside the objective change nothing."""
    space = flat(4, 4, 4)
    results = []
    for extra in ({}, {"loss": 1.0, "macs": math.inf}):
        strategy = make()
        strategy.start(space, OBJECTIVES, 0)
        archs = []
        for _ in range(25):
            arch = strategy.ask()
            assert arch is not None
            archs.append(arch)
            strategy.tell(arch, {**extra, **score(arch)})
        results.append(archs)
    assert results[0] == results[1]


def check_survives_bad_scores(make: Make) -> None:
    """Failures and values that are no numbers are no end."""
    answers: tuple[Mapping[str, float] | None, ...] = (
        None, {"accuracy": math.nan}, {"accuracy": math.inf}, {"accuracy": -math.inf}, {"accuracy": 0.5}
    )  # fmt: skip
    strategy = make()
    strategy.start(flat(5, 5, 5), OBJECTIVES, 0)
    for number in range(80):
        arch = strategy.ask()
        assert arch is not None
        strategy.tell(arch, answers[number % len(answers)])


def check_shares_are_shares(make: Make) -> None:
    """Every label and option has one between 0 and 1; of a choice of one they sum to 1, before and after answers."""
    for space in SPACES.values():
        strategy = make()
        strategy.start(space, OBJECTIVES, 0)
        for _ in range(12):
            shares = strategy.shares()
            assert list(shares) == list(space.choices)
            for label, choice in space.choices.items():
                assert list(shares[label]) == list(choice.options)
                assert all(0 <= share <= 1 for share in shares[label].values())
                assert choice.take != 1 or sum(shares[label].values()) == pytest.approx(1)
            arch = strategy.ask()
            if arch is not None:
                strategy.tell(arch, score(arch))


def check_infeasible_space_is_refused(make: Make) -> None:
    """A space without a member is an error of ours, at the start or at the first ask."""
    space = flat(3, 3)
    impossible = flat(3, 3, constraints=(space.choices["c0"] + space.choices["c1"] > 9,))
    with pytest.raises(GraphNASError):
        proposals(make(), impossible, 0, 1)


CHECKS = [check for name, check in sorted(globals().items()) if name.startswith("check_")]
