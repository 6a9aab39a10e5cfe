"""What `specialize` refuses and how it says so, and what it keeps of the names inside calls."""

from __future__ import annotations

import pytest

from graphnas.errors import ArchError
from graphnas.ir.choice import Choice, Option
from graphnas.ir.frozen import FrozenDict
from graphnas.ir.graph import Graph
from graphnas.ir.node import Call, Choose, Entry, Frame, Input, Node, Ref
from graphnas.ir.specialize import canonical, specialize


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


def test_a_name_goes_with_its_last_reader_inside_whatever_is_decided_first() -> None:
    shared, end = Choice("shared", ("a", "b")), Choice("end", ("inner", "outer"))
    scope = (Frame("block", "Block"),)
    graph = Graph(
        inputs=(Input("x", ("x",), (2, 8)),),
        nodes=(
            Node("tanh", Call("torch.tanh"), (Ref("x"),)),
            Node("picked", Choose(shared), (Ref("tanh"), Ref("x"))),
            Node("block.inner", Call("torch.abs"), (Ref("picked"),), scope=scope),
            Node("block.outer", Call("torch.neg"), (Ref("x"),), scope=scope),
            Node("chosen", Choose(end), (Ref("block.inner"), Ref("block.outer"))),
            Node("also", Choose(shared), (Ref("tanh"), Ref("chosen"))),
            Node("sum", Call("torch.add"), (Ref("chosen"), Ref("also"))),
        ),
        output=Ref("sum"),
        modules=(Entry("", "module", "Net"), Entry("block", "module", "Block")),
        formals=FrozenDict({("block", 0): FrozenDict({Ref("picked"): "value", Ref("x"): "x"})}),
    )
    whole = specialize(graph, {"shared": "a", "end": "outer"})
    assert whole.formals["block", 0] == {Ref("x"): "x"}
    assert specialize(specialize(graph, {"shared": "a"}), {"end": "outer"}) == whole
    assert specialize(specialize(graph, {"end": "outer"}), {"shared": "a"}) == whole
    assert specialize(graph, {"shared": "a", "end": "inner"}).formals["block", 0] == {Ref("tanh"): "value"}
