"""A valid graph passes; whatever is wrong is refused with what, where and what to do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from graphnas.errors import GraphError
from graphnas.ir.choice import TRAINING, Apply, Choice
from graphnas.ir.frozen import FrozenDict
from graphnas.ir.graph import Graph
from graphnas.ir.node import (
    ARGUMENT,
    GUARD,
    Built,
    Call,
    Choose,
    Constant,
    Device,
    Entry,
    Frame,
    Given,
    Input,
    Layer,
    List,
    Node,
    Parameter,
    Ref,
    Size,
    Slice,
)
from graphnas.ir.opaque import Opaque
from graphnas.ir.source import Source
from graphnas.ir.specialize import default, specialize
from graphnas.ir.verify import foreign, verify
from tests.ir.graphs import ACT, CONV, HERE, RELU, SCOPE, WIDTH, nested, space, with_entry, with_node, with_value

FLOAT = Constant("torch.float32")


def test_the_space_and_its_children_pass() -> None:
    verify(space())
    verify(specialize(space(), default(space())))
    verify(specialize(space(), {"width": 16, "block.act": "gelu"}))


def buffer(shape: Any, value: Any, **settings: Any) -> Graph:
    return with_entry("head.steps", config=FrozenDict({"shape": shape, "dtype": FLOAT, "value": value, **settings}))


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        -(2**63),
        float("inf"),
        float("nan"),
        1 + 2j,
        "ij,jk->ik",
        "quotes ' \" \\ and\nlines",
        Ellipsis,
        (),
        List(()),
        FrozenDict({1: "one", None: Ref("linear")}),
        Slice(1, Size(Ref("x"), 0) - 1),
        Apply("if", (Given(Ref("x")), 1, 2)),
        Constant("torch.channels_last"),
        Device("cuda:1"),
        Choice("many", tuple(range(1000))),
        Choice("subset", tuple("abcdefgh"), take=None),
        2 ** Choice("depth", (1, 2, 3))
        if hasattr(Choice, "__rpow__")
        else Apply("**", (2, Choice("depth", (1, 2, 3)))),
        Apply("if", (TRAINING, 0.1, 0.0)),
        Apply("max", (WIDTH, 8, 2)),
        nested(150),
    ],
)
def test_value_is_accepted(value: Any) -> None:
    verify(with_node("to", args=(Ref("part"), value)))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (2**64, "65 bits"),
        ("x" * 10_001, "10001 characters"),
        ("\ud800", "not valid Unicode"),
        ([1, 2], "a list cannot stand in a graph"),
        ({1: 2}, "a dict cannot stand"),
        (len, "builtin_function_or_method cannot stand"),
        (b"bytes", "a bytes cannot stand"),
        (type("Int", (int,), {})(3), "a Int cannot stand"),
        (FrozenDict({(1, 2): 3}), "is a key of a dict"),
        (Ref("nothing"), "'nothing' is read, but no input and no earlier node"),
        (Ref("lineer"), "no earlier node"),
        (Ref("block.join", (1.5,)), "neither an int nor a str"),
        (Ref("block.join", [0]), "is not a tuple"),  # type: ignore[arg-type]
        (Constant("torch.load"), "no dtype, layout or memory format"),
        (Constant("torch.float23"), "Did you mean 'torch.float32'"),
        (Device("cpu; import os"), "is not a device"),
        (Device("cuda:0:1"), "is not a device"),
        (Built("os.system", FrozenDict({"command": "ls"})), "is no layer of torch"),
        (Built("torch.nn.ReLU", FrozenDict({"x)": 1})), "are not arguments by name"),
        (Built("torch.nn.ReLU", FrozenDict({"inplace": Ref("gone")})), "'gone' is read"),
        (Size(Ref("gone"), 0), "'gone' is read"),
        (Given(Ref("gone")), "'gone' is read"),
        (Given("x"), "does not ask for a value"),
        (Size(Ref("x"), 100), "is not the size of a value"),
        (Choice("", (1, 2)), "is not a label"),
        (Choice("two\nlines", (1, 2)), "is not a label"),
        (Choice("lists", ((1, (2,)), 3)), "is an option of 'lists'"),
        (Choice("nan", (float("nan"), 3)), "is an option of 'nan'"),
        (Choice("classes", (int, float)), "is an option of 'classes'"),
        (Choice("subsets", tuple(range(40)), take=None), "more than 1048576 values"),
        (Choice("subsets", tuple(range(5000)), take=2500), "more than 1048576 values"),
        (Choice("width", (8, 16)), "label 'width' has options"),
        (Apply("*", ("x", 10**9)), "'*' is applied to 'x'"),
        (Apply("%", ("%1000000d", 1)), "'%' is applied to"),
        (Apply("+", ((1,), (2,))), "'+' is applied to"),
        (Apply("*", (Choice("text", ("a", "b")), 10**9)), "'*' is applied to"),
        (Apply("*", (Apply("if", (TRAINING, "a", 1)), 10**9)), "'*' is applied to"),
        (Apply("**", (10, 10**10)), "may grow without bound"),
        (Apply("**", (Apply("**", (WIDTH, 64)), 64)), "may grow without bound"),
        (Apply("not", (True, False)), "'not' is applied to 2 arguments"),
        (Apply("if", (True, False)), "'if' is applied to 2 arguments"),
        (Apply("in", (WIDTH, "abc")), "'in' looks into"),
        (nested(201), "nested in more than 200 levels"),
    ],
)
def test_value_is_refused(value: Any, message: str) -> None:
    with pytest.raises(GraphError) as error:
        verify(with_value(value))
    assert message in str(error.value)
    assert "mean" in str(error.value)


def extra(name: str, op: Any, *args: Any, **fields: Any) -> Graph:
    """The space with one more node at its end."""
    graph = space()
    return replace(graph, nodes=(*graph.nodes, Node(name, op, args, **fields)))


RUN = Call("torch.relu")
BROKEN: dict[str, tuple[Callable[[], Graph], str, str]] = {
    "name of a node": (lambda: with_node("mean", name="mean()"), "'mean()' is not the name of a node", "dots"),
    "magic name": (lambda: with_node("mean", name="__class__"), "'__class__' is not the name of a node", "dots"),
    "repeated name": (lambda: extra("mean", RUN, Ref("x")), "two inputs and nodes are called 'mean'", "Rename"),
    "name of an input": (lambda: extra("x", RUN, Ref("x")), "two inputs and nodes are called 'x'", "Rename"),
    "name of a module": (lambda: extra("head", RUN, Ref("x")), "'head' is the path of a module", "another name"),
    "cycle": (lambda: with_node("linear", args=(Ref("linear"),)), "'linear' is read", "node linear"),
    "order": (lambda: with_node("linear", args=(Ref("scale"),)), "'scale' is read", "Nodes stand after"),
    "after": (lambda: with_node("linear", after=("scale",)), "'scale' is read", "node linear"),
    "source": (lambda: with_node("mean", source=Source("a\nimport os", 1)), "is not a place in a source", "mean"),
    "target": (lambda: with_node("mean", op=Call("os.system")), "'os.system' is called", "allow=('os',)"),
    "near target": (lambda: with_node("mean", op=Call("torch.Tensor.meen")), "torch.Tensor.mean", "at node mean"),
    "target without a module": (lambda: with_node("mean", op=Call("eval")), "'eval' is called", "public names"),
    "no operation": (lambda: with_node("mean", op="torch.relu"), "a str is not an operation", "Layer, Param"),
    "argument name": (
        lambda: with_node("mean", kwargs=FrozenDict({"a=1)": 1})),
        "the name of an argument",
        "node mean",
    ),
    "keyword argument": (lambda: with_node("mean", kwargs=FrozenDict({"class": 1})), "the name of an argument", "mean"),
    "layer's config": (
        lambda: with_node("block.act", op=Layer("block.act", "torch.nn.ReLU", FrozenDict({"inplace": False}))),
        "in the module table",
        "(my_model.py:41). Change both alike",
    ),
    "layer's entry": (
        lambda: with_node("block.act", op=Layer("block.acd", "torch.nn.ReLU", RELU)),
        "Did you mean",
        "Entry",
    ),
    "layer's kind": (
        lambda: with_node("block.act", op=Layer("head.weight", "torch.nn.ReLU", RELU)),
        "but parameter",
        "(my_model.py:41)",
    ),
    "param's entry": (
        lambda: with_node("weight", op=replace(space().node("weight").op, path="head.weigth")),  # type: ignore[type-var]
        "Did you mean 'head.weight'",
        "node weight (my_model.py:41)",
    ),
    "arms": (
        lambda: with_node("block.act_choice", args=(Ref("block.act"),)),
        "choice 'block.act' has 2 options, but the node 1 arguments",
        "one argument an option",
    ),
    "merge": (lambda: with_node("block.act_choice", op=Choose(ACT, "join")), "'join' does not merge", "sum, mean"),
    "arms of a condition": (lambda: with_node("block.join", args=(Ref("block.fill"),)), "1 arguments", "two"),
    "condition with a choice": (
        lambda: with_node("block.join", op=Choose(ACT.equals("relu"))),
        "a condition depends on the choice 'block.act'",
        "running module",
    ),
    "when with a choice": (
        lambda: with_node("block.fill", when=WIDTH <= 16),
        "a condition depends on the choice 'width'",
        "node block.fill",
    ),
    "when of a number": (lambda: with_node("block.fill", when=Size(Ref("x"), 0)), "neither true nor false", "Boolean"),
    "argument": (
        lambda: extra("n", Call(ARGUMENT), "x; import os", 1),
        "'x; import os' is no parameter of forward",
        "Name one of the signature",
    ),
    "guard": (lambda: with_node("guard", args=(Size(Ref("x"), 2), "f.py:1")), "a guard has the arguments", "condition"),
    "guard's place": (lambda: with_node("guard", args=(TRAINING, "a\nb")), "a guard has the arguments", "file.py:line"),
    "guard's arity": (lambda: with_node("guard", args=(TRAINING,)), GUARD, "It takes 2"),
    "frame": (lambda: with_node("linear", scope=SCOPE), "call 0 of the module 'block' is entered twice", "contiguous"),
    "frame's entry": (lambda: with_node("mean", scope=(Frame("blok", "Block"),)), "Did you mean 'block'", "Entry"),
    "frame's class": (lambda: with_node("mean", scope=(Frame("head", "A(os.x)"),)), "not a call of a module", "Frame"),
    "frame's call": (lambda: with_node("mean", scope=(Frame("head", "A", "0"),)), "not a call", "mean"),  # type: ignore[arg-type]
    "nested frame": (lambda: with_node("mean", scope=(Frame("head", "A"),) * 2), "entered twice", "node mean"),
    "class": (lambda: replace(space(), name="Net()"), "'Net()' is not the name of a class", "identifier"),
    "keyword class": (lambda: replace(space(), name="class"), "'class' is not the name of a class", "identifier"),
    "parameter": (lambda: replace(space(), signature=(Parameter("x=1"),)), "not the name of a parameter", "signature"),
    "parameter's kind": (lambda: replace(space(), signature=(Parameter("x", "any"),)), "not a kind", "Kinds are"),
    "parameter's value": (
        lambda: replace(space(), signature=(Parameter("x", value=Ref("mean")),)),
        "'mean' is read",
        "the default of x",
    ),
    "repeated parameter": (lambda: replace(space(), signature=(Parameter("x"),) * 2), "two parameters", "Rename"),
    "input's name": (lambda: replace(space(), inputs=(Input("x y", ("x",), ()),)), "the name of an input", "dotted"),
    "input's path": (lambda: replace(space(), inputs=(Input("x", ("y",), ()),)), "begin with a parameter", "It has x"),
    "input's key": (lambda: replace(space(), inputs=(Input("x", ("x", "\n"), ()),)), "path into the arguments", "keys"),
    "input's shape": (lambda: replace(space(), inputs=(Input("x", ("x",), (-1,)),)), "is not a shape", "input 'x'"),
    "input's dtype": (lambda: replace(space(), inputs=(Input("x", ("x",), (), "int"),)), "is not a dtype", "float32"),
    "output": (lambda: replace(space(), output=Ref("logits")), "'logits' is read", "the output"),
    "formal": (
        lambda: replace(space(), formals=FrozenDict({("block", 0): FrozenDict({Ref("x"): "x, y"})})),
        "not the name of a parameter",
        "formals",
    ),
    "formal's call": (lambda: replace(space(), formals=FrozenDict({"block": FrozenDict()})), "not a call", "path"),  # type: ignore[dict-item]
    "formal's value": (
        lambda: replace(space(), formals=FrozenDict({("block", 0): FrozenDict({Ref("y"): "y"})})),
        "'y' is read",
        "formals",
    ),
    "constraint": (lambda: replace(space(), constraints=(WIDTH * 2,)), "neither true nor false", "Compare"),
    "constraint on a value": (
        lambda: replace(space(), constraints=(Size(Ref("x"), 0) <= 1,)),
        "'x' is read",
        "constraint",
    ),
    "constraint's label": (
        lambda: replace(space(), constraints=(Choice("width", (1, 2)) <= 1,)),
        "one decision",
        "width",
    ),
    "no table": (lambda: replace(space(), modules=()), "does not begin with the root", "Begin with"),
    "no root": (lambda: replace(space(), modules=space().modules[1:]), "does not begin with the root", "Begin with"),
    "path": (lambda: with_entry("head.tied", path="head.a b"), "is not the path of a module", "words"),
    "magic path": (lambda: with_entry("head.tied", path="head.__dict__"), "is not the path of a module", "words"),
    "repeated path": (lambda: with_entry("head.tied", path="head.weight", same_as=""), "stands twice", "Rename"),
    "parent": (lambda: with_entry("head.tied", path="heads.tied"), "no parent 'heads'", "Did you mean 'head'"),
    "tie": (lambda: with_entry("head.tied", same_as="head.later"), "the same parameter as 'head.later'", "owns"),
    "tie of another kind": (lambda: with_entry("head.tied", same_as="block"), "the same parameter as", "owns"),
    "kind": (lambda: with_entry("head.tied", kind="secret"), "'secret' is not a kind of entry", "Kinds are"),
    "layer type": (lambda: with_entry("block.act", type="my.Layer"), "is not a layer", "allow=('my',)"),
    "module type": (lambda: with_entry("head", type="os.PathLike"), "is not a layer or container", "allow=('os',)"),
    "class of a module": (lambda: with_entry("head", type="A:\n  x"), "is not a layer or container", "public names"),
    "base": (lambda: with_entry("block", config=FrozenDict({"base": "os.PathLike"})), "'os.PathLike'", "allow"),
    "name of a setting": (
        lambda: with_entry("block.act", config=FrozenDict({"inplace=f()": 1})),
        "the name of an argument",
        "entry of 'block.act'",
    ),
    "config": (lambda: with_entry("head", config=FrozenDict({"a": Ref("x")})), "'x' is read", "entry of 'head'"),
    "opaque": (lambda: with_entry("head", type="my.Net", opaque=Opaque("numpy")), "'my.Net' is not a layer", "allow"),
    "frozen": (lambda: with_entry("block.act", frozen=("a b",)), "not names of parameters", "layer's own"),
    "tensor": (lambda: with_entry("head.weight", config=FrozenDict({"code": 1})), "the settings code", "may have"),
    "value's shape": (lambda: buffer((2,), List((1, 2, 3))), "not one of 2 elements", "register"),
    "value's dtype": (lambda: with_entry("head.steps", config=FrozenDict({"shape": (), "value": 3})), "dtype", "both"),
    "value's elements": (lambda: buffer((2,), List((1, "x"))), "not one of 2 elements", "head.steps"),
    "range": (lambda: buffer((3,), FrozenDict({"arange": 10**12})), "not one of 3 elements", "head.steps"),
    "huge": (lambda: buffer((10**9, 10**9), FrozenDict({"fill": 0})), "elements of torch.float32", "at most"),
    "no shape": (lambda: with_entry("head.steps", config=FrozenDict()), "has the shape None", "head.steps"),
    "shape": (lambda: with_entry("head.steps", config=FrozenDict({"shape": 3})), "has the shape 3", "head.steps"),
    "negative size": (lambda: with_entry("head.steps", config=FrozenDict({"shape": (-1,)})), "shape (-1,)", "below 0"),
    "dtype": (
        lambda: with_entry("head.steps", config=FrozenDict({"shape": (), "dtype": "int"})),
        "dtype 'int'",
        "Give",
    ),
    "persistence": (
        lambda: with_entry("head.steps", config=FrozenDict({"shape": (), "persistent": 1})),
        "persistent is 1",
        "true or false",
    ),
    "constraint on nothing": (
        lambda: replace(space(), constraints=(ACT.equals("gelu").implies(Apply("==", (1, 2))),)),
        "speaks of no choice",
        "Write its value",
    ),
    "not packed": (lambda: buffer((2,), FrozenDict({"base85": "#"})), "not one of 2 elements", "head.steps"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_graph_is_refused(case: str) -> None:
    broken, what, where = BROKEN[case]
    with pytest.raises(GraphError) as error:
        verify(broken())
    assert what in str(error.value)
    assert where in str(error.value)
    assert "\n  at " in str(error.value) or "label" in str(error.value)


def test_allowed_modules_open_their_own_names_alone() -> None:
    graph = with_node("mean", op=Call("torchvision.ops.roi_align"))
    verify(graph, allow=("torchvision.ops",))
    assert foreign(graph) == ("torchvision.ops",)
    for allow in ((), ("torchvision",), ("torchvision.ops.misc",), ("",)):
        with pytest.raises(GraphError, match="roi_align"):
            verify(graph, allow=allow)
    deeper = with_node("mean", op=Call("torchvision.ops.misc.torch.load"))
    with pytest.raises(GraphError, match=r"torch\.load"):
        verify(deeper, allow=("torchvision.ops", "torchvision.ops.misc"))
    magic = with_node("mean", op=Call("torchvision.ops.__builtins__"))
    with pytest.raises(GraphError, match="__builtins__"):
        verify(magic, allow=("torchvision.ops",))


def test_allowed_modules_open_layers_too() -> None:
    config = FrozenDict({"num_features": 4})
    graph = with_entry("block.act", type="torchvision.ops.FrozenBatchNorm2d", config=config)
    op = Layer("block.act", "torchvision.ops.FrozenBatchNorm2d", config)
    nodes = tuple(replace(node, op=op) if node.name == "block.act" else node for node in graph.nodes)
    verify(replace(graph, nodes=nodes), allow=("torchvision.ops",))


def test_a_name_without_a_module_is_never_allowed() -> None:
    graph = with_node("mean", op=Call("eval"))
    with pytest.raises(GraphError, match="'eval' is called"):
        verify(graph, allow=foreign(graph))


def test_a_tensor_of_a_layer_may_be_read() -> None:
    weight = replace(space().node("weight").op, path="block.conv.weight")  # type: ignore[type-var]
    verify(with_node("weight", op=weight))


def test_a_module_may_be_called_twice() -> None:
    graph = space()
    again = Node(
        "block@1.act", Layer("block.act", "torch.nn.ReLU", RELU), (Ref("to"),), scope=(Frame("block", "Block", 1),)
    )
    verify(replace(graph, nodes=(*graph.nodes, again), output=Ref("block@1.act")))


def test_three_hundred_nodes_take_at_most_ten_milliseconds() -> None:
    relu = FrozenDict({"inplace": False})
    nodes, modules, previous = [], [Entry("", "module", "Net")], "x"
    for block in range(60):
        path, scope = f"block{block}", (Frame(f"block{block}", "Block"),)
        modules += [Entry(path, "module", "Block"), Entry(f"{path}.conv", "layer", "torch.nn.Conv2d", CONV)]
        modules.append(Entry(f"{path}.act", "layer", "torch.nn.ReLU", relu))
        steps = (
            ("conv", Layer(f"{path}.conv", "torch.nn.Conv2d", CONV)),
            ("act", Layer(f"{path}.act", "torch.nn.ReLU", relu)),
            ("view", Call("torch.Tensor.view")),
            ("add", Call("torch.Tensor.__add__")),
            ("choice", Choose(Choice(f"{path}.skip", (False, True)))),
        )
        for name, op in steps:
            args = (Ref(previous), Ref("x")) if name in ("add", "choice") else (Ref(previous),)
            nodes.append(Node(f"{path}.{name}", op, args, scope=scope, source=HERE))
            previous = f"{path}.{name}"
    graph = Graph((Input("x", ("x",), (1, 3, 8, 8)),), tuple(nodes), Ref(previous), modules=tuple(modules))
    assert len(graph.nodes) == 300
    verify(graph)


def test_a_choice_in_a_slice_or_list_is_a_choice_of_the_space() -> None:
    graph = with_node("mean", args=(Ref("block.join"), List((Slice(0, Choice("end", (1, 2))),))))
    assert set(graph.choices) == {"width", "block.act", "end"}
    child = specialize(graph, {**default(graph), "end": 2})
    assert child.node("mean").args[1] == List((Slice(0, 2),))
