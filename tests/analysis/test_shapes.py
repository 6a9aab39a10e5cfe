"""Shapes found on the meta device."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from graphnas.analysis.elastic import elastic
from graphnas.analysis.names import means, public_name, resolve
from graphnas.analysis.shapes import Shape, Unknown, check_arms, shape_of, shapes
from graphnas.errors import GraphError
from graphnas.ir.choice import TRAINING, Apply, Choice
from graphnas.ir.node import Choose, Constant, Device, List, Node, Ref, Size, Slice
from tests.mutations.graphs import call, graph_of, layer, network


def test_every_value_has_dims_and_dtype() -> None:
    found = shapes(network())
    assert found["x"] == Shape((2, 3, 8, 8))
    assert found["layer1.1@1.add"] == Shape((2, 8, 8, 8))
    assert found["view"] == Shape((2, 8))
    assert found["fc"] == Shape((2, 5))


def test_answer_is_kept_while_the_graph_lives() -> None:
    graph = network()
    assert shapes(graph) is shapes(graph)
    assert shapes(replace(graph)) is not shapes(graph)


def test_no_random_number_is_drawn() -> None:
    state = torch.get_rng_state()
    shapes(
        graph_of(layer("odd", "Linear", "x", in_features=8, out_features=7), call("r", "torch.rand_like", Ref("odd")))
    )
    assert torch.equal(torch.get_rng_state(), state)


def test_tuples_items_and_numbers() -> None:
    graph = graph_of(
        call("max", "torch.max", Ref("x"), 1),
        call("index", "torch.Tensor.__getitem__", Ref("max", (1,)), (Slice(0, 1), Ellipsis)),
        call("root", "math.sqrt", Size(Ref("x"), 1)),
        call("cat", "torch.cat", List((Ref("max", (0,)), Ref("index"))), dim=0),
    )
    found = shapes(graph)
    assert found["max"] == (Shape((2, 8, 8)), Shape((2, 8, 8), "torch.int64"))
    assert shape_of(found, Ref("max", (1,))) == Shape((2, 8, 8), "torch.int64")
    assert found["index"] == Shape((1, 8, 8), "torch.int64")
    assert found["root"] is None
    assert found["cat"] == Shape((3, 8, 8))


def test_devices_dtypes_and_modes() -> None:
    graph = graph_of(
        call("zeros", "torch.zeros", 2, 1, dtype=Constant("torch.int64"), device=Device("cuda:0")),
        call("moved", "torch.Tensor.cpu", Ref("zeros")),
        call("drop", "torch.nn.functional.dropout", Ref("x"), 0.5, training=Apply("if", (TRAINING, True, False))),
        Node("mode", Choose(TRAINING), (Ref("drop"), Ref("moved"))),
    )
    assert shapes(graph)["mode"] == Shape((2, 1), "torch.int64")


def test_int_and_float_arguments_are_told_apart() -> None:
    graph = graph_of(
        call("whole", "torch.Tensor.__mul__", Ref("x"), 2),
        call("real", "torch.Tensor.__mul__", Ref("x"), 2.0),
        dtype="torch.int64",
    )
    found = shapes(graph)
    assert (found["whole"], found["real"]) == (Shape((2, 3, 8, 8), "torch.int64"), Shape((2, 3, 8, 8)))


@pytest.mark.parametrize("target", ["torch.nonzero", "torch.Tensor.item", "torch.unique"])
def test_shape_that_depends_on_data_is_unknown_and_so_is_what_follows(target: str) -> None:
    nodes = (
        call("sum", "torch.sum", Ref("x")),
        call("some", target, Ref("sum")),
        call("more", "torch.add", Ref("some"), 1),
    )
    graph = graph_of(*nodes)
    found = shapes(graph)
    assert isinstance(found["some"], Unknown)
    assert found["more"] == found["some"]
    assert "node some (net.py:1)" in found["some"].reason


def test_error_names_node_line_and_what_it_was_given() -> None:
    graph = graph_of(layer("odd", "Linear", "x", in_features=7, out_features=7, line=12))
    with pytest.raises(GraphError, match=r"node odd \(net.py:12\) cannot run on \(2, 3, 8, 8\): RuntimeError"):
        shapes(graph)


def test_arms_of_differing_shape_are_an_error_when_asked() -> None:
    arms = (call("one", "torch.relu", Ref("x")), call("two", "torch.flatten", Ref("x"), 1))
    graph = graph_of(*arms, Node("pick", Choose(Choice("c", ("a", "b"))), (Ref("one"), Ref("two"))))
    assert shapes(graph)["pick"] == Shape((2, 3, 8, 8))
    assert shapes(graph, {"c": "b"})["pick"] == Shape((2, 192))
    with pytest.raises(GraphError, match=r"one: \(2, 3, 8, 8\), two: \(2, 192\)"):
        check_arms(graph)
    assert elastic(graph) == {"pick"}


def test_merges_of_several_arms() -> None:
    arms = (
        call("one", "torch.relu", Ref("x")),
        call("two", "torch.tanh", Ref("x")),
        call("three", "torch.abs", Ref("x")),
    )
    pick = Node("pick", Choose(Choice("c", (0, 1, 2), take=2), "concat"), (Ref("one"), Ref("two"), Ref("three")))
    assert shapes(graph_of(*arms, pick))["pick"] == Shape((2, 6, 8, 8))


def test_open_values_are_taken_at_their_default_or_at_an_arch() -> None:
    width = Choice("width", (8, 4))
    graph = graph_of(
        layer("wide", "Conv2d", "x", in_features=3, in_channels=3, out_channels=width, kernel_size=1),
        layer("narrow", "Conv2d", "wide", in_channels=width, out_channels=2, kernel_size=1),
    )
    assert shapes(graph)["wide"] == Shape((2, 8, 8, 8))
    assert shapes(graph, {"width": 4})["wide"] == Shape((2, 4, 8, 8))
    assert elastic(graph) == {"wide"}


def test_names_and_objects() -> None:
    assert public_name(torch.nn.ReLU) == "torch.nn.ReLU"
    assert resolve("torch.nn.functional.gelu") is torch.nn.functional.gelu
    assert means("torch.nn.functional.gelu", torch.nn.functional.gelu)
    with pytest.raises(GraphError, match="nowhere is not imported"):
        resolve("nowhere.at_all")
    with pytest.raises(GraphError, match="does not exist"):
        resolve("torch.nn.functional.gelux")
