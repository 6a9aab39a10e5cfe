"""Which writes into a value are emitted out of place, because somebody else still wants the value as it was."""

from __future__ import annotations

from dataclasses import dataclass

from graphnas.ir import effects
from graphnas.ir.graph import Graph
from graphnas.ir.node import Call, Choose, Layer, Node, refs_in

_KEPT = ("__setitem__", "__delitem__")


@dataclass(frozen=True, slots=True)
class Writes:
    """The writes of a graph.

    Attributes:
        all: nodes that write into their first argument.
        out_of_place: those of them that are emitted out of place.
        layers: paths of the layers that are therefore built without `inplace`.
        copied: calls of other layers that are given a copy, since another call of the layer must write.
    """

    all: frozenset[str]
    out_of_place: frozenset[str]
    layers: frozenset[str]
    copied: frozenset[str]

    def is_write(self, node: Node) -> bool:
        """Whether a node writes into its first argument."""
        return node.name in self.all


def find_writes(graph: Graph) -> Writes:
    """The writes of a graph.

    Out of place goes what writes into a value that another live node reads, also through views and choices, although
    nobody is `after` it. In an open graph any other reader counts, since arms run in an order of their own; in a closed
    one those that come later. Writes into parameters, buffers and inputs are effects and stay, unless what comes later
    wants the value as it was.
    """
    found = [node for node in graph.nodes if effects.writes(node)]
    if not found:
        return Writes(frozenset(), frozenset(), frozenset(), frozenset())
    moved = _Moves(graph).moved(found)
    names = frozenset(node.name for node in moved)
    writing = {node.op.path for node in found if isinstance(node.op, Layer) and node.name not in names}
    layers = {node.name: node.op.path for node in moved if isinstance(node.op, Layer)}
    return Writes(
        frozenset(node.name for node in found),
        names,
        frozenset(layers.values()) - writing,
        frozenset(name for name, path in layers.items() if path in writing),
    )


def without_write(target: str) -> str:
    """The function that computes the same out of place: `torch.Tensor.add` for `add_`, `__add__` for `__iadd__`."""
    head, _, name = target.rpartition(".")
    if name.startswith("__i") and name.endswith("__"):
        return f"{head}.__{name[3:]}"
    return f"{head}.{name.removesuffix('_')}"


class _Moves:
    """Decides write by write, in order: what goes out of place shares no storage any more."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._awaited = effects.awaited_in(graph)
        self._place = {node.name: position for position, node in enumerate(graph.nodes)}
        self._names: set[str] = set()

    def moved(self, found: list[Node]) -> list[Node]:
        moved = []
        for node in found:
            if node.name not in self._awaited and self._is_wanted(node):
                moved.append(node)
                self._names.add(node.name)
        return moved

    def _is_wanted(self, node: Node) -> bool:
        """Whether somebody else reads what a node writes into."""
        if isinstance(node.op, Call) and node.op.target.rpartition(".")[2] in _KEPT:
            return False
        if not any(True for _ in refs_in(node.args[:1])):
            return False
        is_state = effects.writes_state(node, self._graph)
        if is_state and (effects.effect(node, self._graph) or self._is_followed(node)):
            return False
        aliases = self._aliases(node)
        if not is_state and aliases & self._graph.output_names:
            return True
        any_order = bool(self._graph.choices) and not is_state
        return any(
            any_order or self._place[reader] > self._place[node.name]
            for name in aliases
            for reader in self._graph.readers.get(name, ())
            if reader != node.name and reader not in aliases
        )

    def _aliases(self, node: Node) -> set[str]:
        """The values that may share the storage that a node writes into, but for its own result."""
        found: set[str] = set()
        waiting = [ref.name for ref in refs_in(node.args[:1])]
        while waiting:
            name = waiting.pop()
            if name in found or name == node.name:
                continue
            found.add(name)
            source = self._graph.by_name.get(name)
            waiting += _sources(source) if source is not None and self._shares(source) else ()
            readers = (self._graph.by_name[reader] for reader in self._graph.readers.get(name, ()))
            waiting += [reader.name for reader in readers if self._shares(reader) and name in _sources(reader)]
        return found

    def _is_followed(self, node: Node) -> bool:
        """Whether a write into what a write gives must stay: `mean.mul_(0.9).add_(x)` is one update."""
        waiting, found = [node.name], set[str]()
        while waiting:
            name = waiting.pop()
            later = self._graph.by_name[name]
            if name in self._awaited or (effects.writes(later) and effects.effect(later, self._graph)):
                return True
            if name not in found:
                found.add(name)
                readers = (self._graph.by_name[reader] for reader in self._graph.readers.get(name, ()))
                waiting += [reader.name for reader in readers if self._shares(reader) and name in _sources(reader)]
        return False

    def _shares(self, node: Node) -> bool:
        return node.name not in self._names and effects.shares_storage(node)


def _sources(node: Node) -> list[str]:
    """The values whose storage a node's result may be."""
    return [ref.name for ref in refs_in(node.args if isinstance(node.op, Choose) else node.args[:1])]
