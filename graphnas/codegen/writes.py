"""Which writes into a value are emitted out of place, because somebody else still wants the value as it was."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeAlias

from graphnas.ir import effects
from graphnas.ir.choice import Apply, Expr, conjunction, conjuncts, exclude
from graphnas.ir.demand import Demands
from graphnas.ir.frozen import FrozenDict, remembered
from graphnas.ir.graph import Graph
from graphnas.ir.node import Call, Choose, Layer, Node, Param, refs_in

_KEPT = ("__setitem__", "__delitem__")
# A value, and the condition under which one comes to it: behind one side of a choice the other sides of later choices
# on the same condition are none.
_Reached: TypeAlias = tuple[str, Expr | None]


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
    are effects and stay, unless what comes later wants the value as it was. What only runs where a write does not,
    as in the other mode, wants nothing of it.
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
        if self._is_state(node):
            return not effects.effect(node, self._graph) and any(
                self._wants_old(other, node, aliases) for other in others
            )
        if node.name in self._awaited and self._is_awaited(node, aliases):
            return False
        makers = (self._graph.by_name[name] for name in self._chain(node) if name in self._graph.by_name)
        return bool(others or aliases & self._graph.output_names) or any(map(effects.keeps_result, makers))

    def _others(self, node: Node, aliases: set[str]) -> list[str]:
        """The nodes that read what a write overwrites, but those on the way to it and views."""
        chain = self._chain(node)
        readers = {reader: None for name in aliases for reader in self._graph.readers.get(name, ())}
        return [
            name
            for name in readers
            if name != node.name and name not in chain and not aliases.isdisjoint(_read(self._graph.by_name[name]))
            if not exclude(self._graph.by_name[name].when, node.when)
            if effects.writes(self._graph.by_name[name]) or not self._shares(self._graph.by_name[name])
        ]

    def _chain(self, node: Node) -> set[str]:
        """The value that a node writes into, and those that this is a view of or written over."""
        seen: set[_Reached] = set()
        waiting = _sources(node, node.when)
        while waiting:
            name, when = place = waiting.pop()
            source = self._graph.by_name.get(name)
            if place not in seen and source is not None and self._shares(source):
                waiting += _sources(source, when)
            seen.add(place)
        return {name for name, _ in seen}

    def _is_state(self, node: Node) -> bool:
        """Whether a node writes into a parameter, a buffer or an input, what goes out of place before it being new."""
        origins = (self._graph.by_name.get(name) for name in self._chain(node))
        return any(origin is None or isinstance(origin.op, Param) for origin in origins)

    def _is_awaited(self, node: Node, aliases: set[str]) -> bool:
        """Whether one who is after a write reads the memory that it writes into."""
        memory = aliases | self._behind(node)
        return any(
            reader.after and not memory.isdisjoint(_read(reader)) and self._awaits(reader, node)
            for reader in self._graph.nodes
        )

    def _awaits(self, reader: Node, write: Node) -> bool:
        """Whether a node is after a write, or after a choice that may be it."""
        waiting = list(reader.after)
        while waiting:
            name = waiting.pop()
            earlier = self._graph.by_name.get(name)
            if name == write.name:
                return True
            if earlier is not None and isinstance(earlier.op, Choose):
                waiting += [ref.name for ref in earlier.refs]
        return False

    def _wants_old(self, name: str, write: Node, aliases: set[str]) -> bool:
        """Whether a node that runs behind a write, and in the same architecture, reads what was there before it."""
        if self._place[name] < self._place[write.name] or not self._reads_old(name, write, aliases):
            return False
        return self._demands is None or not self._demands.exclude(
            self._demands.nodes[name], self._demands.nodes[write.name]
        )

    def _reads_old(self, name: str, write: Node, aliases: set[str]) -> bool:
        """Whether a node reads aliases of what a write overwrites, and none on the way to them is after the write."""
        waiting, seen = [name], set[str]()
        while waiting:
            found = waiting.pop()
            node = self._graph.by_name.get(found)
            if found in seen or (node is not None and self._awaits(node, write)):
                continue
            seen.add(found)
            read: Iterable[str] = ()
            if node is not None:
                read = _read(node) if found == name else [source for source, _ in _sources(node, write.when)]
            held = [source for source in read if source in aliases]
            if not held:
                return True
            waiting += held
        return False

    @cached_property
    def _demands(self) -> Demands | None:
        return Demands(self._graph) if self._graph.choices else None

    def _aliases(self, node: Node) -> set[str]:
        """The values that may share the storage that a node writes into, but for its own result."""
        seen: set[_Reached] = set()
        waiting: list[_Reached] = [(ref.name, node.when) for ref in refs_in(node.args[:1])]
        while waiting:
            name, when = place = waiting.pop()
            if place in seen or name == node.name:
                continue
            seen.add(place)
            source = self._graph.by_name.get(name)
            waiting += _sources(source, when) if source is not None and self._shares(source) else ()
            waiting += self._handed_on(name, when)
        return {name for name, _ in seen}

    def _behind(self, node: Node) -> set[str]:
        """The result of a write, and the values that share its storage in turn."""
        waiting: list[_Reached] = [(node.name, node.when)]
        seen: set[_Reached] = set()
        while waiting:
            place = waiting.pop()
            if place not in seen:
                seen.add(place)
                waiting += self._handed_on(*place)
        return {name for name, _ in seen}

    def _handed_on(self, name: str, when: Expr | None) -> list[_Reached]:
        """The readers of a value whose results may be its storage, where a condition holds."""
        readers = (self._graph.by_name[reader] for reader in self._graph.readers.get(name, ()))
        return [
            (reader.name, further)
            for reader in readers
            if self._shares(reader) and not exclude(reader.when, when)
            for source, further in _sources(reader, when)
            if source == name
        ]

    def _shares(self, node: Node) -> bool:
        return effects.shares_storage(without_writing(node) if node.name in self._names else node)


@remembered
def _read(node: Node) -> frozenset[str]:
    """The values that a node reads, not merely their sizes."""
    return frozenset(ref.name for ref in refs_in((node.args, node.kwargs), sizes=False))


def _sources(node: Node, when: Expr | None) -> list[_Reached]:
    """The values whose storage a node's result may be where a condition holds, and where it then is."""
    if node.condition is None:
        return [(ref.name, when) for ref in refs_in(node.args if isinstance(node.op, Choose) else node.args[:1])]
    sides = (node.condition, Apply("not", (node.condition,)))
    return [
        (ref.name, when if side in conjuncts(when) else conjunction(when, side))
        for side, arg in zip(sides, node.args, strict=True)
        if not exclude(side, when)
        for ref in refs_in(arg)
    ]
