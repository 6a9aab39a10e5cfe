"""Random search: uniform, without repeats, exhaustive."""

from __future__ import annotations

from collections import Counter

import pytest

from graphnas.ir.sampling import enumerate_archs
from graphnas.strategies.proposals import frequencies, key_of
from graphnas.strategies.random import Random
from tests.strategies.spaces import SPACES, flat


@pytest.mark.parametrize("name", SPACES)
def test_random_visits_every_architecture_once_and_then_ends(name: str) -> None:
    space, strategy = SPACES[name], Random()
    strategy.start(space, {"a": "maximize", "b": "minimize"}, 0)
    asked = []
    while (arch := strategy.ask()) is not None:
        strategy.tell(arch, None)
        asked.append(key_of(arch))
    assert sorted(asked, key=repr) == sorted(map(key_of, enumerate_archs(space)), key=repr)
    assert strategy.ask() is None


def test_random_is_uniform_over_options() -> None:
    strategy = Random(repeats=True)
    strategy.start(flat(3), {"a": "maximize"}, 0)
    counts: Counter[object] = Counter()
    for _ in range(3000):
        arch = strategy.ask()
        assert arch is not None
        counts[arch["c0"]] += 1
        strategy.tell(arch, {"a": 1.0})
    # The standard deviation of each count is 26.
    assert all(abs(count - 1000) < 120 for count in counts.values())


def test_key_tells_options_of_different_types_apart() -> None:
    assert len({key_of({"a": option}) for option in (1, 1.0, True, "1", (1,), (1.0,))}) == 6


def test_frequencies_of_subsets_count_each_member() -> None:
    found = frequencies(SPACES["subsets"], [{"inputs": ("x", "a"), "scale": 1}, {"inputs": ("a",), "scale": 1}])
    assert found["inputs"] == {"x": 0.5, "a": 1.0, "b": 0.0}
    assert found["scale"] == {1: 1.0, 2: 0.0}
