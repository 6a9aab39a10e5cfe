"""Arithmetic over options: under each architecture an expression has a value, and one that a graph may hold."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from graphnas.errors import GraphError
from graphnas.ir.choice import Apply, Arch, choices_in
from graphnas.ir.closing import close
from graphnas.ir.counting import holds
from graphnas.ir.frozen import FrozenDict
from graphnas.ir.node import Arg, Layer, List, Node, Param, Slice
from graphnas.ir.values import check_value

if TYPE_CHECKING:
    from graphnas.ir.graph import Graph

LIMIT = 256  # ways to decide the choices of one expression; where there are more, its parts are looked at


def check_arithmetic(graph: Graph) -> None:
    """Checks that no option leaves an expression without a value, as a 0 in `8 // groups` does.

    An expression that constraints or dead arms keep from such an option passes.

    Raises:
        GraphError: there is one; the message names the node, the labels and their options.
    """
    for constraint in graph.constraints:
        for expr in _small(constraint):
            for arch in _ways(expr):
                holds(graph, arch)
    known = {item.name for item in graph.inputs} | set(graph.by_name)
    for position, node in enumerate(graph.nodes):
        if node.choices:
            for expr in _small(_values(node)):
                for arch in _ways(expr):
                    try:
                        check_value(close(expr, arch), known, node.where)
                    except GraphError as error:
                        if holds(graph, arch) and graph.flow.live(arch)[position]:
                            raise at_node(error, node, arch) from error


def at_node(error: GraphError, node: Node, arch: Arch) -> GraphError:
    """The error with the node and its decisions that it comes from."""
    decided = {choice.label: arch[choice.label] for choice in node.choices if choice.label in arch}
    return GraphError(
        f"{error}\n  at {node.where} under {decided}. Leave out the option, or forbid it by a constraint."
    )


def _values(node: Node) -> Arg:
    match node.op:
        case Layer(config=config):
            return (config, node.args, node.kwargs)
        case Param(shape=shape):
            return (shape, node.args, node.kwargs)
    return (node.args, node.kwargs)


def _small(tree: Arg) -> Iterator[Apply]:
    """The largest expressions of choices in a tree that can be decided in few ways."""
    match tree:
        case Apply(args=args):
            choices = dict.fromkeys(choices_in(tree))
            if choices and math.prod(len(choice.domain) for choice in choices) <= LIMIT:
                yield tree
            elif choices:
                yield from _small(args)
        case tuple():
            for item in tree:
                yield from _small(item)
        case FrozenDict():
            yield from _small(tuple(tree.values()))
        case List(items=items):
            yield from _small(items)
        case Slice(start=start, stop=stop, step=step):
            yield from _small((start, stop, step))


def _ways(expr: Apply) -> Iterator[Arch]:
    choices = tuple(dict.fromkeys(choices_in(expr)))
    for values in itertools.product(*(choice.domain for choice in choices)):
        yield {choice.label: value for choice, value in zip(choices, values, strict=True)}
