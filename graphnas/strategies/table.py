"""The strategies that a command line or a file can name."""

from __future__ import annotations

from collections.abc import Callable

from graphnas.strategies.evolution import RegularizedEvolution
from graphnas.strategies.random import Random
from graphnas.strategies.strategy import Strategy

STRATEGIES: dict[str, Callable[..., Strategy]] = {"random": Random, "evolution": RegularizedEvolution}
