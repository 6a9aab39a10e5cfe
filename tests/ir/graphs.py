"""Small graphs by hand that the tests of `ir` share."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from graphnas.ir.choice import TRAINING, Apply, Choice
from graphnas.ir.frozen import FrozenDict
from graphnas.ir.graph import Graph
from graphnas.ir.node import (
    GUARD,
    Call,
    Choose,
    Constant,
    Device,
    Entry,
    Frame,
    Input,
    Layer,
    List,
    Node,
    Param,
    Parameter,
    Ref,
    Size,
    Slice,
)
from graphnas.ir.source import Source

WIDTH = Choice("width", (16, 32))
ACT = Choice("block.act", ("relu", "gelu"))
SCOPE = (Frame("block", "Block"),)
CONV = FrozenDict({"in_channels": 3, "out_channels": WIDTH, "kernel_size": 3, "bias": False, "device": None})
RELU = FrozenDict({"inplace": True})
GELU = FrozenDict({"approximate": "none"})
HERE = Source("my_model.py", 41)


def space() -> Graph:
    """A space with a value choice, an operator choice, a guard, a mode join, a tie, a constraint and odd arguments."""
    fill = Node(
        "block.fill", Call("torch.full_like"), (Ref("block.act_choice"), float("inf")), scope=SCOPE, when=TRAINING
    )
    nodes = (
        Node("guard", Call(GUARD), (Size(Ref("x"), 2) > 7, "my_model.py:40")),
        Node("block.conv", Layer("block.conv", "torch.nn.Conv2d", CONV), (Ref("x"),), scope=SCOPE, source=HERE),
        Node("block.act", Layer("block.act", "torch.nn.ReLU", RELU), (Ref("block.conv"),), scope=SCOPE, source=HERE),
        Node("block.act_gelu", Layer("block.act_gelu", "torch.nn.GELU", GELU), (Ref("block.conv"),), scope=SCOPE),
        Node("block.act_choice", Choose(ACT), (Ref("block.act"), Ref("block.act_gelu")), scope=SCOPE),
        fill,
        Node("block.join", Choose(TRAINING), (Ref("block.fill"), Ref("block.act_choice")), scope=SCOPE),
        Node("mean", Call("torch.Tensor.mean"), (Ref("block.join"), List((-2, -1))), FrozenDict({"keepdim": False})),
        Node("weight", Param("head.weight", (10, WIDTH)), source=HERE),
        Node("linear", Call("torch.nn.functional.linear"), (Ref("mean"), Ref("weight"))),
        Node("scale", Call("torch.Tensor.__rmul__"), (Ref("linear"), 2.0)),
        Node("part", Call("torch.Tensor.__getitem__"), (Ref("scale"), (Ellipsis, Slice(None, WIDTH // 2), None))),
        Node("to", Call("torch.Tensor.to"), (Ref("part"), Device("cpu"), Constant("torch.float16")), after=("scale",)),
    )
    modules = (
        Entry("", "module", "Net"),
        Entry("block", "module", "Block"),
        Entry("block.conv", "layer", "torch.nn.Conv2d", CONV),
        Entry("block.act", "layer", "torch.nn.ReLU", RELU),
        Entry("block.act_gelu", "layer", "torch.nn.GELU", GELU),
        Entry("head", "module", "Head"),
        Entry(
            "head.weight", "parameter", config=FrozenDict({"shape": (10, WIDTH), "dtype": Constant("torch.float32")})
        ),
        Entry("head.tied", "parameter", same_as="head.weight"),
        Entry("head.steps", "buffer", config=FrozenDict({"shape": (), "dtype": Constant("torch.int64"), "value": 3})),
    )
    return Graph(
        inputs=(Input("x", ("x",), (2, 3, 8, 8)),),
        nodes=nodes,
        output=FrozenDict({"logits": Ref("to"), "hidden": List((Ref("mean"), None))}),
        constraints=(ACT.equals("gelu").implies(WIDTH <= 16), WIDTH * 4 <= 128),
        modules=modules,
        formals=FrozenDict({("block", 0): FrozenDict({Ref("x"): "x"})}),
        name="Net",
        signature=(Parameter("x"), Parameter("scale", "keyword", required=False, fixed=True, value=2.0)),
    )


def with_node(name: str, /, **changes: Any) -> Graph:
    """The space with one of its nodes changed."""
    graph = space()
    return replace(graph, nodes=tuple(replace(node, **changes) if node.name == name else node for node in graph.nodes))


def with_entry(path: str, /, **changes: Any) -> Graph:
    """The space with one row of its module table changed."""
    graph = space()
    rows = tuple(replace(entry, **changes) if entry.path == path else entry for entry in graph.modules)
    return replace(graph, modules=rows)


def with_value(value: Any) -> Graph:
    """The space with `value` among the arguments of a node."""
    return with_node("mean", args=(Ref("block.join"), value))


def nested(depth: int) -> Any:
    """An expression nested in as many levels."""
    expr: Any = WIDTH
    for _ in range(depth):
        expr = Apply("+", (expr, 1))
    return expr
