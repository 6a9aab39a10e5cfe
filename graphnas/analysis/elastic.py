"""Which values have a shape that depends on what an architecture decides."""

from __future__ import annotations

from graphnas.analysis.shapes import shapes
from graphnas.errors import GraphError
from graphnas.ir.choice import Choice
from graphnas.ir.frozen import remembered
from graphnas.ir.graph import Graph
from graphnas.ir.node import Choose


def bending_choices(graph: Graph) -> tuple[Choice, ...]:
    """The choices that may change a shape: those in configurations and arguments, and among arms of unequal shapes."""
    found = shapes(graph)
    choices: dict[Choice, None] = {}
    for node in graph.nodes:
        arms = {found[ref.name] for ref in node.refs} if isinstance(node.op, Choose) else set()
        if not isinstance(node.op, Choose) or len(arms) > 1 or node.op.merge == "concat":
            choices.update(dict.fromkeys(node.choices))
    return tuple(choices)


@remembered
def elastic(graph: Graph) -> frozenset[str]:
    """The names of the nodes whose shape is not the same under every option of every single decision.

    Raises:
        GraphError: the graph does not run at its default.
    """
    choices = bending_choices(graph)
    own = shapes(graph)
    longest = max((len(choice.domain) for choice in choices), default=0)
    # Where changing all decisions at once changes no shape, each of them alone changes none.
    if all(
        _changed(graph, {c.label: c.domain[min(position, len(c.domain) - 1)] for c in choices}) == frozenset()
        for position in range(1, longest)
    ):
        return frozenset()
    found: frozenset[str] = frozenset()
    for choice in choices:
        for option in choice.domain[1:]:
            changed = _changed(graph, {choice.label: option})
            found |= frozenset(own) if changed is None else changed
    return found


def _changed(graph: Graph, arch: dict[str, object]) -> frozenset[str] | None:
    """The nodes whose shape differs from the default's; None where the network does not run."""
    own = shapes(graph)
    try:
        found = shapes(graph, arch)
    except GraphError:
        return None
    return frozenset(name for name, shape in found.items() if shape != own[name])
