"""How many architectures a space has."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

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


def count(space: Graph) -> int:
    """The exact number of canonical architectures that satisfy the constraints.

    Choices that neither share what they switch on nor a constraint are counted apart and multiplied; only entangled
    ones are enumerated, each situation once.

    Raises:
        GraphError: more than `LIMIT` situations.
    """
    return _Counter(space).total()


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
            f"{error}\n  at the constraint {printing.expression(constraint)} under {decided}. "
            "Leave out the option, or forbid it by a constraint that stands before."
        ) from error


class _Counter:
    def __init__(self, space: Graph) -> None:
        self._space = space
        self._constraints = [labels for _, labels in _spoken(space)]
        self._known: dict[object, int] = {}
        self._steps = 0

    def total(self) -> int:
        _, labels = self._space.flow.reached({}, through_open=False)
        return self._count(frozenset(labels), {}) if holds(self._space, {}) else 0

    def _count(self, labels: frozenset[str], arch: Arch) -> int:
        result = 1
        for group, reach, touched in self._groups(labels, arch):
            result *= self._group(group, reach, touched, arch)
        return result

    def _group(self, group: frozenset[str], reach: frozenset[object], touched: frozenset[str], arch: Arch) -> int:
        if len(group) == 1 and touched == group and not any(touched & labels for labels in self._constraints):
            return len(self._space.choices[next(iter(group))].domain)
        relevant = touched.union(*(labels for labels in self._constraints if labels & touched))
        key = (group, reach, frozenset((label, arch[label]) for label in relevant if label in arch))
        if key not in self._known:
            self._known[key] = self._enumerate(group, arch)
        return self._known[key]

    def _enumerate(self, group: frozenset[str], arch: Arch) -> int:
        _, before = self._space.flow.reached(arch, through_open=False)
        label = max(sorted(group), key=lambda item: len(self._reach(item, arch)[1]))
        total = 0
        for option in self._space.choices[label].domain:
            self._steps += 1
            if self._steps > LIMIT:
                raise GraphError(
                    f"the choices of {self._space.name} are too entangled to be counted in {LIMIT} steps; "
                    "size(estimate=True) gives an estimate with its standard error"
                )
            decided = {**arch, label: option}
            if holds(self._space, decided, label):
                _, after = self._space.flow.reached(decided, through_open=False)
                new = frozenset(item for item in after if item not in before)
                total += self._count((group - {label}) | new, decided)
        return total

    def _reach(self, label: str, arch: Arch) -> tuple[set[object], set[str]]:
        """A label's live choices, and the choices and labels that deciding it may bring to life."""
        flow = self._space.flow
        live_gates, live_labels = flow.reached(arch, through_open=False)
        own = [gate for gate in live_gates if flow.forks[gate].choice.label == label]
        start = [arm for gate in own for arm in flow.forks[gate].taken(arch)]
        gates, labels = flow.walk(start, arch, through_open=True)
        new_gates = [gate for gate in gates if gate not in live_gates]
        touched = {item for item in labels if item not in live_labels}
        touched |= {flow.forks[gate].choice.label for gate in new_gates}
        # Two choices of one label may open the same together and yet differ arm by arm.
        return {*own, *new_gates, *touched}, touched | {label}

    def _groups(
        self, labels: frozenset[str], arch: Arch
    ) -> list[tuple[frozenset[str], frozenset[object], frozenset[str]]]:
        """The open labels in independent groups, each with what its decisions can bring to life (`_reach`)."""
        groups: list[tuple[set[str], set[object], set[str]]] = []
        for label in sorted(labels):
            reach, touched = self._reach(label, arch)
            merged: tuple[set[str], set[object], set[str]] = ({label}, reach, touched)
            apart = []
            for group in groups:
                if self._entangled(group, merged):
                    merged = (merged[0] | group[0], merged[1] | group[1], merged[2] | group[2])
                else:
                    apart.append(group)
            groups = [*apart, merged]
        return [(frozenset(group), frozenset(reach), frozenset(touched)) for group, reach, touched in groups]

    def _entangled(
        self, first: tuple[set[str], set[object], set[str]], second: tuple[set[str], set[object], set[str]]
    ) -> bool:
        if first[1] & second[1] or first[2] & second[2]:
            return True
        return any(labels & first[2] and labels & second[2] for labels in self._constraints)
