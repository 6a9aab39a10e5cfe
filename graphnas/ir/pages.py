"""A graph as HTML: the picture, its choices and constraints, and its text; for notebooks, and as a page of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphnas.errors import GraphError
from graphnas.ir import counting, drawing, printing, tables
from graphnas.ir.choice import Arch
from graphnas.ir.markup import Markup, element, joined, plain

if TYPE_CHECKING:
    from graphnas.ir.graph import Graph

# What a display waits for: so many choices, and so many nodes looked at while they are counted.
COUNTED, LOOKS = 60, 3_000_000
IN_NOTEBOOK = "overflow:auto;max-height:640px"
ON_PAGE = "overflow-x:auto"
STYLE = (
    ":root{color-scheme:light dark}body{font:14px/1.5 system-ui,sans-serif;margin:2em}"
    "table{border-collapse:collapse}td,th{padding:.2em 1.2em .2em 0;border-bottom:1px solid #8884}"
    "pre{font-size:12px;line-height:1.35;overflow-x:auto}summary{cursor:pointer}"
)
POLICY = "default-src 'none'; style-src 'unsafe-inline'"
LEGEND = "In bold: the option of the original network."
DECIDED = " Filled: what the architecture takes; what it leaves without use is pale."


def fragment(graph: Graph) -> Markup:
    """What notebooks show of a graph."""
    return element("div", *_parts(graph, None, IN_NOTEBOOK))


def page(graph: Graph, arch: Arch | None = None) -> str:
    """A page that shows a graph: one file that loads nothing and runs nothing, and is the same for the same graph.

    Args:
        graph: closed or open.
        arch: decisions to be marked in the picture and in the table of choices.
    """
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=POLICY),
        element("title", plain(graph.name)),
        element("style", plain(STYLE)),
    )
    body = element("body", *_parts(graph, arch, ON_PAGE))
    return f"<!DOCTYPE html>\n{element('html', head, body, lang='en')}\n"


def _parts(graph: Graph, arch: Arch | None, style: str) -> list[Markup]:
    summary = element("p", element("b", plain(graph.name)), plain(f": {_amounts(graph)}"))
    parts = [summary, element("div", drawing.svg(graph, arch), style=style)]
    if graph.choices:
        parts.append(element("p", plain(LEGEND if arch is None else LEGEND + DECIDED)))
        parts.append(tables.choices(graph.choices.values(), arch))
    if graph.constraints:
        rows = (element("li", element("code", plain(printing.expression(item)))) for item in graph.constraints)
        parts += [element("p", plain("constraints")), element("ul", *rows)]
    text = element("pre", plain(printing.text(graph)))
    return [joined(*parts, element("details", element("summary", plain("text")), text))]


def _amounts(graph: Graph) -> str:
    amounts = [f"{len(graph.nodes)} steps"]
    if graph.choices:
        amounts += [f"{len(graph.choices)} choices", _size(graph)]
    return ", ".join(amounts)


def _size(graph: Graph) -> str:
    """How many architectures there are, where that is soon counted; `size()` says what is in the way."""
    try:
        counted = counting.count(graph, LOOKS // len(graph.nodes)) if len(graph.choices) <= COUNTED else None
    except GraphError:
        counted = None
    return "architectures not counted here" if counted is None else f"{counted:,} architectures"
