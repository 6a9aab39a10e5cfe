"""What of a graph is drawn: module calls and choices as groups in groups, and which of them stay folded."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Collection, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, TypeAlias

from graphnas.ir.choice import Choice
from graphnas.ir.frozen import remembered
from graphnas.ir.node import ENTERS, EXITS, GUARD, Call, Choose, Frame, Layer, Node, refs_in

if TYPE_CHECKING:
    from graphnas.ir.graph import Graph

BUDGET = 80  # items that a picture may have
FEWEST = 3  # folded groups that are drawn as one where they follow each other
# What guards the flow of values and is no part of it; the text has it.
UNDRAWN = ENTERS | EXITS | {GUARD}


@dataclass(frozen=True, eq=False)
class Group:
    """What is drawn as one box: a module call, a choice with all that only one of its arms needs, or steps between.

    Attributes:
        items: nodes and groups, in order.
        frame: of a module call what it is.
        chooser: of a choice the `Choose`, which is the last item.
    """

    items: tuple[Item, ...]
    frame: Frame | None = None
    chooser: Node | None = None

    @cached_property
    def nodes(self) -> tuple[Node, ...]:
        """All nodes in it."""
        return tuple(node for item in self.items for node in nodes_of(item))

    @cached_property
    def structure(self) -> Hashable:
        """What two groups have in common that are drawn alike: operations and wires, whatever their settings."""
        places = {node.name: place for place, node in enumerate(self.nodes)}
        steps = tuple((_kind(node), tuple(places.get(name, -1) for name in reads(node))) for node in self.nodes)
        return self.frame.type if self.frame else None, steps


Item: TypeAlias = "Node | Group"


def nodes_of(item: Item) -> tuple[Node, ...]:
    """The nodes of an item of an outline."""
    return item.nodes if isinstance(item, Group) else (item,)


@remembered
def reads(node: Node) -> tuple[str, ...]:
    """The names of the values that flow into a node; whose sizes alone it asks for does not count."""
    return tuple(dict.fromkeys(ref.name for ref in refs_in((node.args, node.kwargs), sizes=False)))


def entering(item: Item) -> tuple[str, ...]:
    """The values that an item is given from outside."""
    inside = {node.name for node in nodes_of(item)}
    return tuple(dict.fromkeys(name for node in nodes_of(item) for name in reads(node) if name not in inside))


def _kind(node: Node) -> Hashable:
    match node.op:
        case Layer(type=name) | Call(target=name):
            return name
        case Choose(choice=Choice(options=options, take=take), merge=merge):
            return options, take, merge
        case op:
            return type(op).__name__


# ---------------------------------------------------------------- groups in groups
def outline(graph: Graph) -> Group:
    """The graph as groups in groups; of more steps in a row than a picture holds, those in the middle are a group."""
    items = _nested(_drawn(graph), 0, readers_in(graph))
    if len(items) > BUDGET:
        items = (*items[: BUDGET // 2], Group(items[BUDGET // 2 : -BUDGET // 2]), *items[-BUDGET // 2 :])
    return Group(items, Frame("", graph.name))


def readers_in(graph: Graph) -> dict[str, set[str]]:
    """Name → the nodes that it flows into; "" where the output has it."""
    found: dict[str, set[str]] = {ref.name: {""} for ref in graph.reads}
    for node in _drawn(graph):
        for name in reads(node):
            found.setdefault(name, set()).add(node.name)
    return found


def _drawn(graph: Graph) -> tuple[Node, ...]:
    return tuple(node for node in graph.nodes if not isinstance(node.op, Call) or node.op.target not in UNDRAWN)


def _nested(nodes: Iterable[Node], depth: int, readers: dict[str, set[str]]) -> tuple[Item, ...]:
    items: list[Item] = []
    for frame, run in itertools.groupby(nodes, lambda node: node.scope[depth] if len(node.scope) > depth else None):
        inside = tuple(run)
        items += inside if frame is None else [Group(_nested(inside, depth + 1, readers), frame)]
    return tuple(_gathered(items, readers))


def _gathered(items: Iterable[Item], readers: dict[str, set[str]]) -> list[Item]:
    """The items, with every choice and what right before it only one of its arms needs as a group."""
    done: list[Item] = []
    for item in items:
        done.append(item)
        if isinstance(item, Node) and isinstance(item.op, Choose):
            arms = _arms(item, done[:-1], readers)
            if arms:
                done[-1 - len(arms) :] = [Group((*arms, item), chooser=item)]
    return done


def _arms(chooser: Node, before: Sequence[Item], readers: dict[str, set[str]]) -> list[Item]:
    inside = {chooser.name}
    arms_of: dict[str, set[int]] = {}
    for arm, arg in enumerate(chooser.args):
        for ref in refs_in(arg, sizes=False):
            arms_of.setdefault(ref.name, set()).add(arm)
    found: list[Item] = []
    for item in reversed(before):
        names = {node.name for node in nodes_of(item)}
        arms = set().union(*(arms_of.get(name, ()) for name in names))
        if len(arms) != 1 or not all(readers.get(name, set()) <= inside | names for name in names):
            break
        inside |= names
        for name in entering(item):
            arms_of.setdefault(name, set()).update(arms)
        found.insert(0, item)
    return found


# ---------------------------------------------------------------- what stays folded
def folded(root: Group) -> dict[Group, Group | None]:
    """The groups that are drawn without what is in them, each with the group of its structure that is drawn with it.

    A graph that fits a picture has none. Of another, outer groups are unfolded before inner ones as long as there is
    room, and of groups of one structure only the first.
    """
    found: dict[Group, Group | None] = {}
    if len(root.nodes) <= BUDGET:
        return found
    drawn: dict[Hashable, Group] = {}
    left = BUDGET - len(root.items)
    waiting = deque(_groups(root))
    while waiting:
        group = waiting.popleft()
        if group.structure in drawn or len(group.items) > left:
            found[group] = drawn.get(group.structure)
        else:
            drawn[group.structure] = group
            left -= len(group.items)
            waiting += _groups(group)
    return found


def _groups(group: Group) -> Iterator[Group]:
    return (item for item in group.items if isinstance(item, Group))


def runs(items: Iterable[Item], apart: Collection[Group]) -> Iterator[tuple[Item, ...]]:
    """The items one by one; but folded module calls of one structure (`apart`) that follow each other together."""

    def key(item: Item) -> Hashable:
        return item.structure if isinstance(item, Group) and item.frame and item in apart else item

    for _, run in itertools.groupby(items, key):
        together = tuple(run)
        yield from [together] if len(together) >= FEWEST else ((item,) for item in together)
