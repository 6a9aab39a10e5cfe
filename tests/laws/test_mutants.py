"""Each deliberate fault in the implementation breaks at least one law: the laws say something."""

from __future__ import annotations

import pytest

from tests.laws.mutants import MUTANTS, Mutant, killer


@pytest.mark.parametrize("mutant", MUTANTS, ids=repr)
def test_fault_is_noticed(mutant: Mutant) -> None:
    assert killer(mutant), f"no law notices that {mutant.name}"


def test_the_right_implementation_breaks_no_law() -> None:
    assert not killer(Mutant("nothing is wrong", lambda patch: None), count=60)
