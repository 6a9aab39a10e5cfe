"""Law 5: samples are canonical members, enumeration repeats nothing, and `size` is its length."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphnas.errors import ArchError, ConstraintError
from graphnas.ir.choice import TRAINING, Choice, Option
from graphnas.ir.graph import Graph
from graphnas.ir.sampling import complete, enumerate_archs, neighbors, sample
from graphnas.ir.specialize import canonical, specialize
from tests.laws.spaces import assignments, evaluate, satisfies, some_arch, spaces

seeds = st.integers(0, 2**32 - 1)


def frozen(arch: object) -> frozenset[object]:
    """An arch as something to put into a set; types count, so that `True` is not `1`."""
    return frozenset((label, option, type(option)) for label, option in dict(arch).items())  # type: ignore[call-overload]


@given(space=spaces(), seed=seeds)
def test_sample_is_a_canonical_member(space: Graph, seed: int) -> None:
    arch = sample(space, seed)
    assert canonical(space, arch) == arch
    assert satisfies(space.constraints, arch)
    assert all(option in space.choices[label].domain for label, option in arch.items())
    assert frozen(arch) in set(map(frozen, enumerate_archs(space)))


@given(space=spaces(), seed=seeds)
def test_sample_repeats_itself_when_the_seed_does(space: Graph, seed: int) -> None:
    assert sample(space, seed) == sample(space, seed) == sample(space, random.Random(seed))


@given(space=spaces(), seed=seeds)
def test_samples_reach_every_member(space: Graph, seed: int) -> None:
    members = set(map(frozen, enumerate_archs(space)))
    if len(members) > 12:
        return
    rng = random.Random(seed)
    assert {frozen(sample(space, rng)) for _ in range(60 * len(members))} == members


class Scripted(random.Random):
    """Draws what it is told to, and the first option after that.

    Args:
        script: which option each draw takes.
    """

    def __init__(self, script: Sequence[int]) -> None:
        super().__init__(0)
        self._script = list(script)
        self.drawn: list[tuple[int, int]] = []

    def choice(self, options: Sequence[Any]) -> Any:
        """The option that the script names; notes it, and of how many it is."""
        place = self._script[len(self.drawn)] if len(self.drawn) < len(self._script) else 0
        self.drawn.append((place, len(options)))
        return options[place]


def every_draw(space: Graph) -> Iterator[dict[str, Option]]:
    """What each sequence of draws gives."""
    drawn = [(0, 0)]
    script: list[int] = []
    while drawn:
        rng = Scripted(script)
        yield sample(space, rng)
        drawn = rng.drawn
        while drawn and drawn[-1][0] + 1 == drawn[-1][1]:
            drawn.pop()
        script = [place for place, _ in drawn]
        script[-1:] = [place + 1 for place in script[-1:]]


@given(space=spaces(), seed=seeds)
def test_each_sequence_of_draws_gives_one_member(space: Graph, seed: int) -> None:
    free = replace(space, constraints=())
    drawn = [frozen(arch) for arch in every_draw(free)]
    assert len(set(drawn)) == len(drawn)
    assert set(drawn) == set(map(frozen, enumerate_archs(free)))


@given(space=spaces(), seed=seeds)
def test_what_is_decided_stays_so_where_it_is_live(space: Graph, seed: int) -> None:
    rng = random.Random(seed)
    decided = {label: option for label, option in sample(space, rng).items() if rng.random() < 0.5}
    arch = complete(space, decided, rng)
    assert frozen(arch) in set(map(frozen, enumerate_archs(space)))
    assert canonical(space, {**arch, **decided}) == arch


@given(space=spaces(), seed=seeds)
def test_enumeration_is_every_canonical_arch_that_satisfies_the_constraints(space: Graph, seed: int) -> None:
    listed = [frozen(arch) for arch in enumerate_archs(space)]
    assert len(set(listed)) == len(listed)
    canonicals = (canonical(space, arch) for arch in assignments(space.choices))
    assert set(listed) == {frozen(arch) for arch in canonicals if satisfies(space.constraints, arch)}


@given(space=spaces(), seed=seeds)
def test_size_is_the_length_of_the_enumeration(space: Graph, seed: int) -> None:
    assert space.size() == len(list(enumerate_archs(space)))


@given(space=spaces(), seed=seeds)
def test_size_of_the_parts_is_the_size_of_the_whole(space: Graph, seed: int) -> None:
    open_labels = [label for label in space.choices if label in sample(space, seed)]
    always = [label for label in open_labels if all(label in arch for arch in enumerate_archs(space))]
    for label in always[:2]:
        options = {arch[label] for arch in enumerate_archs(space)}
        parts = (specialize(space, {label: option}) for option in options)
        assert sum(part.size() for part in parts) == space.size()


@given(space=spaces(), seed=seeds)
def test_size_estimate_is_exact_when_nothing_is_open(space: Graph, seed: int) -> None:
    assert specialize(space, sample(space, seed)).size(estimate=True).value == 1


@given(space=spaces(), seed=seeds)
def test_neighbors_are_the_members_one_decision_away(space: Graph, seed: int) -> None:
    arch = sample(space, seed)
    members = set(map(frozen, enumerate_archs(space)))
    found = [frozen(neighbor) for neighbor in neighbors(space, arch)]
    assert len(set(found)) == len(found)
    assert set(found) <= members - {frozen(arch)}
    for neighbor in neighbors(space, arch):
        assert any(neighbor.get(label) != option for label, option in arch.items())


@given(space=spaces(), seed=seeds)
def test_domain_is_every_value_of_a_choice(space: Graph, seed: int) -> None:
    for choice in space.choices.values():
        count = len(choice.options)
        sizes = range(1, count + 1) if choice.take is None else (choice.take,)
        assert len(set(choice.domain)) == len(choice.domain) == sum(math.comb(count, size) for size in sizes)
        assert [choice.positions(value) for value in choice.domain] == sorted(
            (choice.positions(value) for value in choice.domain), key=lambda places: (len(places), places)
        )


@given(space=spaces(), seed=seeds)
def test_conditions_are_no_choices(space: Graph, seed: int) -> None:
    assert all(isinstance(choice, Choice) for choice in space.choices.values())
    assert TRAINING not in space.choices.values()
    assert set(sample(space, seed)) <= set(space.choices)


@given(space=spaces(), seed=seeds)
def test_unknown_labels_and_options_are_refused(space: Graph, seed: int) -> None:
    arch = some_arch(space, seed)
    with pytest.raises(ArchError, match="no_such_label"):
        canonical(space, {**arch, "no_such_label": 1})
    for label in arch:
        with pytest.raises(ArchError, match="no such option"):
            specialize(space, {**arch, label: "no such option"})


@given(space=spaces(), seed=seeds)
def test_an_arch_that_violates_a_constraint_is_refused(space: Graph, seed: int) -> None:
    for arch in assignments(space.choices):
        member = canonical(space, arch)
        if not satisfies(space.constraints, member):
            with pytest.raises(ConstraintError):
                specialize(space, member)
            return


@given(space=spaces(), seed=seeds)
def test_a_space_without_members_is_found_out(space: Graph, seed: int) -> None:
    for choice in space.choices.values():
        never = choice.equals(choice.default) & ~choice.equals(choice.default)
        assert not evaluate(never, {choice.label: choice.default})
        closed = Graph(**{**vars_of(space), "constraints": (never,)})
        if all(choice.label in canonical(space, arch) for arch in assignments(space.choices)):
            assert closed.size() == 0
            with pytest.raises(ConstraintError):
                sample(closed, seed)


def vars_of(space: Graph) -> dict[str, object]:
    """The fields of a graph."""
    return {name: getattr(space, name) for name in Graph.__dataclass_fields__}
