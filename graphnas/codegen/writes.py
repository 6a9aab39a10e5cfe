"""Which writes into a value are emitted out of place, because somebody else still wants the value as it was."""

from __future__ import annotations

from dataclasses import dataclass

from graphnas.ir import effects
from graphnas.ir.graph import Graph
from graphnas.ir.node import Call, Choose, Layer, Node, Param, Ref

_KEPT = ("__setitem__", "__delitem__")


@dataclass(frozen=True, slots=True)
class Writes:
    """The writes of a graph.

    Attributes:
        all: nodes that write into their first argument.
        out_of_place: those of them that are emitted out of place.
        layers: paths of the layers that are therefore built without `inplace`.
    """

    all: frozenset[str]
    out_of_place: frozenset[str]
    layers: frozenset[str]

    def is_write(self, node: Node) -> bool:
        """Whether a node writes into its first argument."""
        return node.name in self.all


def find_writes(graph: Graph) -> Writes:
    """The writes of a graph.

    Out of place goes what writes into a value that another live node reads, although nobody is `after` it. In an open
    graph any other reader counts, since arms run in an order of their own; in a closed one those that come later.
    Writes into parameters, buffers and inputs are effects and stay.
    """
    found = [node for node in graph.nodes if effects.writes(node)]
    if not found:
        return Writes(frozenset(), frozenset(), frozenset())
    awaited = _awaited(graph)
    place = {node.name: position for position, node in enumerate(graph.nodes)}
    end = {ref.name for ref in graph.reads}
    moved = [node for node in found if node.name not in awaited and _is_wanted(node, graph, place, end)]
    layers = frozenset(node.op.path for node in moved if isinstance(node.op, Layer))
    return Writes(frozenset(node.name for node in found), frozenset(node.name for node in moved), layers)


def without_write(target: str) -> str:
    """The function that computes the same out of place: `torch.Tensor.add` for `add_`, `__add__` for `__iadd__`."""
    head, _, name = target.rpartition(".")
    if name.startswith("__i") and name.endswith("__"):
        return f"{head}.__{name[3:]}"
    return f"{head}.{name.removesuffix('_')}"


def _is_wanted(node: Node, graph: Graph, place: dict[str, int], end: set[str]) -> bool:
    """Whether somebody else reads what a node writes into."""
    if isinstance(node.op, Call) and node.op.target.rpartition(".")[2] in _KEPT:
        return False
    if not node.args or not isinstance(node.args[0], Ref) or _is_state(node, graph):
        return False
    written = node.args[0].name
    others = [reader for reader in graph.readers[written] if reader != node.name]
    return written in end or any(bool(graph.choices) or place[other] > place[node.name] for other in others)


def _awaited(graph: Graph) -> set[str]:
    """The nodes that somebody is `after`; to be after a choice is to be after each of its arms."""
    awaited: set[str] = set()
    waiting = [name for node in graph.nodes for name in node.after]
    while waiting:
        name = waiting.pop()
        if name in awaited:
            continue
        awaited.add(name)
        node = graph.by_name.get(name)
        if node is not None and isinstance(node.op, Choose):
            waiting.extend(ref.name for ref in node.refs)
    return awaited


def _is_state(node: Node, graph: Graph) -> bool:
    """Whether what a node writes into is a parameter, a buffer or an input, or was returned by a write into one."""
    while node.args and isinstance(node.args[0], Ref):
        source = graph.by_name.get(node.args[0].name)
        if source is None or isinstance(source.op, Param):
            return True
        if not effects.writes(source):
            return False
        node = source
    return False
