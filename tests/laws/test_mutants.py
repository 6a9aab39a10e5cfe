"""Each deliberate fault in the implementation breaks at least one law: the laws say something."""

from __future__ import annotations

import pytest

from tests.laws.mutants import MUTANTS, Mutant, killer

# The laws do not notice these yet.
UNNOTICED = ("random draws are no effects", "effects outlive their module call", "insert puts rows at the end")
ROWS = [
    pytest.param(mutant, marks=pytest.mark.xfail(strict=False) if mutant.name in UNNOTICED else ())
    for mutant in MUTANTS
]


@pytest.mark.slow
@pytest.mark.parametrize("mutant", ROWS, ids=repr)
def test_fault_is_noticed(mutant: Mutant) -> None:
    assert killer(mutant), f"no law notices that {mutant.name}"


def test_the_right_implementation_breaks_no_law() -> None:
    assert not killer(Mutant("nothing is wrong", lambda patch: None))
