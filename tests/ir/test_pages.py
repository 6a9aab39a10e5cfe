"""What notebooks show of graphs and choices."""

from __future__ import annotations

from dataclasses import replace
from xml.etree import ElementTree

from graphnas.ir.choice import Choice
from graphnas.ir.graph import Graph
from graphnas.ir.node import Node
from graphnas.ir.pages import COUNTED, page
from graphnas.ir.printing import expression
from graphnas.ir.specialize import specialize
from tests.ir.graphs import ACT, WIDTH, space


def cells(html: str) -> list[list[str]]:
    """The rows of the table of choices."""
    rows = ElementTree.fromstring(html).iter("tr")
    return [["".join(cell.itertext()) for cell in row] for row in rows]


def words(html: str) -> str:
    """All text of a page."""
    return "\n".join(ElementTree.fromstring(html).itertext())


def test_notebook_is_given_the_text_and_the_picture() -> None:
    bundle = space()._repr_mimebundle_(include=None, exclude=None)
    assert bundle["text/plain"] == str(space())
    assert bundle["text/html"] == space()._repr_html_()
    (text,) = ElementTree.fromstring(bundle["text/html"]).iter("pre")
    assert text.text == str(space())
    assert "<svg" in bundle["text/html"]


def test_choice_is_a_small_table() -> None:
    head = ["label", "options", "default", "take"]
    assert cells(ACT._repr_html_()) == [head, ["block.act", "'relu', 'gelu'", "'relu'", "one"]]
    assert cells(Choice("pick", ("a", 1), take=None)._repr_html_())[1] == ["pick", "'a', 1", "('a',)", "any"]
    assert cells(Choice("pick", (1, 2, 3), take=2)._repr_html_())[1] == ["pick", "1, 2, 3", "(1, 2)", "2"]


def test_page_lists_choices_constraints_and_how_many() -> None:
    written = page(space())
    assert [row[0] for row in cells(written)] == ["label", "width", "block.act"]
    assert f"13 steps, 2 choices, {space().size()} architectures" in words(written)
    constraints = [item.text for item in ElementTree.fromstring(written).iter("code")]
    assert constraints == list(map(expression, space().constraints))


def test_page_marks_what_is_chosen() -> None:
    rows = cells(page(space(), {"width": 32}))
    assert [row[-1] for row in rows] == ["chosen", "32", "–"]


def test_page_of_a_network_has_no_table() -> None:
    written = page(specialize(space(), {"width": 16, "block.act": "relu"}))
    assert not cells(written)
    assert "architectures" not in words(written)


def test_display_does_not_wait_for_a_long_count() -> None:
    many = tuple(Choice(f"c{number}", (1, 2)) for number in range(COUNTED + 1))
    assert "architectures not counted here" in words(_constrained(*(choice.equals(1) for choice in many)))
    assert "architectures not counted here" in words(_constrained(WIDTH // 0 <= 1))


def _constrained(*constraints: object) -> str:
    graph: Graph = space()
    nodes: tuple[Node, ...] = graph.nodes
    return page(replace(graph, nodes=nodes, constraints=constraints))
