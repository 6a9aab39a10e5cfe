"""The labels that a rule gives its decisions."""

from __future__ import annotations

import string
from collections.abc import Callable, Iterable

from graphnas.errors import GraphError
from graphnas.ir.choice import Choice
from graphnas.ir.graph import Graph
from graphnas.mutations.sites import Site, stands_for


def placeholders(label: str) -> tuple[str, ...]:
    """The placeholders of a label such as `{node}.kernel`."""
    return tuple(name for _, name, _, _ in string.Formatter().parse(label) if name is not None)


def check_label(label: str, known: tuple[str, ...]) -> None:
    """Make sure that a label has no placeholder but the known ones.

    Raises:
        ValueError: it has, or it is empty.
    """
    try:
        is_known = set(placeholders(label)) <= set(known)
    except ValueError:  # a brace without its partner
        is_known = False
    if not is_known or not label:
        raise ValueError(
            f"a label may hold the placeholders {', '.join(f'{{{name}}}' for name in known)}, but is {label!r}"
        )


def check_decisions(graph: Graph, taken: Iterable[Site], choose: Callable[[Site], Choice]) -> None:
    """Make sure that a label means one decision, and is new to the sites that it decides.

    Args:
        graph: has the labels of earlier rules.
        taken: the sites of a rule.
        choose: the choice that the rule gives a site.

    Raises:
        GraphError: two places with one label differ in their options, or a site is decided by the label already.
    """
    first = {label: (_place(graph, choice), choice) for label, choice in graph.choices.items()}
    for site in taken:
        choice = choose(site)
        place, known = first.setdefault(choice.label, (site.where, choice))
        if known != choice:
            raise GraphError(
                f"label {choice.label!r} is shared by {place} with the options {known.options!r} and {site.where} with "
                f"{choice.options!r}; give the rule another label, put {{node}} into it, or take by where only sites "
                "of one own value"
            )
        if any(choice in node.choices and stands_for(node, site) for node in graph.nodes):
            raise GraphError(
                f"label {choice.label!r} decides at {site.where} already, with the same options; apply the rule once, "
                "or give it another label"
            )


def _place(graph: Graph, choice: Choice) -> str:
    return next((node.where for node in graph.nodes if choice in node.choices), "a constraint")
