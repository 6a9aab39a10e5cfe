"""Immutable objects keep what was worked out about them, and a changed copy starts anew."""

from __future__ import annotations

from dataclasses import replace

from graphnas.ir.frozen import FrozenDict, remembered
from graphnas.ir.node import Call, Node


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
