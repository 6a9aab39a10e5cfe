"""Which rows of the module table a child keeps: what `graphnas.ir.specialize` finds for one architecture, for all."""

from __future__ import annotations

from collections.abc import Iterable

from graphnas.analysis.conditions import conditions
from graphnas.analysis.diagrams import Diagram, Diagrams
from graphnas.ir.graph import Graph
from graphnas.ir.node import Entry, Layer, Param


class Rows:
    """Conditions on rows of the module table.

    Attributes:
        stays: path of a row → whether the child has the row.
    """

    def __init__(self, graph: Graph, diagrams: Diagrams) -> None:
        self._diagrams = diagrams
        self._used: dict[str, Diagram] = {}  # layers and tensors by path: whether a node uses them
        self._called: dict[str, Diagram] = {}  # modules: whether a node stands in a call of them
        for node, kept in zip(graph.nodes, conditions(graph, diagrams), strict=True):
            if isinstance(node.op, Layer | Param):
                self._used[node.op.path] = self._either(self._used, node.op.path, kept)
            for path in dict.fromkeys(frame.path for frame in node.scope):
                self._called[path] = self._either(self._called, path, kept)
        self._read: dict[str, Diagram] = {}  # parents of what is used
        self._below: dict[str, Diagram] = {}  # ancestors of what is used or called, and these themselves
        for users in (self._used, self._called):
            for path, kept in users.items():
                for ancestor in _ancestors(path):
                    self._below[ancestor] = self._either(self._below, ancestor, kept)
        for path, kept in self._used.items():
            parent = path.rpartition(".")[0]
            self._read[parent] = self._either(self._read, parent, kept)
        self._any_dead = diagrams.any(map(self._dead, self._called))
        self.stays = {entry.path: self._stays(entry) for entry in graph.modules}

    def _either(self, known: dict[str, Diagram], path: str, condition: Diagram) -> Diagram:
        return self._diagrams.either(known.get(path, self._diagrams.false), condition)

    def _stays(self, entry: Entry) -> Diagram:
        make = self._diagrams
        held = make.choose(self._any_dead, self._of(self._below, entry.path), self._runs(entry.path))
        lost = make.either(self._gone(entry.path), make.any(map(self._dead, _ancestors(entry.path))))
        if entry.kind in ("layer", "module") and entry.same_as:
            lost = make.any((lost, self._gone(entry.same_as), self._dead(entry.same_as)))
        return make.either(held, make.negation(lost))

    def _of(self, known: dict[str, Diagram], path: str) -> Diagram:
        return known.get(path, self._diagrams.false)

    def _runs(self, path: str) -> Diagram:
        return self._diagrams.either(self._of(self._used, path), self._of(self._called, path))

    def _gone(self, path: str) -> Diagram:
        """Whether a layer or tensor was used, and is used no more."""
        if path not in self._used:
            return self._diagrams.false
        return self._diagrams.negation(self._diagrams.either(self._used[path], self._of(self._read, path)))

    def _dead(self, path: str) -> Diagram:
        """Whether a module was called, and is called no more."""
        return self._diagrams.negation(self._called[path]) if path in self._called else self._diagrams.false


def _ancestors(path: str) -> Iterable[str]:
    while path:
        yield path
        path = path.rpartition(".")[0]
