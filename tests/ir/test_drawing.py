"""The picture of a graph: a golden file, what is folded, and names of strangers."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphnas.ir.choice import Choice
from graphnas.ir.drawing import svg
from graphnas.ir.frozen import FrozenDict
from graphnas.ir.graph import Graph
from graphnas.ir.node import Call, Choose, Frame, Input, Layer, Node, Param, Ref
from graphnas.ir.outline import BUDGET, UNDRAWN, Group, folded, outline
from graphnas.ir.pages import page
from graphnas.ir.printing import statement
from graphnas.ir.sampling import sample
from graphnas.ir.source import Source
from graphnas.ir.specialize import specialize
from graphnas.ir.tiles import PALE
from tests.ir.graphs import ACT, space
from tests.laws.spaces import spaces

Golden = Callable[[str | Path, str], None]
SVG = "{http://www.w3.org/2000/svg}"
LINEAR = FrozenDict({"in_features": 4, "out_features": 4, "bias": True})


def texts(picture: str) -> list[str]:
    """The lines of text in a picture; what shows where the mouse rests is none of them."""
    return ["".join(line.itertext()) for line in ElementTree.fromstring(picture).iter(f"{SVG}text")]


def linear(name: str, *reads: str, scope: tuple[Frame, ...] = ()) -> Node:
    """A layer."""
    return Node(name, Layer(name, "torch.nn.Linear", LINEAR), tuple(map(Ref, reads)), scope=scope)


def block(path: str, before: str, steps: int = 6) -> list[Node]:
    """The nodes of a module call: a chain, and a sum with what came in."""
    scope = (Frame(path, "Block"),)
    names = [before, *(f"{path}.{step}" for step in range(steps))]
    chain = [linear(name, read, scope=scope) for read, name in itertools.pairwise(names)]
    return [*chain, Node(f"{path}.add", Call("torch.add"), (Ref(names[-1]), Ref(before)), scope=scope)]


def network(*nodes: Node) -> Graph:
    """A graph of these nodes; the last one is the output."""
    return Graph((Input("x", ("x",), (2, 4)),), nodes, Ref(nodes[-1].name))


def tower(blocks: int) -> Graph:
    """Equal blocks one after the other."""
    nodes: list[Node] = []
    for number in range(blocks):
        nodes += block(f"blocks.{number}", nodes[-1].name if nodes else "x")
    return network(*nodes)


# ---------------------------------------------------------------- the picture
def test_picture_of_a_space(golden: Golden) -> None:
    golden("graphs/space.svg", svg(space()) + "\n")


def test_picture_of_an_architecture(golden: Golden) -> None:
    golden("graphs/space_decided.svg", svg(space(), {"width": 16, "block.act": "gelu"}) + "\n")


def test_picture_has_every_step_but_guards() -> None:
    words = "\n".join(texts(svg(space())))
    for shown in (
        "x: float32[2, 3, 8, 8]",
        "conv Conv2d 3→<width>, kernel 3",
        "weight (10, <width>)",
        "2.0 * ·",
        "output",
    ):
        assert shown in words
    assert "guard" not in words


def test_choice_shows_its_options_and_marks_the_original() -> None:
    root = ElementTree.fromstring(svg(space()))
    bold = {part.text for part in root.iter(f"{SVG}tspan")}
    assert {"relu", "gelu", "<block.act> one of"} <= set(texts(svg(space())))
    assert "relu" in bold
    assert "gelu" not in bold


def test_decisions_are_filled_and_the_rest_is_pale() -> None:
    def filled(picture: str) -> list[str]:
        groups = ElementTree.fromstring(picture).iter(f"{SVG}g")
        found = [
            group
            for group in groups
            if (edge := group.find(f"{SVG}rect")) is not None and edge.get("fill-opacity") == "0.5"
        ]
        return ["".join(group.itertext()) for group in found]

    assert not filled(svg(space()))
    decided = svg(space(), {"block.act": "gelu"})
    assert filled(decided) == ["gelu"]
    pale = [group for group in ElementTree.fromstring(decided).iter(f"{SVG}g") if group.get("opacity") == str(PALE)]
    assert any("act ReLU" in "".join(group.itertext()) for group in pale)
    assert not any("act_gelu" in "".join(group.itertext()) for group in pale)


def test_graph_has_the_same_page_in_every_process() -> None:
    code = "from graphnas.ir.pages import page; from tests.ir.graphs import space; print(page(space()), end='')"
    for seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONIOENCODING": "utf-8", "PYTHONPATH": os.getcwd()}
        shown = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, env=environment)
        assert shown.stdout.decode() == page(space())


@given(spaces(), st.integers(0, 99))
def test_every_step_of_any_space_is_drawn(graph: Graph, seed: int) -> None:
    picture = ElementTree.fromstring(svg(graph, sample(graph, seed)))
    told = [tip.text.splitlines()[0] for tip in picture.iter(f"{SVG}title") if tip.text]
    steps = [node for node in graph.nodes if not isinstance(node.op, Call) or node.op.target not in UNDRAWN]
    assert not folded(outline(graph))
    for node in steps:
        assert told.count(statement(node)) == 1


# ---------------------------------------------------------------- groups
def test_choice_is_grouped_with_what_only_one_arm_needs() -> None:
    choice = Node("out", Choose(Choice("pick", ("first", "second"))), (Ref("b"), Ref("c")))
    graph = network(linear("a", "x"), linear("b", "a"), linear("c", "a"), choice)
    first, group = outline(graph).items
    assert isinstance(group, Group)
    assert isinstance(first, Node)
    assert first.name == "a"
    assert [node.name for node in group.nodes] == ["b", "c", "out"]
    assert group.chooser == choice


def test_arm_that_others_read_is_not_grouped() -> None:
    choice = Node("pick", Choose(ACT), (Ref("a"), Ref("b")))
    last = Node("out", Call("torch.add"), (Ref("pick"), Ref("a")))
    items = outline(network(linear("a", "x"), linear("b", "x"), choice, last)).items
    assert [isinstance(item, Group) for item in items] == [False, True, False]


def test_graph_that_fits_is_drawn_whole() -> None:
    assert not folded(outline(tower(10)))


def test_repeated_modules_are_drawn_once() -> None:
    root = outline(tower(40))
    closed = folded(root)
    assert len(closed) == 39
    assert set(closed.values()) == {root.items[0]}
    assert "blocks.1 … blocks.39 Block" in texts(svg(tower(40)))
    assert "39 modules, 273 steps, built like blocks.0" in texts(svg(tower(40)))


def test_folded_choice_still_shows_its_options() -> None:
    nodes: list[Node] = []
    for number in range(30):
        before = nodes[-1].name if nodes else "x"
        arms = [linear(f"{number}.{arm}", before) for arm in "abc"]
        choice = Choice(f"pick.{number}", ("one", "two", "three"))
        nodes += [*arms, Node(f"{number}.out", Choose(choice), tuple(Ref(arm.name) for arm in arms))]
    shown = texts(svg(network(*nodes)))
    assert shown.count("two") == 30
    assert sum(" Linear " in line for line in shown) == 3


@pytest.mark.parametrize("build", [lambda: tower(72), lambda: network(*block("b", "x", 500)), lambda: dense(500)])
def test_large_graph_is_drawn_soon_and_fits(build: Callable[[], Graph]) -> None:
    graph = build()
    assert len(graph.nodes) >= 500
    start = time.process_time()
    shown = texts(svg(graph))
    assert time.process_time() - start < 2
    assert len(shown) <= 2 * BUDGET


def dense(steps: int) -> Graph:
    """Steps of no module, each of which reads all before it."""
    names = ["x", *map(str, range(steps))]
    return network(
        *(Node(name, Call("torch.cat"), tuple(map(Ref, names[:place]))) for place, name in enumerate(names) if place)
    )


def test_steps_in_the_middle_of_many_are_counted() -> None:
    assert f"{500 - 2 * (BUDGET // 2)} steps" in texts(svg(dense(500)))


# ---------------------------------------------------------------- names of strangers
HOSTILE = (
    "<script>alert(1)</script>",
    "\"' onload='alert(1)' x=\"",
    "]]><!--",
    "</title></text></svg></pre><img src=x onerror=alert(1)>",
    "&lt;&#x3C;&unknown;",
    "javascript:alert(1)",
    "a\x00b\x1b[31m\ud800\u202e\ufffe",
    "{0}%s\\",
)
TAGS = {"svg", "g", "rect", "path", "text", "tspan", "title"}
PAGE_TAGS = {"html", "head", "meta", "style", "body", "p", "b", "div", "table", "thead", "tbody", "tr", "th", "td"}
PAGE_TAGS |= {"ul", "li", "code", "details", "summary", "pre"}


def hostile(name: str) -> Graph:
    """A graph in which everything that can be named is named so; no verified graph is."""
    choice = Choice(name, (name, name + "2", (name, 1)))
    scope = (Frame(name, name),)
    nodes = (
        Node("a" + name, Layer(name, name, FrozenDict({name: choice, "p": name})), (Ref(name),), scope=scope),
        Node("b" + name, Call(name), (Ref("a" + name), name), FrozenDict({name: name}), source=Source(name, 1)),
        Node("c" + name, Param(name, (2,))),
        Node(
            name + "d",
            Choose(choice, name),
            (Ref("a" + name), Ref("b" + name), Ref("c" + name)),
            source=Source(name, 2),
        ),
    )
    return Graph((Input(name, (name,), (2,), name),), nodes, Ref(name + "d"), (choice.equals(name),), name=name)


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("arch", [None, {}])
def test_names_stay_names(name: str, arch: dict[str, Any] | None) -> None:
    graph = hostile(name)
    written = page(graph, arch)
    root = ElementTree.fromstring(written)
    found = {item.tag.removeprefix(SVG) for item in root.iter()}
    assert found <= TAGS | PAGE_TAGS
    for item in root.iter():
        assert not any(key.lower().startswith("on") or "href" in key or key == "src" for key in item.attrib)
    written.encode()  # no half of a surrogate pair
    printed = "".join(sign if sign.isprintable() else "\ufffd" for sign in name)
    assert printed in {"".join(cell.itertext()) for cell in root.iter("td")}
    assert any(printed in "".join(item.itertext()) for item in root.iter("pre"))


def test_nothing_is_loaded_and_nothing_runs() -> None:
    written = page(space()).lower()
    for word in ("<script", "href", "url(", "@import", " src=", "<image", "<use", "foreignobject"):
        assert word not in written
    assert written.count("http") == written.count('xmlns="http://www.w3.org/2000/svg"') + written.count("http-equiv")


def test_picture_of_a_child_has_no_choice() -> None:
    child = specialize(space(), {"width": 16, "block.act": "gelu"})
    assert not [line for line in texts(svg(child)) if " one of" in line]
    assert svg(replace(child)) == svg(child)
