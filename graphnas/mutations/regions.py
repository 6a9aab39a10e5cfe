"""Regions as sites: what stands from one site through another."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import replace

from graphnas.errors import GraphError
from graphnas.ir import effects
from graphnas.ir.graph import Graph
from graphnas.ir.node import GUARD, Call, Node, Param
from graphnas.mutations.compound import compound, leak
from graphnas.mutations.selectors import And, Not, Or, Region, Selector, Where, where
from graphnas.mutations.sites import Facts, Site, call_name, facts_of, sites, with_choices
from graphnas.mutations.where import matches


def candidates(graph: Graph, what: Where) -> tuple[Site, ...]:
    """The sites of a graph and the regions that `where` speaks of, an outer one before those inside it.

    Raises:
        GraphError: a region begins and does not end.
    """
    found = sites(graph)
    wanted = tuple(dict.fromkeys(_regions_in(where(what))))
    if not wanted:
        return found
    facts = facts_of(graph)
    place = {name: number for number, name in enumerate(graph.by_name)}
    made = [site for region in wanted for site in _regions(facts, region, found, place)]
    return tuple(sorted((*made, *found), key=lambda site: (place[site.nodes[0]], -place[site.nodes[-1]])))


def _regions_in(selector: Selector) -> Iterator[Region]:
    match selector:
        case Region():
            yield selector
        case And(first, second) | Or(first, second):
            yield from _regions_in(first)
            yield from _regions_in(second)
        case Not(of):
            yield from _regions_in(of)


def _regions(facts: Facts, region: Region, found: tuple[Site, ...], place: dict[str, int]) -> Iterator[Site]:
    firsts, lasts = (_outermost(site for site in found if matches(end, site)) for end in (region.first, region.last))
    if not firsts or not lasts:
        return  # the rule matches nothing, and says so
    for first, following in itertools.zip_longest(firsts, firsts[1:]):
        begin, limit = place[first.nodes[0]], place[following.nodes[0]] if following else len(place)
        last = next((site for site in lasts if begin <= place[site.nodes[0]] < limit), None)
        if last is None:
            before = f"before it begins anew at {following.where}" if following else "behind that"
            raise GraphError(
                f"{region!r} begins at {first.where}, but nothing ends it {before}: it ends at "
                f"{', '.join(site.name for site in lasts[:4])}; name an end behind every beginning"
            )
        end = place[with_choices(facts.graph, last).nodes[-1]]
        nodes = [node for node in facts.graph.nodes[begin : end + 1] if not isinstance(node.op, Param)]
        made = compound(facts, "region", repr(region), (first, last), nodes)
        inside = set(made.nodes)
        parts = tuple(site for site in found if site.node is not None and site.name in inside)
        yield replace(made, parts=parts, unfit=_unfit(facts.graph, made, nodes))


def _unfit(graph: Graph, site: Site, nodes: list[Node]) -> str:
    """Why a region cannot be replaced; empty where it can."""
    return _cut(graph, site, nodes) or _lasting(graph, site, nodes) or leak(graph, nodes, site.outputs)


def _cut(graph: Graph, site: Site, nodes: list[Node]) -> str:
    """Why the nodes are no whole calls of modules; empty where they are."""
    depth = len(site.scope)
    edges = {node.scope[depth] for node in (nodes[0], nodes[-1]) if len(node.scope) > depth}
    inside = set(site.nodes)
    for node in graph.nodes:
        cut = edges.intersection(node.scope[depth : depth + 1])
        if cut and node.name not in inside and not isinstance(node.op, Param):
            return f"it would cut the call of {call_name(cut.pop())} in two: {node.where} stands in it as well"
    return ""


def _lasting(graph: Graph, site: Site, nodes: list[Node]) -> str:
    """Which node would act whatever is chosen; empty where none would, but guards on what comes from outside.

    What acts within a module call of the region goes with the call.
    """
    homes = effects.homes(graph)
    for node in nodes:
        if node.name in homes and (homes[node.name] is None or homes[node.name] in site.scope):
            is_guard = isinstance(node.op, Call) and node.op.target == GUARD
            if not is_guard or any(ref.name in site.nodes for ref in node.refs):
                return f"{node.where} would act whatever is chosen; leave it out of the region"
    return ""


def _outermost(found: Iterable[Site]) -> list[Site]:
    """The sites that lie in no other, given an outer one before those inside it."""
    kept: list[Site] = []
    covered: set[str] = set()
    for site in found:
        if site.nodes[0] not in covered:
            kept.append(site)
            covered.update(site.nodes)
    return kept
