"""Rules in sequence: each result is verified, and an error says which rule it came from."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from graphnas.errors import GraphError, GraphNASError
from graphnas.ir.graph import Graph
from graphnas.ir.verify import foreign, verify

# A rule: one of this room's, or anything else that maps a graph to a graph.
Rule: TypeAlias = Callable[[Graph], Graph]


def mutate(graph: Graph, *rules: Rule) -> Graph:
    """The space that the rules make of a graph, applied in order.

    Args:
        graph: a network, or a space to be enlarged.
        rules: each sees what those before it have added.

    Raises:
        TypeError: `graph` is none, or a rule cannot be called.
        GraphError: the graph is not valid, a rule matches nothing or cannot be applied, or its result is not valid;
            the message names the rule.
    """
    if not isinstance(graph, Graph):
        raise TypeError(f"rules are applied to a graph, as gn.trace gives it, but this is {graph!r:.100}")
    for rule in rules:
        if not callable(rule):
            remedy = "; give the rules one by one, gn.mutate(graph, *rules)" if isinstance(rule, list | tuple) else ""
            raise TypeError(f"a rule maps a graph to a graph, but this is {rule!r:.100}{remedy}")
    verify(graph, allow=foreign(graph))
    for rule in rules:
        try:
            graph = rule(graph)
            if not isinstance(graph, Graph):
                raise GraphError(f"the rule gives {graph!r:.100}; it must give a graph")
            # A rule is code that the caller wrote: what it names, the caller allows.
            verify(graph, allow=foreign(graph))
        except GraphNASError as error:
            raise type(error)(f"{error}\n  in the rule {rule!r}") from error
    return graph
