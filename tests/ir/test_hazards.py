"""A write must not overtake a reader that is computed late, in an arm of a choice."""

from __future__ import annotations

from dataclasses import replace

import pytest

from graphnas.errors import GraphError
from graphnas.ir.choice import TRAINING, Choice
from graphnas.ir.frozen import FrozenDict
from graphnas.ir.graph import Graph
from graphnas.ir.node import Call, Choose, Constant, Entry, Frame, Input, Node, Param, Ref
from graphnas.ir.source import Source
from graphnas.ir.specialize import specialize
from graphnas.ir.verify import verify

SKIP = Choice("skip", ("off", "on"))
STATE = FrozenDict({"shape": (4,), "dtype": Constant("torch.float32")})


def graph(*nodes: Node, output: str = "out") -> Graph:
    """A graph with one input and one buffer."""
    modules = (Entry("", "module", "Net"), Entry("count", "buffer", config=STATE), Entry("block", "module", "Block"))
    return Graph((Input("x", ("x",), (2, 4)),), nodes, Ref(output), modules=modules)


COUNT = Node("read", Param("count", (4,)))
LATE = Node("late", Call("torch.Tensor.__mul__"), (Ref("x"), Ref("read")), source=Source("my_model.py", 7))
WRITE = Node("write", Call("torch.Tensor.__iadd__"), (Ref("read"), 1), source=Source("my_model.py", 8))
OUT = Node("out", Choose(SKIP), (Ref("x"), Ref("late")))


def test_a_reader_that_moves_behind_a_write_is_refused() -> None:
    with pytest.raises(GraphError) as error:
        verify(graph(COUNT, LATE, WRITE, OUT))
    message = str(error.value)
    assert "node late (my_model.py:7) reads what 'write' changes in place behind it" in message
    assert "in an arm of 'out'" in message
    assert "node write (my_model.py:8). Write out of place" in message


def test_a_reader_through_a_view_is_refused() -> None:
    view = Node("view", Call("torch.Tensor.view"), (Ref("read"), -1))
    late = replace(LATE, args=(Ref("x"), Ref("view")))
    with pytest.raises(GraphError, match="node late"):
        verify(graph(COUNT, view, late, WRITE, OUT))


def test_a_reader_behind_the_write_passes() -> None:
    verify(graph(COUNT, WRITE, LATE, OUT))


def test_a_choice_before_the_write_passes() -> None:
    verify(graph(COUNT, LATE, OUT, WRITE))


def test_a_closed_choice_passes() -> None:
    verify(graph(COUNT, LATE, WRITE, replace(OUT, op=Choose(TRAINING))))
    for option in SKIP.options:
        verify(specialize(graph(COUNT, LATE, OUT, WRITE), {"skip": option}))


def test_a_reader_that_every_arm_needs_passes() -> None:
    more = Node("more", Call("torch.relu"), (Ref("late"),))
    verify(graph(COUNT, LATE, WRITE, more, replace(OUT, args=(Ref("late"), Ref("more")))))


def test_a_reader_that_is_also_needed_elsewhere_passes() -> None:
    more = Node("sum", Call("torch.Tensor.__add__"), (Ref("late"), Ref("out")))
    verify(graph(COUNT, LATE, WRITE, OUT, more, output="sum"))


def test_a_write_that_goes_out_of_place_passes() -> None:
    made = Node("made", Call("torch.relu"), (Ref("x"),))
    late = replace(LATE, args=(Ref("x"), Ref("made")))
    write = Node("write", Call("torch.Tensor.__iadd__"), (Ref("made"), 1))
    out = replace(OUT, args=(Ref("write"), Ref("late")))
    verify(graph(made, late, write, out))


def test_a_write_that_somebody_awaits_is_refused() -> None:
    made = Node("made", Call("torch.relu"), (Ref("x"),))
    late = replace(LATE, args=(Ref("x"), Ref("made")))
    write = Node("write", Call("torch.Tensor.__iadd__"), (Ref("made"), 1))
    stale = Node("stale", Call("torch.abs"), (Ref("made"),), after=("write",))
    out = replace(OUT, args=(Ref("stale"), Ref("late")))
    more = Node("sum", Call("torch.Tensor.__add__"), (Ref("write"), Ref("out")))
    with pytest.raises(GraphError, match="node late"):
        verify(graph(made, late, write, stale, out, more, output="sum"))


def test_a_write_that_moves_along_passes() -> None:
    scope = (Frame("block", "Block"),)
    inside = [replace(node, scope=scope) for node in (COUNT, LATE, WRITE)]
    verify(graph(*inside, OUT))
