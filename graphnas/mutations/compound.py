"""Nodes taken together as one site: what it is called, and what keeps them from being replaced as one."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable
from dataclasses import replace

from graphnas.ir.frozen import FrozenDict
from graphnas.ir.graph import Graph
from graphnas.ir.node import Frame, Node, Ref
from graphnas.mutations.sites import Facts, Place, Site, call_name, common_condition, given, read_outside

_CALL = re.compile(r"@\d+$")


def compound(facts: Facts, kind: str, what: str, ends: tuple[Site, Site], nodes: list[Node]) -> Site:
    """Nodes taken together as one site, with all that they read and all that is read of them.

    Args:
        facts: of the graph.
        kind: "region" or "pattern".
        what: what was looked for.
        ends: the first and the last site among the nodes, after which it is called.
        nodes: in order.
    """
    scope = common_scope(site.scope for site in ends)
    inputs, outputs = given(facts.graph, nodes), read_outside(facts.graph, nodes)
    return Site(
        compound_name(scope, scope, ends), kind, what, scope[-1].path if scope else "",
        tuple(node.name for node in nodes), inputs, outputs, facts.shapes_of(inputs), facts.shapes_of(outputs),
        FrozenDict(), scope, facts.varies(inputs + outputs), common_condition(nodes), nodes[0].source,
    )  # fmt: skip


def with_ends(
    facts: Facts, site: Site, ends: tuple[Site, Site], inputs: tuple[Ref, ...], outputs: tuple[Ref, ...]
) -> Site:
    """The site with these inputs and outputs, each of which is replaced where it is computed.

    What takes its place stands in the module calls around it, except for those that hold nothing else. An output that
    is computed before all of the inputs are is replaced with the first one for which they are.

    Args:
        facts: of the graph.
        site: a compound.
        ends: the sites that it is called after.
        inputs: what it is given.
        outputs: what it gives.
    """
    position = {name: number for number, name in enumerate(facts.graph.by_name)}
    own = [_place(facts.graph, site, ref.name) for ref in outputs]
    latest = max((position.get(ref.name, -1) for ref in inputs), default=-1)
    start = min((place for place in own if position[place.behind] > latest), key=lambda place: position[place.behind])
    places = tuple(place if position[place.behind] > latest else start for place in own)
    scope = start.scope
    return replace(
        site,
        name=compound_name(scope, site.scope, ends),
        path=scope[-1].path if scope else "",
        inputs=inputs,
        outputs=outputs,
        input_shapes=facts.shapes_of(inputs),
        output_shapes=facts.shapes_of(outputs),
        scope=scope,
        elastic=facts.varies(inputs + outputs),
        places=places,
    )


def _place(graph: Graph, site: Site, name: str) -> Place:
    scope, inside = graph.node(name).scope, set(site.nodes)
    depth = len(scope)
    behind = name
    while depth > len(site.scope):
        around = [node.name for node in graph.nodes if node.scope[:depth] == scope[:depth]]
        if not inside.issuperset(around):
            break
        depth, behind = depth - 1, around[-1]
    return Place(scope[:depth], behind)


def common_scope(scopes: Iterable[tuple[Frame, ...]]) -> tuple[Frame, ...]:
    """The module calls around all."""
    frames = itertools.takewhile(lambda found: len(set(found)) == 1, zip(*scopes, strict=False))
    return tuple(found[0] for found in frames)


def compound_name(scope: tuple[Frame, ...], common: tuple[Frame, ...], ends: tuple[Site, Site]) -> str:
    """A name within the innermost call of a scope, made of those of two sites: `layer1.0.conv1_to_relu`.

    Args:
        scope: the module calls around what is named.
        common: those around both sites.
        ends: the sites.
    """
    around, inside = (f"{call_name(scope[-1])}." if scope else "", f"{common[-1].path}." if common else "")
    first, last = (site.label.removeprefix(inside).replace(".", "_") for site in ends)
    name = around + (first if ends[0] == ends[1] else f"{first}_to_{last}")
    mark = _CALL.search(ends[0].name)
    return name + mark.group() if mark else name


def leak(graph: Graph, nodes: Iterable[Node], outputs: tuple[Ref, ...]) -> str:
    """What is used of the nodes outside of them besides the outputs; empty where nothing is.

    Args:
        graph: has the nodes.
        nodes: taken together.
        outputs: what may be read of them.
    """
    inside = dict.fromkeys(node.name for node in nodes)
    changed = inside.keys() - {ref.name for ref in outputs}
    for name in inside:
        for reader in graph.readers.get(name, ()):
            refs = () if reader in inside else graph.node(reader).refs
            if any(ref.name == name and not _is_part(ref, outputs) for ref in refs):
                return f"{graph.node(reader).where} reads {name} from within"
    for ref in graph.reads:
        if ref.name in inside and not _is_part(ref, outputs):
            return f"the network returns {ref.name} from within"
    for node in graph.nodes:
        awaited = changed.intersection(node.after) if node.name not in inside else ()
        if awaited:
            return f"{node.where} waits for what {min(awaited)} changes in place"
    return ""


def _is_part(ref: Ref, outputs: tuple[Ref, ...]) -> bool:
    return any(ref.name == one.name and ref.item[: len(one.item)] == one.item for one in outputs)
