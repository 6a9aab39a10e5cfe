"""Under which decisions a child has a node: what `graphnas.ir.liveness` finds for one architecture, for all."""

from __future__ import annotations

import heapq

from graphnas.analysis.diagrams import Diagram, Diagrams
from graphnas.ir.graph import Graph
from graphnas.ir.liveness import Gate


def diagrams_of(graph: Graph) -> Diagrams:
    """Diagrams over the choices of a graph, which ask of what opens others before what is opened."""
    _, labels = graph.flow.reached({}, through_open=True)
    return Diagrams({label: graph.choices[label] for label in dict.fromkeys((*labels, *graph.choices))})


def conditions(graph: Graph, diagrams: Diagrams) -> list[Diagram]:
    """For each node, whether the child has it under an architecture that decides all choices.

    The children have no node for a choice of one option: its readers read the chosen arm.
    """
    needed = _needed(graph, diagrams)
    for step, gate in graph.flow.gates.items():
        needed[step] = diagrams.both(needed[step], _stays(gate, diagrams))
    return needed[: len(graph.nodes)]


def _needed(graph: Graph, diagrams: Diagrams) -> list[Diagram]:
    """For each node and module call, whether it is reached from the output: the least solution.

    Readers stand behind what they read, so going backwards most steps are settled when they are looked at; an effect
    that a module call holds up may stand behind some of its nodes, and what it needs is then looked at again.
    """
    flow = graph.flow
    found: list[Diagram] = [diagrams.false] * len(flow.needs)
    waiting: list[int] = []

    def join(step: int, condition: Diagram) -> None:
        joined = diagrams.either(found[step], condition)
        if joined is not found[step]:
            found[step] = joined
            heapq.heappush(waiting, -step)

    for root in flow.roots:
        join(root, diagrams.true)
    while waiting:
        step = -heapq.heappop(waiting)
        for need in flow.needs[step]:
            join(need, found[step])
        if step in flow.gates:
            gate = flow.gates[step]
            for position, arm in enumerate(gate.arms):
                taken = diagrams.both(found[step], _takes(gate, position, diagrams))
                for need in arm:
                    join(need, taken)
            held = diagrams.both(found[step], _stays(gate, diagrams))
            for need in gate.held:
                join(need, held)
    return found


def _takes(gate: Gate, position: int, diagrams: Diagrams) -> Diagram:
    return diagrams.of(gate.choice, lambda value: position in gate.choice.positions(value))


def _stays(gate: Gate, diagrams: Diagrams) -> Diagram:
    return diagrams.of(gate.choice, lambda value: len(gate.choice.positions(value)) > 1)
