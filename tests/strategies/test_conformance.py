"""Every strategy of the table does what every strategy must."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest

from graphnas.strategies.evolution import RegularizedEvolution
from graphnas.strategies.random import Random
from graphnas.strategies.table import STRATEGIES
from tests.strategies.conformance import CHECKS, Make

MAKES: dict[str, Make] = {
    **STRATEGIES,
    "random with repeats": partial(Random, repeats=True),
    "evolution with repeats": partial(RegularizedEvolution, population=5, tournament=2, repeats=True),
    "evolution of one": partial(RegularizedEvolution, population=1, tournament=1),
}


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("make", MAKES.values(), ids=MAKES)
def test_strategy_conforms(make: Make, check: Callable[[Make], None]) -> None:
    check(make)
