"""What runs when, in the calls of a graph with open choices."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace

from graphnas.codegen.form import Item
from graphnas.codegen.layout import Layout, Region
from graphnas.errors import EmitError
from graphnas.ir.node import Node


class Order:
    """The order of the items of one call.

    Attributes:
        certain: the places of items that run whenever the call does.
    """

    def __init__(self, layout: Layout, region: Region, awaited: dict[Region, set[str]]) -> None:
        self._layout, self._region = layout, region
        self._awaited = awaited.get(region, set())
        self._positions: dict[int, int] = {}  # by identity: nodes are large to hash
        self.certain: list[int] = []

    def placed(self, item: Node | Region, made: Item, own: int) -> Item:
        """The item with what it must come after; notes whether it runs whenever the call does.

        Args:
            item: the node or call in the graph.
            made: what is made of it.
            own: its place among the items.

        Raises:
            EmitError: it may not run, but somebody outside must run after it, and could not ask for it.
        """
        self._positions[id(item)] = own
        if self._layout.is_certain(self._region, item if isinstance(item, Region) else item.name):
            self.certain.append(own)
        else:
            self._check_awaited(item)
        found = (self._position(name) for node in _nodes(item) for name in node.after)
        # What is within a call is in order there.
        after = sorted({place for place in found if place is not None and place != own})
        return replace(made, after=tuple(after)) if after else made

    def check_effects(self) -> None:
        """Refuses a call with effects that may be asked for no more than what a choice in it passes on.

        A choice of one option leaves no node behind that would hold the call up, so the effects are not the child's.

        Raises:
            EmitError: it is such a call.
        """
        frame = self._region.frame
        if frame is not None and self._layout.demands is not None and self._layout.demands.passes_through(frame):
            raise EmitError(
                f"module {frame.path!r} writes or draws, but under some architectures it only hands on what it is "
                "given; put the choice that does so outside of the module"
            )

    def _check_awaited(self, item: Node | Region) -> None:
        for node in _nodes(item):
            if node.name in self._awaited:
                raise EmitError(
                    f"{node.where} writes what a node outside module {self._region.path!r} reads, but not every "
                    "architecture that calls the module needs that; write out of place there, or choose among modules"
                )

    def _position(self, name: str) -> int | None:
        """The item of this call in which a node ran."""
        node = self._layout.graph.by_name.get(name)
        inner = self._layout.home.get(name)
        if inner is self._region and node is not None:
            return self._positions.get(id(node))
        while inner is not None and inner.parent is not self._region:
            inner = inner.parent
        return self._positions.get(id(inner)) if inner is not None else None


def awaited_nodes(layout: Layout) -> dict[Region, set[str]]:
    """Per call the nodes in it that a node outside it is after."""
    found: dict[Region, set[str]] = defaultdict(set)
    for node in layout.graph.nodes:
        for name in node.after:
            inner, around = layout.home.get(name), layout.home.get(node.name)
            outside = set()
            while around is not None:
                outside.add(around)
                around = around.parent
            while inner is not None and inner not in outside:
                found[inner].add(name)
                inner = inner.parent
    return found


def _nodes(item: Node | Region) -> Iterator[Node]:
    """A node, or those of a call and of the calls in it."""
    if isinstance(item, Node):
        yield item
        return
    for inner in item.regions():
        yield from (node for node in inner.items if isinstance(node, Node))
