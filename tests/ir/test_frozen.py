"""Immutable objects keep what was worked out about them, and a changed copy starts anew."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import pytest

from graphnas.codegen.emit import emit
from graphnas.ir.frozen import FrozenDict, remembered
from graphnas.ir.node import Call, Node
from graphnas.ir.specialize import default, specialize
from tests.ir.graphs import space


def test_a_fact_is_worked_out_once_for_each_object() -> None:
    asked: list[str] = []

    @remembered
    def target(node: Node) -> str:
        asked.append(node.name)
        return node.op.target  # type: ignore[union-attr]

    node = Node("act", Call("torch.tanh"))
    other = replace(node, op=Call("torch.relu"))
    assert [target(node), target(node), target(other)] == ["torch.tanh", "torch.tanh", "torch.relu"]
    assert asked == ["act", "act"]
    assert node == Node("act", Call("torch.tanh"))
    assert hash(node) == hash(Node("act", Call("torch.tanh")))


def test_facts_of_one_object_do_not_mix() -> None:
    first, second = remembered(len), remembered(sorted)
    settings = FrozenDict({"b": 1, "a": 2})
    assert (first(settings), second(settings)) == (2, ["a", "b"])
    assert settings == {"a": 2, "b": 1}


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, lambda item: pickle.loads(pickle.dumps(item))])
def test_a_copy_takes_along_the_fields_alone(duplicate: Callable[[Any], Any]) -> None:
    """What is kept about an object may hold identities of others, and a copy's parts have their own."""
    graph = space()
    text = emit(specialize(graph, default(graph)))
    assert any(vars(node).keys() - {field.name for field in fields(node)} for node in graph.nodes)
    for item in (graph, *graph.nodes, *graph.modules):
        copied = duplicate(item)
        assert copied == item
        assert vars(copied).keys() == {field.name for field in fields(item)}
    copied = duplicate(graph)
    assert emit(specialize(copied, default(copied))) == text
