"""An option that leaves an expression without a value is refused where it can be taken, and nowhere else."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from graphnas.errors import ConstraintError, GraphError
from graphnas.ir.choice import Apply, Choice, Expr
from graphnas.ir.graph import Graph
from graphnas.ir.node import Call, Choose, Input, Node, Ref, Size
from graphnas.ir.sampling import enumerate_archs, sample
from graphnas.ir.specialize import specialize
from graphnas.ir.verify import verify

GROUPS = Choice("groups", (1, 0, 2))
MANY = Choice("many", tuple(range(1, 300)))


def scaled(value: Any, *constraints: Expr) -> Graph:
    """A space that multiplies its input by a value."""
    product = Node("scaled", Call("torch.mul"), (Ref("x"), value))
    return Graph((Input("x", ("x",), (2, 8)),), (product,), Ref("scaled"), constraints)


@pytest.mark.parametrize(
    ("value", "message", "decided"),
    [
        (8 // GROUPS, "'//' of 8, 0 has no value: integer division", "{'groups': 0}"),
        (8 / GROUPS + 1, "'/' of 8, 0 has no value: division by zero", "{'groups': 0}"),
        (Size(Ref("x"), 0) * Apply("%", (8, GROUPS)), "'%' of 8, 0 has no value", "{'groups': 0}"),
        (MANY * (8 // GROUPS), "'//' of 8, 0 has no value", "{'groups': 0}"),
        (8 // (GROUPS - Choice("less", (1, 2))), "'//' of 8, 0", "{'groups': 1, 'less': 1}"),
        (Apply("**", (GROUPS, -1)), "'**' of 0, -1 has no value", "{'groups': 0}"),
        (Apply("int", (Choice("rate", (0.5, float("inf"))),)), "cannot convert float infinity", "{'rate': inf}"),
        (Apply("max", (Choice("mode", ("a", 2)), 1)), "'max' of 'a', 1 has no value", "{'mode': 'a'}"),
        (Choice("wide", (1, 2**62)) * 2**62, "an integer of 125 bits is too large", "{'wide': 4611686018427387904}"),
    ],
)
def test_an_option_without_a_value_is_refused(value: Any, message: str, decided: str) -> None:
    with pytest.raises(GraphError) as error:
        verify(scaled(value))
    assert message in str(error.value)
    assert f"at node scaled under {decided}" in str(error.value)


def test_specialize_names_what_was_decided_where_nobody_verified() -> None:
    space = scaled(8 // GROUPS)
    assert specialize(space, {"groups": 2}).node("scaled").args[1] == 4
    with pytest.raises(GraphError, match=r"'//' of 8, 0 has no value.*\n  at node scaled under {'groups': 0}"):
        specialize(space, {"groups": 0})


def test_an_expression_of_too_many_choices_is_left_to_specialize() -> None:
    space = scaled(8 // (MANY - Choice("less", tuple(range(1, 300)))))
    verify(space)
    with pytest.raises(GraphError, match=r"under {'many': 7, 'less': 7}"):
        specialize(space, {"many": 7, "less": 7})


def test_an_option_that_a_constraint_forbids_is_no_fault() -> None:
    space = scaled(8 // GROUPS, GROUPS > 0, 8 // GROUPS > 4)
    verify(space)
    assert list(enumerate_archs(space)) == [{"groups": 1}]
    with pytest.raises(ConstraintError):
        specialize(space, {"groups": 0})


def test_an_option_that_only_a_dead_arm_would_use_is_no_fault() -> None:
    space = scaled(8 // GROUPS)
    gate = Node("gate", Choose(GROUPS), (Ref("scaled"), Ref("x"), Ref("scaled")))
    space = replace(space, nodes=(*space.nodes, gate), output=Ref("gate"))
    verify(space)
    assert specialize(space, {"groups": 0}).nodes == ()


def test_a_constraint_without_a_value_is_refused() -> None:
    space = scaled(GROUPS, 8 // GROUPS > 4)
    for check in (verify, lambda space: list(enumerate_archs(space)), lambda space: specialize(space, {"groups": 0})):
        with pytest.raises(GraphError, match=r"at the constraint \(8 // <groups>\) > 4 under {'groups': 0}"):
            check(space)
    with pytest.raises(GraphError, match="at the constraint"):
        [sample(space, seed) for seed in range(20)]
