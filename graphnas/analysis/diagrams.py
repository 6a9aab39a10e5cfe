"""What depends on decisions, as decision diagrams: branches on labels in one order, equal parts shared.

A diagram is canonical: where two decisions make no difference there is no branch on them, and equal diagrams are one
object. So it tells what a value really depends on, and conditions that are spelled differently become the same.

Source: R. E. Bryant, Graph-based algorithms for Boolean function manipulation, 1986, with branches of several ways.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from graphnas.errors import GraphError
from graphnas.ir.choice import Apply, Choice, Option
from graphnas.ir.node import Arg

LIMIT = 20_000  # terms of an expression
STEPS = 1_000_000  # ways that are looked at before a space is given up


@dataclass(frozen=True, slots=True, eq=False)
class Leaf:
    """A value that no decision changes."""

    value: Any


@dataclass(frozen=True, slots=True, eq=False)
class Branch:
    """What there is under each value of a choice, in the order of its domain."""

    label: str
    ways: tuple[Diagram, ...]


Diagram: TypeAlias = Leaf | Branch


class Diagrams:
    """Makes the diagrams of one space.

    Args:
        choices: by label; a diagram branches on earlier ones first.
    """

    def __init__(self, choices: Mapping[str, Choice]) -> None:
        self._choices = choices
        self._rank = {label: rank for rank, label in enumerate(choices)}
        self._leaves: dict[tuple[type, str], Leaf] = {}
        self._branches: dict[tuple[str, tuple[Diagram, ...]], Branch] = {}
        self._chosen: dict[tuple[Diagram, Diagram, Diagram], Diagram] = {}
        self._supports: dict[Diagram, frozenset[str]] = {}
        self._steps = 0
        self.true, self.false, self.zero = self.leaf(True), self.leaf(False), self.leaf(0)

    # ---------------------------------------------------------------- making
    def leaf(self, value: Any) -> Leaf:
        """A value that no decision changes."""
        return self._leaves.setdefault((type(value), repr(value)), Leaf(value))

    def of(self, choice: Choice, function: Callable[[Any], Any]) -> Diagram:
        """A function of what is decided."""
        return self._branch(choice.label, tuple(self.leaf(function(value)) for value in choice.domain))

    def combine(self, function: Callable[..., Any], *operands: Diagram) -> Diagram:
        """The diagram of `function` of the operands' values."""
        known: dict[tuple[Diagram, ...], Diagram] = {}

        def combined(items: tuple[Diagram, ...]) -> Diagram:
            if items not in known:
                if all(isinstance(item, Leaf) for item in items):
                    known[items] = self.leaf(function(*[item.value for item in items if isinstance(item, Leaf)]))
                else:
                    known[items] = self._split(items, combined)
            return known[items]

        return combined(operands)

    def choose(self, condition: Diagram, yes: Diagram, no: Diagram) -> Diagram:
        """`yes` where the condition holds, else `no`."""
        if isinstance(condition, Leaf):
            return yes if condition.value else no
        if yes is no:
            return yes
        key = (condition, yes, no)
        if key not in self._chosen:
            self._chosen[key] = self._split(key, lambda items: self.choose(*items))
        return self._chosen[key]

    def both(self, first: Diagram, second: Diagram) -> Diagram:
        """Whether two conditions hold."""
        return self.choose(first, second, self.false)

    def either(self, first: Diagram, second: Diagram) -> Diagram:
        """Whether one of two conditions holds."""
        return self.choose(first, self.true, second)

    def any(self, conditions: Iterable[Diagram]) -> Diagram:
        """Whether one of the conditions holds."""
        found: Diagram = self.false
        for condition in conditions:
            found = self.either(found, condition)
        return found

    def negation(self, condition: Diagram) -> Diagram:
        """Whether a condition does not hold."""
        return self.choose(condition, self.false, self.true)

    def _split(self, items: tuple[Diagram, ...], function: Callable[[tuple[Diagram, ...]], Diagram]) -> Diagram:
        """Branches on the first label that the items branch on."""
        label = min((item.label for item in items if isinstance(item, Branch)), key=self._rank.__getitem__)
        ways = range(len(self._choices[label].domain))
        self._steps += len(ways)
        if self._steps > STEPS:
            _refuse(label)
        return self._branch(label, tuple([function(tuple([_way(item, label, way) for item in items])) for way in ways]))

    def _branch(self, label: str, ways: tuple[Diagram, ...]) -> Diagram:
        if all(way is ways[0] for way in ways):
            return ways[0]
        return self._branches.setdefault((label, ways), Branch(label, ways))

    # ---------------------------------------------------------------- reading
    def support(self, diagram: Diagram) -> frozenset[str]:
        """The labels that a diagram depends on."""
        if isinstance(diagram, Leaf):
            return frozenset()
        if diagram not in self._supports:
            self._supports[diagram] = frozenset({diagram.label}).union(*map(self.support, set(diagram.ways)))
        return self._supports[diagram]

    def paths(self, diagram: Diagram) -> Iterator[tuple[dict[str, Option], Any]]:
        """Every way to a value: the decisions that lead to it, and the value."""
        if isinstance(diagram, Leaf):
            yield {}, diagram.value
            return
        for option, way in zip(self._choices[diagram.label].domain, diagram.ways, strict=True):
            for arch, value in self.paths(way):
                yield {diagram.label: option, **arch}, value

    def total(self, diagrams: Iterable[Diagram]) -> Arg:
        """The sum of many diagrams as an expression: one term for the decisions that terms have in common."""
        groups: dict[frozenset[str], Diagram] = {}
        for diagram in diagrams:
            labels = self.support(diagram)
            groups[labels] = self.combine(operator.add, groups.get(labels, self.zero), diagram)
        constant = sum(group.value for group in groups.values() if isinstance(group, Leaf))
        terms = [self.expression(group) for group in groups.values() if isinstance(group, Branch)]
        return _sum([*terms, constant] if constant or not terms else terms)

    def expression(self, diagram: Diagram) -> Arg:
        """The diagram as an expression, whose conditions ask of no label that those around them rule out.

        Raises:
            GraphError: it has too many terms.
        """
        known: dict[Diagram, tuple[Arg, int]] = {}

        def written(item: Diagram) -> tuple[Arg, int]:
            if isinstance(item, Leaf):
                return item.value, 1
            if item not in known:
                choice = self._choices[item.label]
                ways = [(value, *written(way)) for value, way in zip(choice.domain, item.ways, strict=True)]
                known[item] = _cases(choice, item.ways, ways)
                if known[item][1] > LIMIT:
                    _refuse(item.label)
            return known[item]

        return written(diagram)[0]


def _way(item: Diagram, label: str, way: int) -> Diagram:
    return item.ways[way] if isinstance(item, Branch) and item.label == label else item


def _refuse(label: str) -> None:
    raise GraphError(
        f"what depends on {label!r} and the choices around it has too many cases to be written down\n"
        f"  at label {label!r}. Let fewer choices open one another or change shapes together, or share labels."
    )


def _sum(terms: Sequence[Arg]) -> Arg:
    """A balanced tree of additions."""
    if len(terms) == 1:
        return terms[0]
    half = len(terms) // 2
    return Apply("+", (_sum(terms[:half]), _sum(terms[half:])))


Case: TypeAlias = tuple[Option, Arg, int]  # a value of a choice, what there is then, and how many terms that has


def _cases(choice: Choice, ways: Sequence[Diagram], cases: Sequence[Case]) -> tuple[Arg, int]:
    """An expression that selects among cases, and how many terms it has."""
    kinds = dict(zip(ways, cases, strict=True))
    if len(kinds) == 1:
        return cases[0][1:]
    if choice.take == 1:
        test, chosen = _test_of_one(choice, ways, cases)
    else:
        test, chosen = _test_of_several(choice, ways, cases)
    parts = [
        [(way, case) for way, case, is_chosen in zip(ways, cases, chosen, strict=True) if is_chosen is side]
        for side in (True, False)
    ]
    (yes, first), (no, second) = (_cases(choice, *zip(*part, strict=True)) for part in parts)
    return Apply("if", (test, yes, no)), first + second + 1


def _test_of_one(choice: Choice, ways: Sequence[Diagram], cases: Sequence[Case]) -> tuple[Arg, list[bool]]:
    """A test that halves the kinds of cases; those of few options are on the side that it names."""
    counts: dict[Diagram, int] = {}
    for way in ways:
        counts[way] = counts.get(way, 0) + 1
    kinds = sorted(counts, key=counts.__getitem__)
    named = set(kinds[: len(kinds) // 2])
    chosen = [way in named for way in ways]
    options = tuple(value for (value, _, _), is_chosen in zip(cases, chosen, strict=True) if is_chosen)
    return choice.equals(options[0]) if len(options) == 1 else choice.one_of(*options), chosen


def _test_of_several(choice: Choice, ways: Sequence[Diagram], cases: Sequence[Case]) -> tuple[Arg, list[bool]]:
    """The option whose presence tells the most kinds of cases apart."""

    def mixed(option: Option) -> int:
        sides: tuple[set[Diagram], set[Diagram]] = set(), set()
        for way, (value, _, _) in zip(ways, cases, strict=True):
            sides[option in value].add(way)  # type: ignore[operator]
        return sum(map(len, sides)) if all(sides) else len(ways) * 2 + 1

    best = min(choice.options, key=mixed)
    return Apply("in", (best, choice)), [best in value for value, _, _ in cases]  # type: ignore[operator]
