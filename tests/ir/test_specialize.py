"""What `specialize` refuses, and how it says so."""

from __future__ import annotations

import pytest

from graphnas.errors import ArchError
from graphnas.ir.choice import Choice, Option
from graphnas.ir.graph import Graph
from graphnas.ir.node import Call, Choose, Input, Node, Ref
from graphnas.ir.specialize import canonical


def choosing(choice: Choice) -> Graph:
    """A space of one choice among its input and calls of it."""
    calls = tuple(Node(f"call{place}", Call("torch.tanh"), (Ref("x"),)) for place in range(len(choice.options) - 1))
    arms = (Ref("x"), *(Ref(node.name) for node in calls))
    return Graph((Input("x", ("x",), (2, 8)),), (*calls, Node("chosen", Choose(choice), arms)), Ref("chosen"))


@pytest.mark.parametrize(
    ("choice", "option"),
    [
        (Choice("skip", (False, True)), 1),
        (Choice("depth", (2, 1)), True),
        (Choice("depth", (2, 1)), 1.0),
        (Choice("depth", (2, 1)), [1]),
        (Choice("inputs", (1, 2, 3), None), (True, 2)),
        (Choice("kernel", ((1, 3), (3, 1))), (True, 3)),
    ],
    ids=repr,
)
def test_options_that_are_equal_but_of_another_type_are_refused(choice: Choice, option: Option) -> None:
    with pytest.raises(ArchError, match=f"label '{choice.label}' has no option"):
        canonical(choosing(choice), {choice.label: option})
