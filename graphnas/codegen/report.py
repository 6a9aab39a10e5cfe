"""What was recorded of a model, what stayed whole, and what its child will need."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from graphnas.codegen.foreign import Foreign
from graphnas.ir import printing
from graphnas.ir.graph import Graph
from graphnas.ir.initial import is_recorded
from graphnas.ir.node import GUARD, Call, Entry, Input


@dataclass(frozen=True)
class Whole:
    """A module that stays one layer.

    Attributes:
        path: where it is registered.
        type: its class.
        reason: what could not be recorded.
        where: the user's file and line, "" if the caller wanted it whole.
        missing: what stands in the way of writing it into a file, "" if nothing does.
    """

    path: str
    type: str
    reason: str
    where: str
    missing: str


@dataclass(frozen=True)
class Bare:
    """A tensor of which nobody knows how it starts, why, and the user's file and line."""

    path: str
    reason: str
    where: str


@dataclass(frozen=True)
class Guard:
    """A condition under which a graph holds, and the user's file and line where it was decided."""

    holds: str
    where: str


@dataclass(frozen=True)
class Report:
    """What a graph covers of its model; printed, it is a text for people.

    Attributes:
        name: the model's class.
        inputs: what it is given.
        operations: how many nodes of each kind.
        opaque: the modules that no rule reaches into.
        guards: the conditions under which the graph holds.
        needs: packages beyond torch that the child file imports.
        started: how many tensors start as it was recorded, and not as torch's layers start.
        bare: parameters and buffers that start with the weights that a child is given, and why with nothing else.
    """

    name: str
    inputs: tuple[Input, ...]
    operations: dict[str, int]
    opaque: tuple[Whole, ...] = ()
    guards: tuple[Guard, ...] = ()
    needs: tuple[str, ...] = ()
    started: int = 0
    bare: tuple[Bare, ...] = ()

    @property
    def data(self) -> dict[str, Any]:
        """The same as JSON takes it."""
        found = asdict(self)
        inputs = [{"name": item.name, "dtype": item.dtype, "shape": list(item.shape)} for item in self.inputs]
        return {**found, "inputs": inputs, "needs": list(self.needs)}

    def __str__(self) -> str:
        operations = ", ".join(f"{count} {kind}{'s' if count != 1 else ''}" for kind, count in self.operations.items())
        lines = [f"{self.name}: {operations}; {len(self.opaque)} opaque modules; {len(self.guards)} guards"]
        for row in self.opaque:
            lines.append(f"  opaque: {row.path} ({row.type}): {row.reason}{f' ({row.where})' if row.where else ''}")
            lines += [f"    cannot be built anew: {row.missing}"] if row.missing else []
        lines += [f"  holds only where {row.holds}  ({row.where})" for row in self.guards]
        lines += [f"  its child needs beyond torch: {', '.join(self.needs)}"] if self.needs else []
        lines += [f"  initialization recorded of {self.started} tensors"] if self.started else []
        for start in self.bare:
            lines.append(f"  inherited, {start.path}: {start.reason}{f'  ({start.where})' if start.where else ''}")
        return "\n".join(lines)


def report(graph: Graph) -> Report:
    """What a graph covers of the model that it was traced from."""
    kinds = Counter(type(node.op).__name__.lower() for node in graph.nodes)
    guards = [node for node in graph.nodes if isinstance(node.op, Call) and node.op.target == GUARD]
    kinds["call"] -= len(guards)
    foreign = Foreign(graph, graph.name)
    return Report(
        graph.name,
        graph.inputs,
        {kind: count for kind, count in sorted(kinds.items()) if count},
        tuple(_whole(entry, foreign) for entry in graph.modules if entry.opaque is not None),
        tuple(Guard(printing.argument(node.args[0]), str(node.args[1])) for node in guards),
        tuple(foreign.needs),
        sum(is_recorded(steps) for entry in graph.modules for steps in entry.initial.values()),
        tuple(row for entry in graph.modules for row in _bare(entry)),
    )


def _whole(entry: Entry, foreign: Foreign) -> Whole:
    why = entry.opaque
    assert why is not None
    return Whole(entry.path, entry.type, why.reason, str(why.source or ""), foreign.missing(entry))


def _bare(entry: Entry) -> Iterator[Bare]:
    for name, steps in entry.initial.items():
        if not is_recorded(steps):
            reason, where = steps[0].args
            yield Bare(f"{entry.path}.{name}".strip("."), reason, where)
    bare = entry.kind == "parameter" or (entry.kind == "buffer" and entry.config.get("value") is None)
    if bare and not entry.same_as and not entry.initial:
        yield Bare(entry.path, "the model was built while nobody recorded", "")
