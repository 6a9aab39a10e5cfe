"""Writes that would overtake a reader: what only an arm of a choice needs is computed late, maybe after the write."""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphnas.ir.demand import Demands
from graphnas.ir.effects import awaited_in, shares_storage, writes, writes_state
from graphnas.ir.node import Choose, Node, Param, Ref, refs_in
from graphnas.ir.values import refuse

if TYPE_CHECKING:
    from graphnas.ir.graph import Graph


def check_hazards(graph: Graph) -> None:
    """Checks that no reader of a value is computed after a write that it stands before.

    A node that only some arms of an open choice need moves to the choice. That is wrong where the choice stands
    behind a write into what the node reads, unless the write moves along or is emitted out of place.

    Raises:
        GraphError: there is such a reader.
    """
    if not graph.choices:
        return
    awaited = awaited_in(graph)
    kept = [node for node in graph.nodes if writes(node) and _is_kept(node, awaited, graph)]
    if not kept:
        return
    demands = Demands(graph)
    place = {node.name: position for position, node in enumerate(graph.nodes)}
    for write in kept:
        if demands.nodes[write.name] is not None:
            continue
        storage = {_storage(ref.name, graph) for ref in refs_in(write.args[:1])}
        for reader in graph.nodes[: place[write.name]]:
            around = demands.choices_around(demands.nodes[reader.name])
            late = [choice for choice in around if place[choice] > place[write.name]]
            if late and not _is_view(reader) and any(_storage(ref.name, graph) in storage for ref in reader.refs):
                _refuse(write, reader, late[0])


def _refuse(write: Node, reader: Node, choice: str) -> None:
    refuse(
        f"{reader.where} reads what {write.name!r} changes in place behind it, but is only computed in an arm of "
        f"{choice!r}, which comes later still",
        write.where,
        "Write out of place (`x = x + y`), or read a clone.",
    )


def _is_kept(node: Node, awaited: set[str], graph: Graph) -> bool:
    """Whether a write is emitted as such wherever others read what it writes into."""
    return node.name in awaited or writes_state(node, graph)


def _is_view(node: Node) -> bool:
    return shares_storage(node) and not writes(node)


def _storage(name: str, graph: Graph) -> str:
    """The value whose storage `name` may be: followed through views and writes up to where it was made or is kept."""
    node = graph.by_name.get(name)
    while node is not None and shares_storage(node) and node.args and isinstance(node.args[0], Ref):
        if isinstance(node.op, Choose):
            break
        name = node.args[0].name
        node = graph.by_name.get(name)
    return f"state {node.op.path}" if node is not None and isinstance(node.op, Param) else name
