"""Putting a rule's nodes behind a site, so that whoever read the site's result reads theirs."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from graphnas.ir.editing import insert
from graphnas.ir.frozen import FrozenDict
from graphnas.ir.graph import Formals, Graph
from graphnas.ir.node import Choose, Entry, Node, Ref, Size, transform
from graphnas.mutations.sites import Place, Site


@dataclass(frozen=True)
class Insertion:
    """What a rule puts behind a site.

    Attributes:
        site: keeps its nodes.
        nodes: to be put behind them; the last ones are read in place of the site's results, in their order.
        parameters: nodes that read parameters, which stand before everything else.
        entries: rows of the module table, by the row that they stand behind.
        formals: names of values inside the module calls that are new.
    """

    site: Site
    nodes: tuple[Node, ...]
    parameters: tuple[Node, ...] = ()
    entries: Mapping[str, Sequence[Entry]] = field(default_factory=FrozenDict)
    formals: Formals = field(default_factory=FrozenDict)

    @property
    def replaced(self) -> tuple[tuple[Ref, str], ...]:
        """Each result of the site, and the name of the node that is read in its place."""
        results = self.site.outputs
        return tuple((ref, node.name) for ref, node in zip(results, self.nodes[-len(results) :], strict=True))


def with_insertions(graph: Graph, insertions: Sequence[Insertion]) -> Graph:
    """The graph with every insertion in place.

    Args:
        graph: where to insert.
        insertions: in the order of their sites, no two of which overlap; a site comes after those that it reads.
    """
    insertions = _connected(insertions)
    plain = [insertion for insertion in insertions if _is_plain(graph, insertion.site)]
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
            graph = _behind_the_results(graph, insertion)
    parameters = tuple(node for insertion in insertions for node in insertion.parameters)
    return replace(graph, nodes=(*parameters, *graph.nodes)) if parameters else graph


def _connected(insertions: Sequence[Insertion]) -> list[Insertion]:
    """The insertions, of which later ones read the results of earlier ones in place of the sites' own."""
    found: list[Insertion] = []
    for insertion in insertions:
        for result, last in (pair for earlier in found for pair in earlier.replaced):
            insertion = replace(
                insertion,
                nodes=tuple(pointed(node, result, last) for node in insertion.nodes),
                formals=FrozenDict({k: renamed(names, result, last) for k, names in insertion.formals.items()}),
            )
        found.append(insertion)
    return found


def _is_plain(graph: Graph, site: Site) -> bool:
    """Whether the site has one result, and that is the whole value of the node that its choice stands behind."""
    (place, *more) = places(graph, site)
    return not more and site.outputs == (Ref(place.behind),)


def _behind_the_results(graph: Graph, insertion: Insertion) -> Graph:
    """The graph with nodes behind a site of several results, or of one that is part of a value or not computed last.

    What takes the place of a result stands behind it, and everything else behind the first of them.
    """
    site, count = insertion.site, len(insertion.site.outputs)
    position = {name: number for number, name in enumerate(graph.by_name)}
    standing = sorted(
        zip((place.behind for place in places(graph, site)), insertion.nodes[-count:], strict=True),
        key=lambda item: position[item[0]],
    )
    after: dict[str, tuple[list[Node], None]] = {standing[0][0]: ([*insertion.nodes[:-count]], None)}
    for behind, node in standing:
        after.setdefault(behind, ([], None))[0].append(node)
    graph = insert(graph, after, insertion.entries)
    nodes, output, formals = graph.nodes, graph.output, graph.formals
    for result, last in insertion.replaced:
        start = next(number for number, node in enumerate(nodes) if node.name == last) + 1
        later = (node if node.name in site.nodes else pointed(node, result, last) for node in nodes[start:])
        nodes = (*nodes[:start], *later)
        output = transform(output, functools.partial(_follow, result=result, last=last))
        formals = FrozenDict({call: renamed(names, result, last) for call, names in formals.items()})
    return replace(graph, nodes=nodes, output=output, formals=FrozenDict({**formals, **insertion.formals}))


def places(graph: Graph, site: Site) -> tuple[Place, ...]:
    """Where something can stand in place of each result of a site."""
    return site.places or tuple(Place(site.scope, _last_node(graph, site)) for _ in site.outputs)


def _last_node(graph: Graph, site: Site) -> str:
    """The last node of the module call that the site is or ends in, if any, else its own last one.

    Insertions at inner sites may have followed the site's own last one.
    """
    depth = len(site.scope)
    around = graph.node(site.nodes[-1]).scope[: depth + 1]
    if len(around) == depth:
        return site.nodes[-1]
    return next(node.name for node in reversed(graph.nodes) if node.scope[: depth + 1] == around)


def pointed(node: Node, result: Ref, last: str) -> Node:
    """The node with a value read as the node called `last`."""
    if result.name not in node.after and all(ref.name != result.name for ref in node.refs):
        return node

    leaf = functools.partial(_follow, result=result, last=last)
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
