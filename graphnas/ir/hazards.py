"""Writes that would overtake a reader: what only an arm of a choice needs is computed late, maybe after the write."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, TypeAlias

from graphnas.ir.choice import Choice
from graphnas.ir.effects import effect, shares_storage, writes, writes_state
from graphnas.ir.node import Choose, Frame, Node, Ref, refs_in
from graphnas.ir.values import refuse

if TYPE_CHECKING:
    from graphnas.ir.graph import Graph

# Where a node is computed: in some arms of some choices (name of the `Choose` → bits of its arms; none: nowhere), or,
# if None, where it stands.
Home: TypeAlias = dict[str, int] | None


def check_hazards(graph: Graph) -> None:
    """Checks that no reader of a value is computed after a write that it stands before.

    A node that only some arms of an open choice need moves to the choice. That is wrong where the choice stands
    behind a write into what the node reads, unless the write moves along or is emitted out of place.

    Raises:
        GraphError: there is such a reader.
    """
    if not graph.choices:
        return
    awaited = _awaited(graph)
    kept = [node for node in graph.nodes if writes(node) and _is_kept(node, awaited, graph)]
    if not kept:
        return
    homes = _homes(graph)
    place = {node.name: position for position, node in enumerate(graph.nodes)}
    for write in kept:
        if homes[write.name] is not None:
            continue
        storage = {_storage(ref.name, graph) for ref in refs_in(write.args[:1])}
        for reader in graph.nodes[: place[write.name]]:
            late = [choice for choice in homes[reader.name] or () if place[choice] > place[write.name]]
            if late and not _is_view(reader) and any(_storage(ref.name, graph) in storage for ref in reader.refs):
                _refuse(write, reader, late[0])


def _refuse(write: Node, reader: Node, choice: str) -> None:
    refuse(
        f"{reader.where} reads what {write.name!r} changes in place behind it, but is only computed in an arm of "
        f"{choice!r}, which comes later still",
        write.where,
        "Write out of place (`x = x + y`), or read a clone.",
    )


def _is_kept(node: Node, awaited: set[str], graph: Graph) -> bool:
    """Whether a write is emitted as such wherever others read what it writes into."""
    return node.name in awaited or writes_state(node, graph)


def _is_view(node: Node) -> bool:
    return shares_storage(node) and not writes(node)


def _awaited(graph: Graph) -> set[str]:
    """The nodes that somebody is `after`; to be after a choice is to be after each of its arms."""
    found: set[str] = set()
    waiting = [name for node in graph.nodes for name in node.after]
    while waiting:
        name = waiting.pop()
        node = graph.by_name.get(name)
        if name not in found and node is not None and isinstance(node.op, Choose):
            waiting += [ref.name for ref in node.refs]
        found.add(name)
    return found


def _storage(name: str, graph: Graph) -> str:
    """The value whose storage `name` may be: followed through views and writes up to where it was made."""
    node = graph.by_name.get(name)
    while node is not None and shares_storage(node) and node.args and isinstance(node.args[0], Ref):
        if isinstance(node.op, Choose):
            break
        name = node.args[0].name
        node = graph.by_name.get(name)
    return name


# ---------------------------------------------------------------- where nodes are computed
def _homes(graph: Graph) -> dict[str, Home]:
    """Where each node is computed; effects go with the module call directly around them."""
    effects = {node.name: node.scope for node in graph.nodes if effect(node, graph)}
    homes = _settle(graph, {name: {} for name in effects})
    frames: dict[tuple[Frame, ...], Home] = {(): None}
    for node in graph.nodes:
        if node.name not in effects:
            for depth in range(1, len(node.scope) + 1):
                around = node.scope[:depth]
                frames[around] = _joined((frames.get(around, {}), homes[node.name]))
    return _settle(graph, {name: frames.get(scope, {}) for name, scope in effects.items()})


def _settle(graph: Graph, given: dict[str, Home]) -> dict[str, Home]:
    homes: dict[str, Home] = {}
    for node in reversed(graph.nodes):
        if node.name in given:
            homes[node.name] = given[node.name]
        elif node.name in graph.output_names:
            homes[node.name] = None
        else:
            needs = (_need(graph.by_name[reader], node.name, homes) for reader in graph.readers.get(node.name, ()))
            homes[node.name] = _without_common(_joined(needs), graph)
    return homes


def _need(reader: Node, name: str, homes: dict[str, Home]) -> Home:
    """Where a reader wants the value called `name`."""
    own = homes[reader.name]
    if own is not None or not isinstance(reader.op, Choose) or not isinstance(reader.op.choice, Choice):
        return own
    arms = [any(ref.name == name for ref in refs_in(arg)) for arg in reader.args]
    return {reader.name: sum(1 << position for position, arm in enumerate(arms) if arm)} if any(arms) else None


def _joined(needs: Iterable[Home]) -> Home:
    joined: dict[str, int] = {}
    for need in needs:
        if need is None:
            return None
        for choice, arms in need.items():
            joined[choice] = joined.get(choice, 0) | arms
    return joined


def _without_common(home: Home, graph: Graph) -> Home:
    """What every arm of a choice needs is computed where it stands."""
    for choice, arms in (home or {}).items():
        if arms + 1 == 1 << len(graph.by_name[choice].args):
            return None
    return home
