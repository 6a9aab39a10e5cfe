"""How many architectures a space has."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from graphnas.errors import GraphError
from graphnas.ir import printing
from graphnas.ir.choice import Arch, Expr, Option, choices_in, evaluate
from graphnas.ir.closing import close
from graphnas.ir.evaluation import OPEN
from graphnas.ir.frozen import remembered

if TYPE_CHECKING:
    from graphnas.ir.graph import Graph

LIMIT = 100_000  # decisions looked at before a count gives up


@dataclass(frozen=True, slots=True)
class Estimate:
    """A sampled size: `value` with its standard error, from `samples` random architectures."""

    value: float
    standard_error: float
    samples: int


def count(space: Graph, limit: int = LIMIT) -> int:
    """The exact number of canonical architectures that satisfy the constraints.

    Choices that neither share what they switch on nor a constraint are counted apart and multiplied; only entangled
    ones are enumerated, each situation once.

    Raises:
        GraphError: more than `limit` situations.
    """
    return _Counter(space, limit).total()


def estimate(space: Graph, samples: int = 2000, seed: int = 0) -> Estimate:
    """An unbiased estimate: random descents, each weighted by the options that it had (Knuth 1975)."""
    rng = random.Random(seed)
    weights = [_probe(space, rng) for _ in range(samples)]
    mean = math.fsum(weights) / samples
    variance = math.fsum((weight - mean) ** 2 for weight in weights) / max(1, samples - 1)
    return Estimate(mean, math.sqrt(variance / samples), samples)


def _probe(space: Graph, rng: random.Random) -> float:
    weight = 1.0

    def decide(label: str) -> Option:
        nonlocal weight
        domain = space.choices[label].domain
        weight *= len(domain)
        return rng.choice(domain)

    return weight if holds(space, space.flow.complete({}, decide)) else 0.0


def holds(space: Graph, arch: Arch, about: str | None = None) -> bool:
    """Whether the decisions break no constraint; of those that speak of `about`, if given.

    Raises:
        GraphError: a constraint has no value, as in a division by zero.
    """
    for constraint, labels in _spoken(space):
        if about is not None and about not in labels:
            continue
        try:
            said = evaluate(constraint, arch)
        except (ArithmeticError, TypeError, ValueError):
            # What is still open may be forbidden by a constraint that stands before.
            said = verdict(constraint, arch) if labels <= arch.keys() else OPEN
        if said is not OPEN and not said:
            return False
    return True


@remembered
def _spoken(space: Graph) -> tuple[tuple[Expr, frozenset[str]], ...]:
    """The constraints, each with the labels that it speaks of."""
    return tuple([(item, frozenset(choice.label for choice in choices_in(item))) for item in space.constraints])


def verdict(constraint: Expr, arch: Arch) -> Any:
    """What a constraint says under the decisions: true or false, or an expression of what they leave open.

    Raises:
        GraphError: it has no value, as in a division by zero.
    """
    try:
        return close(constraint, arch)
    except GraphError as error:
        decided = {choice.label: arch[choice.label] for choice in choices_in(constraint) if choice.label in arch}
        raise GraphError(
            f"{error}\n  at the constraint {printing.brief(constraint)} under {decided}. "
            "Leave out the option, or forbid it by a constraint that stands before."
        ) from error


class _Situation(NamedTuple):
    """What is decided, and the choices (steps of `Flow.forks`) and labels that are live then."""

    arch: Arch
    gates: frozenset[int]
    labels: frozenset[str]


class _Group(NamedTuple):
    """Open labels that are counted together.

    Attributes:
        labels: the open ones.
        reach: their live choices, and the choices and labels that deciding them may bring to life.
        touched: the labels themselves, and those that they may bring to life.
    """

    labels: frozenset[str]
    reach: frozenset[object]
    touched: frozenset[str]

    def joined(self, other: _Group) -> _Group:
        return _Group(self.labels | other.labels, self.reach | other.reach, self.touched | other.touched)


class _Counter:
    def __init__(self, space: Graph, limit: int) -> None:
        self._space, self._limit = space, limit
        self._flow = space.flow
        self._constraints = [labels for _, labels in _spoken(space)]
        self._gates: dict[str, list[int]] = {}
        for gate, fork in self._flow.forks.items():
            self._gates.setdefault(fork.choice.label, []).append(gate)
        self._known: dict[object, int] = {}
        self._steps = 0

    def total(self) -> int:
        if not holds(self._space, {}):
            return 0
        gates, labels = self._flow.reached({}, through_open=False)
        return self._count(frozenset(labels), _Situation({}, frozenset(gates), frozenset(labels)))

    def _count(self, labels: frozenset[str], now: _Situation) -> int:
        return math.prod(self._of_group(group, now) for group in self._groups(labels, now))

    def _of_group(self, group: _Group, now: _Situation) -> int:
        spoken = [labels for labels in self._constraints if labels & group.touched]
        if len(group.labels) == 1 and group.touched == group.labels and not spoken:
            return len(self._space.choices[next(iter(group.labels))].domain)
        relevant = group.touched.union(*spoken)
        key = (group.labels, group.reach, frozenset((label, now.arch[label]) for label in relevant & now.arch.keys()))
        if key not in self._known:
            self._known[key] = self._enumerate(group.labels, now)
        return self._known[key]

    def _enumerate(self, labels: frozenset[str], now: _Situation) -> int:
        label = max(sorted(labels), key=lambda item: len(self._group(item, now).touched) if len(labels) > 1 else 0)
        total = 0
        for option in self._space.choices[label].domain:
            self._steps += 1
            if self._steps > self._limit:
                raise GraphError(
                    f"the choices of {self._space.name} are too entangled to be counted in {self._limit} steps; "
                    "size(estimate=True) gives an estimate with its standard error"
                )
            arch = {**now.arch, label: option}
            if holds(self._space, arch, label):
                gates, new = self._opened(label, now, arch, through_open=False)
                later = _Situation(arch, now.gates.union(gates), now.labels.union(new))
                total += self._count((labels - {label}) | (later.labels - now.labels), later)
        return total

    def _opened(
        self, label: str, now: _Situation, arch: Arch, through_open: bool
    ) -> tuple[dict[int, None], dict[str, None]]:
        """The choices and labels that come to life with a label; what lives already lives whatever it decides."""
        forks = self._flow.forks
        start = [way for gate in self._gates.get(label, ()) if gate in now.gates for way in forks[gate].taken(arch)]
        return self._flow.walk(start, arch, through_open, now.gates)

    def _group(self, label: str, now: _Situation) -> _Group:
        """A label by itself, with what deciding it may bring to life."""
        gates, labels = self._opened(label, now, now.arch, through_open=True)
        touched = (frozenset(labels) - now.labels).union(self._flow.forks[gate].choice.label for gate in gates)
        # Two choices of one label may open the same together and yet differ arm by arm.
        own = frozenset(self._gates.get(label, ())) & now.gates
        return _Group(frozenset({label}), own.union(gates, touched), touched | {label})

    def _groups(self, labels: frozenset[str], now: _Situation) -> list[_Group]:
        """The open labels in independent groups."""
        groups: list[_Group] = []
        for label in sorted(labels):
            merged, apart = self._group(label, now), []
            for group in groups:
                if self._entangled(group, merged):
                    merged = merged.joined(group)
                else:
                    apart.append(group)
            groups = [*apart, merged]
        return groups

    def _entangled(self, first: _Group, second: _Group) -> bool:
        if first.reach & second.reach or first.touched & second.touched:
            return True
        return any(labels & first.touched and labels & second.touched for labels in self._constraints)
