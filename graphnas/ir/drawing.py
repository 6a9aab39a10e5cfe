"""The picture of a graph: an SVG of module calls as boxes, steps, choices with their options, and what flows between.

It has the color of the text around it, so that it suits light pages and dark ones; it runs nothing and loads nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from graphnas.ir import captions, printing, tiles
from graphnas.ir.arrangement import Tile, arrange
from graphnas.ir.captions import clipped, relative
from graphnas.ir.choice import Arch
from graphnas.ir.markup import Markup, element
from graphnas.ir.node import Choose, Input, Layer, Node, Param, refs_in
from graphnas.ir.outline import Group, Item, entering, folded, nodes_of, outline, readers_in, reads, runs

if TYPE_CHECKING:
    from graphnas.ir.graph import Graph

FONT = "ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace"
MARGIN = 10


def svg(graph: Graph, arch: Arch | None = None) -> Markup:
    """The picture of a graph, byte for byte the same for the same graph.

    Of a large graph some module calls and choices stay folded, first of all those that repeat what is drawn. Guards,
    and what switches autocast and gradients, are no part of it.

    Args:
        graph: closed or open.
        arch: decisions to be marked; steps that they leave without use are pale.
    """
    drawing = _Drawing(graph, {} if arch is None else arch)
    width, height, picture = drawing.whole()
    width, height = math.ceil(width) + 2 * MARGIN, math.ceil(height) + 2 * MARGIN
    return element(
        "svg", tiles.moved(MARGIN, MARGIN, picture), xmlns="http://www.w3.org/2000/svg", width=width, height=height,
        viewBox=f"0 0 {width} {height}", style="max-width:none", font_family=FONT, font_size=11, fill="currentColor",
    )  # fmt: skip


class _Drawing:
    def __init__(self, graph: Graph, arch: Arch) -> None:
        self._graph, self._arch = graph, arch
        self._outline = outline(graph)
        self._folded = folded(self._outline)
        self._readers = readers_in(graph)
        self._line: dict[str, str] = {}  # what folded groups give is drawn as one line, that of the first value
        live = graph.flow.live(arch) if arch else bytes([1] * len(graph.nodes))
        self._idle = {node.name for node, runs in zip(graph.nodes, live, strict=False) if not runs}

    def whole(self) -> tuple[float, float, Markup]:
        """Inputs, all items and the output: width, height and picture."""
        drawn = [*map(_input, self._graph.inputs), *self._tiles(self._outline.items, "")]
        read = self._lines(ref.name for ref in self._graph.reads)
        about = f"return {printing.argument(self._graph.output)}"
        drawn.append(tiles.card([[("output", True)]], read, (), about, rounded=9))
        arranged = arrange(drawn, (), ())
        return arranged.width, arranged.height, tiles.placed(arranged, drawn)

    def _tiles(self, items: Iterable[Item], prefix: str) -> list[Tile]:
        return [self._tile(run, prefix) for run in runs(items, self._folded)]

    def _tile(self, run: tuple[Item, ...], prefix: str) -> Tile:
        match run:
            case (Node() as node,):
                tile = self._step(node, prefix)
            case (Group(chooser=Node(op=Choose() as op) as node) as group,) if group in self._folded:
                tile = self._chooser(node, op, entering(group))
            case (Group() as group,) if group not in self._folded:
                return self._box(group, prefix)
            case _:
                tile = self._closed(run, prefix)
        if all(node.name in self._idle for item in run for node in nodes_of(item)):
            return replace(tile, picture=element("g", tile.picture, opacity=tiles.PALE))
        return tile

    def _leaving(self, run: Iterable[Item]) -> list[str]:
        inside = {node.name: None for item in run for node in nodes_of(item)}
        return self._lines(name for name in inside if not self._readers.get(name, set()) <= inside.keys())

    def _lines(self, values: Iterable[str]) -> list[str]:
        return [*dict.fromkeys(self._line.get(value, value) for value in values)]

    def _box(self, group: Group, prefix: str) -> Tile:
        inner = printing.called(group.frame) if group.frame else prefix
        drawn = self._tiles(group.items, inner)
        arranged = arrange(drawn, self._lines(entering(group)), self._leaving((group,)))
        if group.frame is None:
            return tiles.box(arranged, drawn)
        name, kind = clipped(relative(inner, prefix)), clipped(printing.short(group.frame.type))
        return tiles.box(arranged, drawn, [(name, True), (f" {kind}", False)], f"{inner}: {group.frame.type}")

    def _closed(self, run: Sequence[Item], prefix: str) -> Tile:
        """Folded groups: how they are called, how much is in them, and which one shows it."""
        groups = [item for item in run if isinstance(item, Group)]
        nodes = [node for group in groups for node in group.nodes]
        names = [printing.called(group.frame) for group in groups if group.frame]
        ends = dict.fromkeys(clipped(relative(name, prefix)) for name in (names[0], names[-1])) if names else ("…",)
        kind = clipped(printing.short(groups[0].frame.type)) if groups[0].frame else ""
        first = self._folded[groups[0]]
        count = len({choice.label for node in nodes for choice in node.choices})
        remarks = [f"{len(groups)} modules"] if len(groups) > 1 else []
        remarks += [f"{len(nodes)} steps"]
        remarks += [f"{count} choices" if count > 1 else "1 choice"] if count else []
        remarks += [f"built like {clipped(printing.called(first.frame))}"] if first and first.frame else []
        title = [(" … ".join(ends), True), (f" {kind}", False)]
        inside = {node.name for node in nodes}
        outer = self._lines(name for group in groups for name in entering(group) if name not in inside)
        gives = self._leaving(run)
        self._line |= dict.fromkeys(gives, gives[0]) if gives else {}
        return tiles.card(
            [title, [(", ".join(remarks), False)]], outer, gives[:1], "\n".join(names), chosen=bool(count)
        )

    def _step(self, node: Node, prefix: str) -> Tile:
        name, about, chosen = clipped(relative(node.name, prefix)), captions.whole(node), bool(node.choices)
        into = self._lines(reads(node))
        match node.op:
            case Choose() as op:
                return self._chooser(node, op)
            case Layer() as layer:
                words = [(name, True), (clipped(f" {captions.layer(layer)}"), False)]
                return tiles.card([words], into, (node.name,), about, chosen)
            case Param(path=path, shape=shape):
                words = [(clipped(relative(path, prefix)), True), (clipped(f" {printing.argument(shape)}"), False)]
                return tiles.card([words], into, (node.name,), about, chosen, dashed=True)
            case _:
                words = [(clipped(captions.operation(node)), False)]
                return tiles.card([words], into, (node.name,), about, chosen, rounded=9)

    def _chooser(self, node: Node, op: Choose, outer: Sequence[str] | None = None) -> Tile:
        """A choice whose arms are drawn, each above its option; or alone, and given what its arms would be."""
        tile, middles = tiles.chooser(
            captions.heading(op), captions.options(op), captions.marks(op, self._arch), captions.whole(node),
            upright=outer is not None,
        )  # fmt: skip
        middle = tile.width / 2
        if outer is None:
            arms = zip(middles, node.args, strict=False)
            into = [(self._line.get(ref.name, ref.name), at) for at, arg in arms for ref in refs_in(arg, sizes=False)]
        else:
            into = [(name, middle) for name in self._lines(outer)]
        return replace(tile, reads=tuple(into), gives={node.name: middle})


def _input(item: Input) -> Tile:
    words = [(clipped(printing.described(item)), False)]
    return tiles.card([words], (), (item.name,), printing.described(item), rounded=9)
