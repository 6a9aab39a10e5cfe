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
from graphnas.mutations.sites import Site


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
            graph = _behind_the_whole(graph, insertion)
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
    """Whether the site's one result is the whole value of its last node, which is what `insert` replaces."""
    return site.outputs == (Ref(site.nodes[-1]),) and last_node(graph, site) == site.nodes[-1]


def _behind_the_whole(graph: Graph, insertion: Insertion) -> Graph:
    """The graph with nodes behind a site with several results, or with one that is no whole value of its last node."""
    end = insertion.nodes[-1].name
    graph = insert(graph, {last_node(graph, insertion.site): (insertion.nodes, None)}, insertion.entries)
    position = next(i for i, node in enumerate(graph.nodes) if node.name == end) + 1
    later, output, formals = graph.nodes[position:], graph.output, graph.formals
    for result, last in insertion.replaced:
        later = tuple(pointed(node, result, last) for node in later)
        output = transform(output, functools.partial(_follow, result=result, last=last))
        formals = FrozenDict({call: renamed(names, result, last) for call, names in formals.items()})
    return replace(
        graph,
        nodes=(*graph.nodes[:position], *later),
        output=output,
        formals=FrozenDict({**formals, **insertion.formals}),
    )


def last_node(graph: Graph, site: Site) -> str:
    """The node that a site's choice can stand behind: the last one of the module call that the site ends in, if any.

    Insertions at inner sites may have followed the site's own last one.
    """
    around = graph.node(site.nodes[-1]).scope[: len(site.scope) + 1]
    depth = len(site.scope)
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
