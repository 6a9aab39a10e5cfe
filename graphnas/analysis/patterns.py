"""Where a subgraph occurs in a graph."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import networkx
from networkx.algorithms.isomorphism import DiGraphMatcher

from graphnas.analysis.operations import operands
from graphnas.ir.graph import Graph
from graphnas.ir.node import Arg, Call, Layer, Node, Ref


@dataclass(frozen=True, slots=True)
class Given:
    """One of the values that a subgraph is given, by its position."""

    position: int


@dataclass(frozen=True, slots=True)
class Made:
    """What a step of a subgraph gives, or a part of it."""

    step: int
    item: tuple[int, ...] = ()


# What a step computes with: a value, or a number that must be just that.
Operand: TypeAlias = "Given | Made | int | float"


@dataclass(frozen=True, slots=True)
class Step:
    """One operation of a subgraph.

    Attributes:
        accepts: whether a node is such an operation.
        operands: what it computes with, as `analysis.operations.operands` lists it.
        commutes: whether its two operands may change places.
    """

    accepts: Callable[[Node], bool]
    operands: tuple[Operand, ...]
    commutes: bool = False


@dataclass(frozen=True, slots=True)
class Match:
    """One occurrence: the node of every step, and the value that each given one is."""

    nodes: tuple[str, ...]
    inputs: tuple[Ref, ...]


@dataclass(frozen=True, slots=True)
class _Part:
    """An occurrence of some of the steps: step → position of the node, and given value → what it is."""

    steps: Mapping[int, int]
    inputs: Mapping[int, Ref]


def occurrences(graph: Graph, steps: tuple[Step, ...]) -> tuple[Match, ...]:
    """Every place where nodes do what the steps say, in graph order; no two are of the same nodes.

    Where the steps can be dealt out among the same nodes in several ways, the one that keeps their order is meant.

    Args:
        graph: where to look.
        steps: in topological order, and connected (`are_connected`).
    """
    host = _Host(graph)
    found = [_Part({}, {})]
    for group in _groups(steps):
        parts = list(_parts(host, steps, group))
        found = [joined for part in found for joined in _joined(part, parts)]
    best: dict[frozenset[int], tuple[tuple[int, ...], _Part]] = {}
    for part in found:
        key = tuple(part.steps[number] for number in range(len(steps)))
        known = best.setdefault(frozenset(key), (key, part))
        if key < known[0]:
            best[frozenset(key)] = (key, part)
    return tuple(
        Match(tuple(host.nodes[place].name for place in key), tuple(ref for _, ref in sorted(part.inputs.items())))
        for key, part in sorted(best.values(), key=lambda item: sorted(item[0]))
    )


def are_connected(steps: tuple[Step, ...]) -> bool:
    """Whether all steps hang together, by what they read of each other or by what they are given."""
    drawn = _drawn(steps, range(len(steps)))
    drawn.add_edges_from((operand, number) for number, step in enumerate(steps) for operand in _given(step))
    return bool(networkx.is_weakly_connected(drawn))


def _groups(steps: tuple[Step, ...]) -> Iterator[list[int]]:
    """The steps that are connected by what they read of each other; a group shares given values with those before."""
    waiting = sorted(sorted(group) for group in networkx.weakly_connected_components(_drawn(steps, range(len(steps)))))
    known: set[Given] = set()
    while waiting:
        given = [set().union(*(_given(steps[number]) for number in group)) for group in waiting]
        following = next((place for place, values in enumerate(given) if values & known), 0)
        known |= given[following]
        yield waiting.pop(following)


def _given(step: Step) -> set[Given]:
    return {operand for operand in step.operands if isinstance(operand, Given)}


def _drawn(steps: tuple[Step, ...], numbers: Any) -> networkx.DiGraph:
    drawn = networkx.DiGraph()
    drawn.add_nodes_from((number, {"step": number}) for number in numbers)
    edges = ((operand.step, number) for number in numbers for operand in steps[number].operands if _is_made(operand))
    drawn.add_edges_from(edges)
    return drawn


def _is_made(operand: Operand) -> bool:
    return isinstance(operand, Made)


class _Host:
    """A graph's layers and calls by position, and what each computes with."""

    def __init__(self, graph: Graph) -> None:
        self.nodes = graph.nodes
        self.operands = {
            place: operands(graph, node) for place, node in enumerate(graph.nodes) if isinstance(node.op, Layer | Call)
        }
        self.places = {node.name: place for place, node in enumerate(graph.nodes)}


def _parts(host: _Host, steps: tuple[Step, ...], group: list[int]) -> Iterator[_Part]:
    """The occurrences of connected steps."""
    fitting: dict[int, set[int]] = {}
    for number in group:
        for place, values in host.operands.items():
            if len(values) == len(steps[number].operands) and steps[number].accepts(host.nodes[place]):
                fitting.setdefault(place, set()).add(number)
    drawn = networkx.DiGraph()
    drawn.add_nodes_from((place, {"steps": numbers}) for place, numbers in sorted(fitting.items()))
    drawn.add_edges_from(
        (host.places[value.name], place)
        for place in fitting
        for value in host.operands[place]
        if isinstance(value, Ref) and host.places.get(value.name) in fitting
    )
    matcher = DiGraphMatcher(drawn, _drawn(steps, group), node_match=lambda place, step: step["step"] in place["steps"])
    found = ({step: place for place, step in mapping.items()} for mapping in matcher.subgraph_monomorphisms_iter())
    for dealt in sorted(found, key=lambda dealt: [dealt[number] for number in group]):
        yield from (_Part(dealt, inputs) for inputs in _inputs(host, steps, group, dealt, {}))


def _inputs(
    host: _Host, steps: tuple[Step, ...], group: list[int], dealt: Mapping[int, int], known: dict[int, Ref]
) -> Iterator[dict[int, Ref]]:
    """What the given values are, in every way that agrees with what the steps read; as they are written first."""
    if not group:
        yield known
        return
    step = steps[group[0]]
    values = host.operands[dealt[group[0]]]
    for order in dict.fromkeys((values, values[::-1]) if step.commutes else (values,)):
        inputs = dict(known)
        if all(
            _agrees(host, dealt, inputs, operand, value) for operand, value in zip(step.operands, order, strict=True)
        ):
            yield from _inputs(host, steps, group[1:], dealt, inputs)


def _agrees(host: _Host, dealt: Mapping[int, int], inputs: dict[int, Ref], operand: Operand, value: Arg) -> bool:
    """Whether a step may read a value where it has an operand; a given value is known from then on."""
    match operand:
        case Given(position):
            return isinstance(value, Ref) and inputs.setdefault(position, value) == value
        case Made(step, item):
            return bool(value == Ref(host.nodes[dealt[step]].name, item))
    return isinstance(value, int | float) and value == operand


def _joined(part: _Part, others: list[_Part]) -> Iterator[_Part]:
    """The occurrence together with each of other steps that is given the same values."""
    for other in others:
        agree = all(part.inputs.get(position, ref) == ref for position, ref in other.inputs.items())
        if agree and set(part.steps.values()).isdisjoint(other.steps.values()):
            yield _Part({**part.steps, **other.steps}, {**part.inputs, **other.inputs})
