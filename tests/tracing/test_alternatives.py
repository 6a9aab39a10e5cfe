"""Modules traced as parts of a larger graph, and graphs from and to fx."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from graphnas.ir.node import Frame, Layer, Ref
from graphnas.ir.verify import verify
from graphnas.tracing.fx import to_fx
from graphnas.tracing.tracer import trace, trace_alternative
from tests.models.resnet import resnet18
from tests.tracing import networks
from tests.tracing.comparison import assert_equal, same
from tests.tracing.interpreter import Interpreter

SCOPE = (Frame("stage", "Stage"),)


def test_layer_is_one_node_called_like_its_path() -> None:
    found = trace_alternative(nn.SiLU(), (torch.ones(2, 6),), "stage.act_silu", SCOPE, given=(Ref("stage.fc"),))
    (node,) = found.nodes
    assert (node.name, node.op.path, node.scope) == ("stage.act_silu", "stage.act_silu", SCOPE)  # type: ignore[union-attr]
    assert (node.args, found.output) == ((Ref("stage.fc"),), Ref("stage.act_silu"))
    (entry,) = found.entries
    assert isinstance(node.op, Layer)
    assert (entry.path, entry.kind, entry.type, entry.config) == (
        "stage.act_silu",
        "layer",
        node.op.type,
        node.op.config,
    )


def test_second_call_of_a_layer_is_marked() -> None:
    found = trace_alternative(nn.SiLU(), (torch.ones(2, 6),), "act", call=1)
    assert (found.nodes[0].name, found.nodes[0].op.path) == ("act@1", "act")  # type: ignore[union-attr]


def test_module_stands_below_its_path() -> None:
    found = trace_alternative(networks.Twice(), (torch.ones(2, 6),), "stage.new", SCOPE, given=(Ref("stage.fc"),))
    outer = (*SCOPE, Frame("stage.new", "Twice"))
    assert [(node.name, node.scope[len(outer) :]) for node in found.nodes] == [
        ("stage.new.block.fc", (Frame("stage.new.block", "Block", 0),)),
        ("stage.new.block.act", (Frame("stage.new.block", "Block", 0),)),
        ("stage.new.block.add", (Frame("stage.new.block", "Block", 0),)),
        ("stage.new.block@1.fc", (Frame("stage.new.block", "Block", 1),)),
        ("stage.new.block@1.act", (Frame("stage.new.block", "Block", 1),)),
        ("stage.new.block@1.add", (Frame("stage.new.block", "Block", 1),)),
        ("stage.new.out", ()),
    ]
    assert all(node.scope[: len(outer)] == outer for node in found.nodes)
    assert found.nodes[0].args == (Ref("stage.fc"),)
    assert [entry.path for entry in found.entries] == [
        "stage.new", "stage.new.block", "stage.new.block.fc", "stage.new.block.act", "stage.new.out",
    ]  # fmt: skip
    assert found.formals["stage.new.block", 0] == {Ref("stage.fc"): "x"}


def test_second_call_of_a_module_continues_the_count() -> None:
    first = trace_alternative(networks.Twice(), (torch.ones(2, 6),), "new")
    second = trace_alternative(networks.Twice(), (torch.ones(2, 6),), "new", call=1)
    assert not {node.name for node in first.nodes} & {node.name for node in second.nodes}
    assert not {node.scope for node in first.nodes} & {node.scope for node in second.nodes}
    assert second.nodes[0].name == "new.block@2.fc"
    assert {entry.path for entry in first.entries} == {entry.path for entry in second.entries}


def test_taken_names_are_avoided() -> None:
    class Sum(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x + x

    found = trace_alternative(Sum(), (torch.ones(2),), "new", taken={"new.add"})
    assert [node.name for node in found.nodes] == ["new.add_1"]


def test_graph_module_becomes_a_graph_again() -> None:
    torch.manual_seed(0)
    model = resnet18()
    module = torch.fx.symbolic_trace(model)
    graph = trace(module, torch.randn(2, 3, 32, 32))
    verify(graph)
    image = torch.randn(3, 3, 32, 32)
    for training in (False, True):
        assert_equal(module, lambda twin: Interpreter(graph, twin), ((image,), {}), training)
    again = trace(to_fx(graph, module.state_dict()), torch.randn(2, 3, 32, 32))
    assert [node.op for node in again.nodes] == [node.op for node in graph.nodes]


def test_fx_guards_and_passes() -> None:
    graph = trace(networks.Branch(), torch.ones(2, 6))
    module = to_fx(graph)
    module.graph.eliminate_dead_code()
    module.recompile()
    assert same(module(torch.ones(3, 6)), networks.Branch()(torch.ones(3, 6)))
    with pytest.raises(RuntimeError, match=r"networks\.py:"):
        module(torch.ones(2, 7))
