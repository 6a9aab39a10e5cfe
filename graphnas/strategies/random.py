"""Random search: the strategy that every other one has to beat."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field

from graphnas.ir.choice import Arch, Option
from graphnas.ir.graph import Graph
from graphnas.strategies.proposals import Proposals, frequencies
from graphnas.strategies.strategy import Shares


@dataclass
class Random:
    """Draws every decision uniformly, whatever it is told.

    Args:
        repeats: whether an architecture that was told may be drawn again.
    """

    repeats: bool = False
    _space: Graph = field(init=False, repr=False, compare=False)
    _proposals: Proposals = field(init=False, repr=False, compare=False)
    _rng: random.Random = field(init=False, repr=False, compare=False)

    def start(self, space: Graph, objectives: Mapping[str, str], seed: int) -> None:
        """Begins anew; any objectives will do."""
        self._space = space
        self._proposals = Proposals(space, self.repeats)
        self._rng = random.Random(seed)

    def ask(self) -> dict[str, Option] | None:
        """A random architecture; None when all are taken."""
        arch = self._proposals.draw(self._rng)
        return None if arch is None else self._proposals.enter(arch)

    def tell(self, arch: Arch, metrics: Mapping[str, float] | None) -> None:
        """Notes that the architecture is no longer pending."""
        self._proposals.settle(arch)

    def shares(self) -> Shares:
        """The same for every option: random search favors none."""
        return frequencies(self._space, [])
