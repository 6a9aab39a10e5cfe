"""Regularized evolution: the best of a few has a child with one decision changed, and the oldest dies."""

from __future__ import annotations

import math
import random
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from graphnas.errors import ConstraintError, TrialError
from graphnas.ir.choice import Arch, Option
from graphnas.ir.counting import holds
from graphnas.ir.graph import Graph
from graphnas.ir.sampling import complete
from graphnas.ir.specialize import canonical
from graphnas.strategies.proposals import Proposals, frequencies
from graphnas.strategies.strategy import Shares

TOURNAMENTS = 10  # parents that are tried before a random architecture takes the place of a child
FAVORED = 0.2  # part of the population whose options count as favored


@dataclass
class RegularizedEvolution:
    """Keeps the last `population` architectures that were told, whatever they are worth; age alone decides who dies.

    Each ask draws `tournament` of them with replacement and changes one decision of the best to another option. The
    first `population` architectures are random. A failed trial is not born. Age is the order of being told.

    Args:
        population: how many live at a time.
        tournament: how many compete to be the parent.
        repeats: whether a child may equal an architecture that was told before, as in the paper.

    Raises:
        ValueError: a population or a tournament of nobody.

    Reference: Real et al. 2019, algorithm 1, arXiv:1802.01548.
    """

    population: int = 20
    tournament: int = 10
    repeats: bool = False
    _space: Graph = field(init=False, repr=False, compare=False)
    _proposals: Proposals = field(init=False, repr=False, compare=False)
    _rng: random.Random = field(init=False, repr=False, compare=False)
    _objective: str = field(init=False, repr=False, compare=False)
    _sign: int = field(init=False, repr=False, compare=False)
    _members: deque[tuple[float, Arch]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.population < 1 or self.tournament < 1:
            raise ValueError(
                "population >= 1 and tournament >= 1 must hold, "
                f"but got population={self.population}, tournament={self.tournament}"
            )

    def start(self, space: Graph, objectives: Mapping[str, str], seed: int) -> None:
        """Begins anew.

        Raises:
            TrialError: there is not exactly one objective.
        """
        if len(objectives) != 1:
            raise TrialError(
                f"RegularizedEvolution serves one objective, but got {len(objectives)}: {', '.join(objectives)}\n"
                "  at objectives=. Keep one and hold the others by constraints, or use Random, which serves any number."
            )
        ((self._objective, direction),) = objectives.items()
        self._sign = 1 if direction == "maximize" else -1
        self._space = space
        self._proposals = Proposals(space, self.repeats)
        self._rng = random.Random(seed)
        self._members = deque(maxlen=self.population)

    def ask(self) -> dict[str, Option] | None:
        """A child, or while the population is not complete a random architecture; None when all are taken."""
        if self._members and len(self._members) + self._proposals.pending >= self.population:
            for _ in range(TOURNAMENTS):
                child = next(self._children(self._parent()), None)
                if child is not None:
                    return self._proposals.enter(child)
        arch = self._proposals.draw(self._rng)
        return None if arch is None else self._proposals.enter(arch)

    def tell(self, arch: Arch, metrics: Mapping[str, float] | None) -> None:
        """Lets an architecture be born, and the oldest die.

        Raises:
            TrialError: the metrics lack the objective.
        """
        if metrics is not None and self._objective not in metrics:
            raise TrialError(
                f"the metrics lack the objective {self._objective!r}; they have {', '.join(metrics) or 'nothing'}\n"
                f"  at {dict(arch)}. Tell it, or None if the trial failed."
            )
        self._proposals.settle(arch)
        if metrics is not None and not math.isnan(metrics[self._objective]):
            self._members.append((self._sign * metrics[self._objective], dict(arch)))

    def shares(self) -> Shares:
        """How often each option occurs among the best fifth of the population."""
        best = sorted(self._members, key=lambda member: -member[0])
        count = math.ceil(FAVORED * len(best))
        return frequencies(self._space, [arch for _, arch in best[:count]])

    @property
    def members(self) -> tuple[Arch, ...]:
        """The population, oldest first."""
        return tuple(arch for _, arch in self._members)

    def _parent(self) -> Arch:
        drawn = self._rng.choices(self._members, k=self.tournament)
        return max(drawn, key=lambda member: member[0])[1]

    def _children(self, parent: Arch) -> Iterator[dict[str, Option]]:
        """Children that may be proposed: a random decision changed to a random other option, until none is left."""
        choices = self._space.choices
        open_labels = [label for label in parent if len(choices[label].domain) > 1]
        for label in self._rng.sample(open_labels, len(open_labels)):
            others = [option for option in choices[label].domain if option != parent[label]]
            for option in self._rng.sample(others, len(others)):
                child = self._completed({**parent, label: option})
                if child is not None and self._proposals.admits(child):
                    yield child

    def _completed(self, changed: Arch) -> dict[str, Option] | None:
        """The changed architecture with what the change opened drawn at random; None where constraints forbid it."""
        # Most of what constraints forbid is seen at once; `complete` would search for a way out.
        if self._space.constraints and not holds(self._space, canonical(self._space, changed)):
            return None
        try:
            return complete(self._space, changed, self._rng)
        except ConstraintError:
            return None
