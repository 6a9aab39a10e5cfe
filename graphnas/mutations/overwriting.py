"""Which nodes change what a site is given, and are emitted so whoever else reads it."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace

from graphnas.ir import effects
from graphnas.ir.graph import Graph
from graphnas.ir.node import SET_DATA, Call, Choose, Node, Ref, refs_in

# Writes that have no result which could be computed out of place.
_STATEMENTS = ("torch.Tensor.__setitem__", "torch.Tensor.__delitem__", SET_DATA)


def overwriting(graph: Graph, nodes: Iterable[Node], given: Ref, awaited: Collection[str]) -> Node | None:
    """The first node that writes into a value or a view of it, and keeps doing so where others read the value.

    Other writes are emitted out of place there, and so do no harm.

    Args:
        graph: where the value is computed.
        nodes: in order; they need not be the graph's.
        given: the value.
        awaited: names of the nodes that others are `after`.
    """
    shared = {given.name}
    for node in nodes:
        sources = node.args if isinstance(node.op, Choose) else node.args[:1]
        if all(ref.name not in shared for ref in refs_in(sources)):
            continue
        if effects.writes(node) and (node.name in awaited or _is_fixed(node, given, graph)):
            return node
        if effects.shares_storage(node):
            shared.add(node.name)
    return None


def _is_fixed(node: Node, given: Ref, graph: Graph) -> bool:
    """Whether a write is a statement, or changes a parameter, a buffer or an input of the network."""
    is_statement = isinstance(node.op, Call) and node.op.target in _STATEMENTS
    return is_statement or effects.writes_state(replace(node, args=(given,)), graph)
