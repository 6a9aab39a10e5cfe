"""Under which decisions a node is computed: what only arms of open choices need is computed when one of them runs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, TypeAlias

from graphnas.ir.choice import Choice
from graphnas.ir.effects import homes
from graphnas.ir.node import Choose, Frame, Node, Param, refs_in

if TYPE_CHECKING:
    from graphnas.ir.graph import Graph

# In some arms of some choices, where these run (name of the `Choose` → bits of its arms; empty: nowhere); None: always.
Demand: TypeAlias = dict[str, int] | None


class Demands:
    """What each node and each module call of an open graph is needed for.

    Attributes:
        nodes: name of a node → the arms that need it.
        frames: module call → the arms that need anything in it, inner calls included.
    """

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._later: dict[str, list[str]] = {}  # name → the nodes that read it or are after it
        for node in graph.nodes:
            for name in dict.fromkeys((*(ref.name for ref in node.refs), *node.after)):
                self._later.setdefault(name, []).append(node.name)
        self._effects = homes(graph)
        self.nodes: dict[str, Demand] = {}
        self.frames: dict[Frame, Demand] = {}
        self._held: dict[Frame, Demand] = {}
        known: dict[Frame, Demand] | None = None
        while known != self._held:  # an effect needs values of other calls, whose effects live with it
            known = self._held
            self.nodes = self._settled()
            self._held = self._framed(node for node in graph.nodes if not _leaves_nothing(node))
        self.frames = self._framed(graph.nodes)

    def of_call(self, frame: Frame | None) -> Demand:
        """What a module call is needed for; the root's is always."""
        return self.frames.get(frame, {}) if frame is not None else None

    def passes_through(self, frame: Frame) -> bool:
        """Whether a call with effects may be asked for no more than what a choice in it passes on.

        A choice of one option leaves no node behind, so no effect runs in the child; that of the supernet's call would.
        """
        return frame in self._effects.values() and not self.implies(self.frames[frame], self._held.get(frame, {}))

    def implies(self, first: Demand, second: Demand) -> bool:
        """Whether all that runs on the first demand finds what is there on the second."""
        return _Implication(self, second).holds(first)

    def exclude(self, first: Demand, second: Demand) -> bool:
        """Whether what runs on the first demand never runs in one architecture with what runs on the second."""
        if first is None or second is None:
            return False
        return all(
            self._are_apart(choice, arms, other, theirs)
            for choice, arms in first.items()
            for other, theirs in second.items()
        )

    def _are_apart(self, choice: str, arms: int, other: str, theirs: int) -> bool:
        """Whether arms of two choices are never taken together: other options of one label, here or further out."""
        first, second = (self._graph.by_name[name].op for name in (choice, other))
        if isinstance(first, Choose) and isinstance(second, Choose) and first.choice == second.choice:
            return isinstance(first.choice, Choice) and first.choice.take == 1 and not arms & theirs
        return self.exclude(self.nodes[choice], {other: theirs}) or self.exclude({choice: arms}, self.nodes[other])

    def choices_around(self, demand: Demand) -> Iterable[str]:
        """The choices in whose arms something runs, and those in whose arms these stand."""
        found: dict[str, None] = {}
        waiting = list(demand or ())
        while waiting:
            name = waiting.pop()
            if name not in found:
                found[name] = None
                waiting += self.nodes[name] or ()
        return found

    def _settled(self) -> dict[str, Demand]:
        self.nodes = nodes = dict[str, Demand]()
        for node in reversed(self._graph.nodes):
            if node.name in self._effects:
                frame = self._effects[node.name]
                nodes[node.name] = self._held.get(frame, {}) if frame is not None else None
            elif node.name in self._graph.output_names:
                nodes[node.name] = None
            else:
                later = (self._graph.by_name[name] for name in self._later.get(node.name, ()))
                nodes[node.name] = self._joined(self._need(reader, node.name) for reader in later)
        return nodes

    def _framed(self, nodes: Iterable[Node]) -> dict[Frame, Demand]:
        inside: dict[Frame, list[Demand]] = {}
        for node in nodes:
            if not isinstance(node.op, Param):
                for frame in node.scope:
                    inside.setdefault(frame, []).append(self.nodes[node.name])
        return {frame: self._joined(demands) for frame, demands in inside.items()}

    def _need(self, reader: Node, name: str) -> Demand:
        """What a reader needs the value called `name` for."""
        own = self.nodes[reader.name]
        if not isinstance(reader.op, Choose) or not isinstance(reader.op.choice, Choice):
            return own
        if name in reader.after or any(ref.name == name for ref in refs_in((reader.kwargs, reader.condition))):
            return own
        arms = [any(ref.name == name for ref in refs_in(arg)) for arg in reader.args]
        if all(arms):
            return own
        return {reader.name: sum(1 << position for position, arm in enumerate(arms) if arm)}

    def _joined(self, demands: Iterable[Demand]) -> Demand:
        joined: dict[str, int] = {}
        for demand in demands:
            if demand is None:
                return None
            for choice, arms in demand.items():
                joined[choice] = joined.get(choice, 0) | arms
        for choice, arms in joined.items():
            if arms + 1 == 1 << len(self._graph.by_name[choice].args):  # every arm: wherever the choice runs
                del joined[choice]
                return self._joined((joined, self.nodes[choice]))
        return joined


def _leaves_nothing(node: Node) -> bool:
    """Whether a node is a parameter, or vanishes under some decision while its value stays."""
    choice = node.op.choice if isinstance(node.op, Choose) else None
    return isinstance(node.op, Param) or (isinstance(choice, Choice) and (choice.take is None or choice.take < 2))


class _Implication:
    """What is implied by one demand."""

    def __init__(self, demands: Demands, given: Demand) -> None:
        self._demands, self._given = demands, given
        self._known: dict[str, bool] = {}

    def holds(self, demand: Demand) -> bool:
        if self._given is None:
            return True
        return demand is not None and all(self._is_covered(choice, arms) for choice, arms in demand.items())

    def _is_covered(self, choice: str, arms: int) -> bool:
        assert self._given is not None  # the caller asked
        if not arms & ~self._given.get(choice, 0):
            return True
        if choice not in self._known:
            self._known[choice] = True  # a choice that only an effect beside it holds up is no reason for the call
            self._known[choice] = self.holds(self._demands.nodes[choice])
        return self._known[choice]
