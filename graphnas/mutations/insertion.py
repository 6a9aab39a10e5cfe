"""Putting a rule's nodes behind a site, so that whoever read the site's result reads theirs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from graphnas.ir.editing import insert
from graphnas.ir.frozen import FrozenDict
from graphnas.ir.graph import Formals, Graph
from graphnas.ir.node import Choose, Entry, Node, Ref, Size, transform
from graphnas.mutations.sites import Site


@dataclass(frozen=True)
class Insertion:
    """What a rule puts behind a site that has one result.

    Attributes:
        site: keeps its nodes.
        nodes: to be put behind them; the last one is read in place of the site's result.
        parameters: nodes that read parameters, which stand before everything else.
        entries: rows of the module table, by the row that they stand behind.
        formals: names of values inside the module calls that are new.
    """

    site: Site
    nodes: tuple[Node, ...]
    parameters: tuple[Node, ...] = ()
    entries: Mapping[str, Sequence[Entry]] = field(default_factory=FrozenDict)
    formals: Formals = field(default_factory=FrozenDict)


def with_insertions(graph: Graph, insertions: Sequence[Insertion]) -> Graph:
    """The graph with every insertion in place.

    Args:
        graph: where to insert.
        insertions: in the order of their sites, no two of which overlap.
    """
    insertions = _connected(insertions)
    plain = [insertion for insertion in insertions if _is_plain(insertion.site)]
    entries: dict[str, tuple[Entry, ...]] = {}
    formals: dict[tuple[str, int], FrozenDict[Ref, str]] = {}
    for insertion in plain:
        for path, rows in insertion.entries.items():
            entries[path] = (*entries.get(path, ()), *rows)
        formals.update(insertion.formals)
    after = {insertion.site.nodes[-1]: (insertion.nodes, Ref(insertion.nodes[-1].name)) for insertion in plain}
    graph = insert(graph, after, entries, FrozenDict(formals))
    for insertion in insertions:
        if insertion not in plain:
            graph = _behind_the_whole(graph, insertion)
    parameters = tuple(node for insertion in insertions for node in insertion.parameters)
    return replace(graph, nodes=(*parameters, *graph.nodes)) if parameters else graph


def _connected(insertions: Sequence[Insertion]) -> list[Insertion]:
    """The insertions, of which later ones read the results of earlier ones in place of the sites' own."""
    found: list[Insertion] = []
    for insertion in insertions:
        for earlier in found:
            (result,), last = earlier.site.outputs, earlier.nodes[-1].name
            insertion = replace(
                insertion,
                nodes=tuple(pointed(node, result, last) for node in insertion.nodes),
                formals=FrozenDict({k: renamed(names, result, last) for k, names in insertion.formals.items()}),
            )
        found.append(insertion)
    return found


def _is_plain(site: Site) -> bool:
    """Whether the site's result is the whole value of its last node, which is what `insert` replaces."""
    (result,) = site.outputs
    return result == Ref(site.nodes[-1])


def _behind_the_whole(graph: Graph, insertion: Insertion) -> Graph:
    """The graph with nodes behind a site whose result is a part of a value, or is not computed last."""
    (result,) = insertion.site.outputs
    last = insertion.nodes[-1].name
    graph = insert(graph, {_last_node(graph, insertion.site): (insertion.nodes, None)}, insertion.entries)
    position = next(i for i, node in enumerate(graph.nodes) if node.name == last)
    later = tuple(pointed(node, result, last) for node in graph.nodes[position + 1 :])
    formals = {call: renamed(names, result, last) for call, names in graph.formals.items()}
    return replace(
        graph,
        nodes=(*graph.nodes[: position + 1], *later),
        output=transform(graph.output, lambda leaf: _follow(leaf, result, last)),
        formals=FrozenDict({**formals, **insertion.formals}),
    )


def _last_node(graph: Graph, site: Site) -> str:
    """The last node inside the module call; insertions at inner sites may have followed the site's own last one."""
    if site.kind != "block":
        return site.nodes[-1]
    depth = len(site.scope)
    around = graph.node(site.nodes[0]).scope[: depth + 1]
    return next(node.name for node in reversed(graph.nodes) if node.scope[: depth + 1] == around)


def pointed(node: Node, result: Ref, last: str) -> Node:
    """The node with a value read as the node called `last`."""
    if result.name not in node.after and all(ref.name != result.name for ref in node.refs):
        return node

    def leaf(item: Any) -> Any:
        return _follow(item, result, last)

    op = node.op
    if isinstance(op, Choose):
        op = replace(op, choice=transform(op.choice, leaf))
    return replace(
        node,
        op=op,
        args=transform(node.args, leaf),
        kwargs=transform(node.kwargs, leaf),
        when=transform(node.when, leaf),
        after=tuple(dict.fromkeys(last if name == result.name else name for name in node.after)),
    )


def _follow(leaf: Any, result: Ref, last: str) -> Any:
    match leaf:
        case Ref(name=name, item=item) if name == result.name and item[: len(result.item)] == result.item:
            return Ref(last, item[len(result.item) :])
        case Size(of=of):
            return replace(leaf, of=_follow(of, result, last))
    return leaf


def renamed(names: FrozenDict[Ref, str], result: Ref, last: str) -> FrozenDict[Ref, str]:
    """What takes the place of a value is called as the value was."""
    return FrozenDict({_follow(ref, result, last): name for ref, name in names.items()})
