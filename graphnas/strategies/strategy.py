"""What a strategy is: it is asked for architectures and told what became of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from graphnas.ir.choice import Arch, Option
from graphnas.ir.graph import Graph

Shares = Mapping[str, Mapping[Option, float]]


class Strategy(Protocol):
    """Proposes architectures.

    Given the same space, objectives and seed, and the same answers in the same order, it proposes the same
    architectures: a study is continued by asking and telling again what is stored. What was asked and not yet told is
    pending and never proposed again.
    """

    def start(self, space: Graph, objectives: Mapping[str, str], seed: int) -> None:
        """Begins anew, whatever was before.

        Args:
            space: what to search.
            objectives: name of a metric → "maximize" or "minimize".
            seed: where all randomness comes from.

        Raises:
            TrialError: the strategy cannot serve these objectives.
        """

    def ask(self) -> Arch | None:
        """A canonical architecture within the constraints; None when there is nothing more to propose."""

    def tell(self, arch: Arch, metrics: Mapping[str, float] | None) -> None:
        """What became of an architecture: its metrics, or None where the trial failed."""

    def shares(self) -> Shares:
        """How much each option of each label is favored now; of a choice of one option they sum to 1."""
