"""Which writes into a value are emitted out of place, because somebody else still wants the value as it was."""

from __future__ import annotations

from dataclasses import dataclass, replace

from graphnas.codegen.branches import is_opposite
from graphnas.codegen.layout import Conditions, conditions
from graphnas.ir import effects
from graphnas.ir.choice import Apply
from graphnas.ir.frozen import FrozenDict, remembered
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


def find_writes(graph: Graph) -> Writes:
    """The writes of a graph.

    Out of place goes a write that nobody is `after` where somebody else wants what it overwrites: a node that reads it,
    also through views and choices, before or behind the write, since its gradient may be computed from it; the output;
    or the node that made it, if its gradient is computed from its result. Writes into parameters, buffers and inputs
    are effects and stay, unless what comes later wants the value as it was.
    """
    found = [node for node in graph.nodes if effects.writes(node)]
    if not found:
        return Writes(frozenset(), frozenset(), frozenset(), frozenset())
    moved = _Moves(graph).moved(found)
    names = frozenset(node.name for node in moved)
    owners = {node.name: _owner(node.op, graph) for node in found if isinstance(node.op, Layer)}
    writing = {path for name, path in owners.items() if name not in names}
    layers = {name: path for name, path in owners.items() if name in names}
    return Writes(
        frozenset(node.name for node in found),
        names,
        frozenset(layers.values()) - writing,
        frozenset(name for name, path in layers.items() if path in writing),
    )


def _owner(layer: Layer, graph: Graph) -> str:
    """The path of a layer; of one with several, the first."""
    return graph.entries[layer.path].same_as or layer.path


def without_writing(node: Node) -> Node:
    """The node that computes the same out of place; a dropout still hands on what it is given, in evaluation."""
    match node.op:
        case Layer(path=path, type=kind, config=config):
            return replace(node, op=Layer(path, kind, FrozenDict({**config, "inplace": False})))
        case Call(target=target):
            kwargs = {key: value for key, value in node.kwargs.items() if key != "inplace"}
            return replace(node, op=Call(_without_write(target)), kwargs=FrozenDict(kwargs))
    return node


def _without_write(target: str) -> str:
    """The function that computes the same out of place: `torch.Tensor.add` for `add_`, `__add__` for `__iadd__`."""
    head, _, name = target.rpartition(".")
    if name.startswith("__i") and name.endswith("__"):
        return f"{head}.__{name[3:]}"
    return f"{head}.{name.removesuffix('_')}"


class _Moves:
    """Decides write by write, in order: what goes out of place mostly shares no storage any more."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._awaited = effects.awaited_in(graph)
        self._place = {node.name: position for position, node in enumerate(graph.nodes)}
        self._names: set[str] = set()

    def moved(self, found: list[Node]) -> list[Node]:
        moved = []
        for node in found:
            if self._is_wanted(node):
                moved.append(node)
                self._names.add(node.name)
        return moved

    def _is_wanted(self, node: Node) -> bool:
        """Whether somebody else reads what a node writes into."""
        if isinstance(node.op, Call) and node.op.target.rpartition(".")[2] in _KEPT:
            return False
        if not any(True for _ in refs_in(node.args[:1])):
            return False
        aliases = self._aliases(node)
        others = self._others(node, aliases)
        if effects.writes_state(node, self._graph):
            stays = effects.effect(node, self._graph) or self._is_followed(node)
            return not stays and any(self._place[other] > self._place[node.name] for other in others)
        if node.name in self._awaited and self._is_awaited(node, aliases):
            return False
        makers = (self._graph.by_name[name] for name in self._chain(node) if name in self._graph.by_name)
        return bool(others or aliases & self._graph.output_names) or any(map(effects.keeps_result, makers))

    def _others(self, node: Node, aliases: set[str]) -> list[str]:
        """The nodes that read what a write overwrites, but those on the way to it and views."""
        chain = self._chain(node)
        readers = {reader.name: None for name in aliases for reader in self._readers(name, node)}
        return [
            name
            for name in readers
            if name != node.name and name not in chain and not aliases.isdisjoint(_read(self._graph.by_name[name]))
            if effects.writes(self._graph.by_name[name]) or not self._shares(self._graph.by_name[name])
        ]

    def _chain(self, node: Node) -> set[str]:
        """The value that a node writes into, and those that this is a view of or written over."""
        found: set[str] = set()
        waiting = _sources(node)
        while waiting:
            name = waiting.pop()
            source = self._graph.by_name.get(name)
            if name not in found and source is not None and self._shares(source):
                waiting += _sources(source)
            found.add(name)
        return found

    def _is_awaited(self, node: Node, aliases: set[str]) -> bool:
        """Whether one who is after a write reads the memory that it writes into."""
        memory = aliases | self._behind(node)
        for reader in self._graph.nodes:
            waiting = list(reader.after) if reader.after and not memory.isdisjoint(_read(reader)) else []
            while waiting:
                name = waiting.pop()
                earlier = self._graph.by_name.get(name)
                if name == node.name:
                    return True
                if earlier is not None and isinstance(earlier.op, Choose):
                    waiting += [ref.name for ref in earlier.refs]
        return False

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
            readers = self._readers(name, node)
            waiting += [reader.name for reader in readers if self._shares(reader) and name in _sources(reader)]
        return found

    def _readers(self, name: str, write: Node) -> list[Node]:
        """The nodes that read a value where a write has run."""
        readers = (self._graph.by_name[reader] for reader in self._graph.readers.get(name, ()))
        if write.when is None:
            return list(readers)
        return [reader for reader in readers if not _never_reads(reader, name, conditions(write))]

    def _is_followed(self, node: Node) -> bool:
        """Whether a write into what a write gives must stay: `mean.mul_(0.9).add_(x)` is one update."""
        behind = [self._graph.by_name[name] for name in self._behind(node)]
        return any(
            later.name in self._awaited or (effects.writes(later) and effects.effect(later, self._graph))
            for later in behind
        )

    def _behind(self, node: Node) -> set[str]:
        """The result of a write, and the values that share its storage in turn."""
        waiting, found = [node.name], set[str]()
        while waiting:
            name = waiting.pop()
            if name not in found:
                found.add(name)
                readers = (self._graph.by_name[reader] for reader in self._graph.readers.get(name, ()))
                waiting += [reader.name for reader in readers if self._shares(reader) and name in _sources(reader)]
        return found

    def _shares(self, node: Node) -> bool:
        return effects.shares_storage(without_writing(node) if node.name in self._names else node)


def _never_reads(reader: Node, name: str, held: Conditions) -> bool:
    """Whether a node does not read a value where certain conditions hold."""
    if _exclude(conditions(reader), held):
        return True
    condition = reader.condition
    if condition is None or any(ref.name == name for ref in refs_in(condition)):
        return False
    arms = zip((condition, Apply("not", (condition,))), reader.args, strict=True)
    return all(_exclude((claim,), held) for claim, arm in arms if any(ref.name == name for ref in refs_in(arm)))


def _exclude(first: Conditions, second: Conditions) -> bool:
    return any(is_opposite(mine, other) for mine in first for other in second)


@remembered
def _read(node: Node) -> frozenset[str]:
    """The values that a node reads, not merely their sizes."""
    return frozenset(ref.name for ref in refs_in((node.args, node.kwargs), sizes=False))


def _sources(node: Node) -> list[str]:
    """The values whose storage a node's result may be."""
    return [ref.name for ref in refs_in(node.args if isinstance(node.op, Choose) else node.args[:1])]
