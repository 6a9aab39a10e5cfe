"""How tensors start, as data: what may stand there, how it is stored and printed, what `specialize` leaves of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from graphnas.errors import GraphError
from graphnas.ir.choice import Choice
from graphnas.ir.frozen import FrozenDict
from graphnas.ir.graph import Graph
from graphnas.ir.initial import TENSOR, is_write, unrecorded
from graphnas.ir.node import Call, Choose, Entry, Frame, Input, Layer, Node, Param, Ref
from graphnas.ir.specialize import specialize
from graphnas.ir.storing import from_json, to_json
from graphnas.ir.verify import verify

LINEAR = FrozenDict({"in_features": 4, "out_features": 4, "bias": True, "device": None, "dtype": None})
ZEROS = (Node("v0", Call("torch.nn.init.zeros_"), (Ref(TENSOR),)),)
SCALED = (
    Node("v0", Call("torch.randn"), (4, 4)),
    Node("v1", Call("torch.Tensor.__mul__"), (Ref("v0"), 0.02)),
    Node("v2", Call("torch.Tensor.copy_"), (Ref(TENSOR), Ref("v1"))),
)


def linear(path: str, **initial: tuple[Node, ...]) -> Entry:
    """The row of a layer."""
    return Entry(path, "layer", "torch.nn.Linear", LINEAR, initial=FrozenDict(initial))


def bare(path: str, steps: tuple[Node, ...]) -> Entry:
    """The row of a parameter."""
    return Entry(path, "parameter", config=FrozenDict({"shape": (4, 4)}), initial=FrozenDict({"": steps}))


def space() -> Graph:
    """A choice between two layers, and a parameter that one of them is added to."""
    return Graph(
        (Input("x", ("x",), (2, 4)),),
        (
            Node("table", Param("table", (4, 4))),
            Node("first", Layer("first", "torch.nn.Linear", LINEAR), (Ref("x"),)),
            Node("second", Layer("second", "torch.nn.Linear", LINEAR), (Ref("x"),)),
            Node("added", Call("torch.Tensor.__matmul__"), (Ref("second"), Ref("table"))),
            Node("chosen", Choose(Choice("which", ("first", "second"))), (Ref("first"), Ref("added"))),
        ),
        Ref("chosen"),
        modules=(
            Entry("", "module", "Net"),
            linear("first", weight=ZEROS, bias=unrecorded("it is read from a file", "net.py:7")),
            linear("second", bias=ZEROS),
            bare("table", SCALED),
        ),
    )


def test_starts_are_verified_stored_and_printed() -> None:
    graph = space()
    verify(graph)
    assert from_json(to_json(graph)) == graph
    assert to_json(from_json(to_json(graph))) == to_json(graph)
    assert str(graph).split("initialization\n")[1].split("choices\n")[0].splitlines() == [
        "  init.zeros_(tensor): first.weight, second.bias",
        "  v0 = unrecorded('it is read from a file', 'net.py:7'): first.bias",
        "  v0 = torch.randn(4, 4); v1 = v0 * 0.02; Tensor.copy_(tensor, v1): table",
    ]


def test_a_start_goes_with_its_tensor() -> None:
    graph = space()
    first, second = (specialize(graph, {"which": option}) for option in ("first", "second"))
    assert {row.path: [*row.initial] for row in first.modules if row.initial} == {"first": ["weight", "bias"]}
    assert {row.path: [*row.initial] for row in second.modules if row.initial} == {"second": ["bias"], "table": [""]}
    assert first.modules[1] is graph.modules[1]


def test_a_graph_without_starts_is_stored_as_before() -> None:
    assert "initial" not in to_json(
        replace(space(), modules=tuple(replace(row, initial=FrozenDict()) for row in space().modules))
    )


def test_writes_are_told_from_values() -> None:
    names = {"torch.nn.init.zeros_", "torch.Tensor.__setitem__", "torch.Tensor.__imul__", "torch.Tensor.copy_"}
    assert all(is_write(Node("v0", Call(name))) for name in names)
    values = {"torch.zeros", "torch.Tensor.__mul__", "torch.Tensor.__invert__", "torch.Tensor.__getitem__"}
    assert not any(is_write(Node("v0", Call(name))) for name in values)


STEP = ZEROS[0]
BAD: list[tuple[str, Callable[[], Entry], str]] = [
    ("a file is loaded", lambda: bare("t", (Node("v0", Call("torch.load"), ("x.pt",)),)), "gives a tensor no values"),
    ("code is run", lambda: bare("t", (Node("v0", Call("builtins.exec"), ("1",)),)), "gives a tensor no values"),
    ("another package is called", lambda: bare("t", (Node("v0", Call("os.system"), ("ls",)),)), "no values"),
    ("a private function of init", lambda: bare("t", (Node("v0", Call("torch.nn.init._no_grad_fill_")),)), "no values"),
    ("what only graphs have", lambda: bare("t", (Node("v0", Call("graphnas.guard")),)), "gives a tensor no values"),
    ("a choice", lambda: bare("t", (Node("v0", Choose(Choice("a", (1, 2))), (1, 2)),)), "gives a tensor no values"),
    ("a layer", lambda: bare("t", (Node("v0", Layer("t", "torch.nn.Linear")),)), "gives a tensor no values"),
    ("an unknown value is read", lambda: bare("t", (replace(STEP, args=(Ref("v7"),)),)), "no earlier node"),
    ("a node of the graph is read", lambda: bare("t", (replace(STEP, args=(Ref("first"),)),)), "no earlier node"),
    ("an option is read", lambda: bare("t", (replace(STEP, args=(Choice("a", (1, 2)),)),)), "depends on a choice"),
    ("an object", lambda: bare("t", (replace(STEP, args=(object(),)),)), "cannot stand in a graph"),
    ("a keyword that is code", lambda: bare("t", (replace(STEP, kwargs=FrozenDict({"a=1)#": 1})),)), "not the name"),
    ("a name that is code", lambda: bare("t", (replace(STEP, name="v0;x"),)), "Steps are called v0"),
    ("the tensor's own name", lambda: bare("t", (replace(STEP, name=TENSOR),)), "Steps are called v0"),
    ("one name twice", lambda: bare("t", (STEP, STEP)), "Steps are called v0"),
    ("a scope", lambda: bare("t", (replace(STEP, scope=(Frame("a", "A"),)),)), "stands in a module"),
    ("no steps", lambda: bare("t", ()), "has no steps"),
    ("too many steps", lambda: bare("t", tuple(replace(STEP, name=f"v{n}") for n in range(101))), "too many"),
    ("a reason that is two lines", lambda: bare("t", unrecorded("a\nb", "c.py:1")), "It stands alone"),
    ("a reason beside steps", lambda: bare("t", (*unrecorded("a", "b"), replace(STEP, name="v1"))), "It stands alone"),
    ("a tensor of a tensor", lambda: replace(bare("t", ZEROS), initial=FrozenDict(weight=ZEROS)), "is no tensor"),
    ("a layer's own", lambda: replace(linear("t"), initial=FrozenDict({"": ZEROS})), "is no tensor"),
    ("a path that is code", lambda: replace(linear("t"), initial=FrozenDict({"a()": ZEROS})), "is no tensor"),
    ("a module's", lambda: Entry("t", "module", "Net", initial=FrozenDict({"": ZEROS})), "is no tensor"),
]  # fmt: skip


@pytest.mark.parametrize(("row", "message"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
def test_bad_start_is_refused(row: Callable[[], Entry], message: str) -> None:
    graph = space()
    with pytest.raises(GraphError, match=message):
        verify(replace(graph, modules=(*graph.modules, row())))


DOCUMENTS: list[tuple[Callable[[dict[str, Any]], object], str]] = [
    (lambda row: row.update(initial=[]), "is not an object"),
    (lambda row: row.update(initial={"weight": {}}), "is not a list"),
    (lambda row: row.update(initial={"weight": [{"op": {"call": "torch.zeros"}}]}), "'name' is missing"),
    (lambda row: row["initial"]["weight"][0].update(when=True), "'when' is unknown"),
    (lambda row: row["initial"]["weight"][0].update(op={"call": "torch.load"}), "gives a tensor no values"),
    (lambda row: row["initial"]["weight"][0].update(args=[{"choice": "which"}]), "not in the table"),
]


@pytest.mark.parametrize(("change", "message"), DOCUMENTS)
def test_bad_document_is_refused(change: Callable[[dict[str, Any]], object], message: str) -> None:
    data = json.loads(to_json(space()))
    change(next(row for row in data["modules"] if row["path"] == "first"))
    with pytest.raises(GraphError, match=message):
        from_json(json.dumps(data))
