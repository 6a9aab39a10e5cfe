"""Nodes taken together as one site: what it is called, and what keeps them from being replaced as one."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable

from graphnas.ir.frozen import FrozenDict
from graphnas.ir.graph import Graph
from graphnas.ir.node import Frame, Node, Ref
from graphnas.mutations.sites import Facts, Site, call_name, common_condition, given, read_outside

_CALL = re.compile(r"@\d+$")


def compound(
    facts: Facts,
    kind: str,
    what: str,
    ends: tuple[Site, Site],
    nodes: list[Node],
    inputs: tuple[Ref, ...] | None = None,
    outputs: tuple[Ref, ...] | None = None,
) -> Site:
    """Nodes taken together as one site, called after the first and last site among them.

    Args:
        facts: of the graph.
        kind: "region" or "pattern".
        what: what was looked for.
        ends: the first and the last site.
        nodes: all of the nodes, in order.
        inputs: what it reads; left out, all that comes from outside.
        outputs: what is read of it; left out, all that is read outside.
    """
    scope = common_scope(site.scope for site in ends)
    inputs = given(facts.graph, nodes) if inputs is None else inputs
    outputs = read_outside(facts.graph, nodes) if outputs is None else outputs
    return Site(
        compound_name(scope, ends), kind, what, scope[-1].path if scope else "", tuple(node.name for node in nodes),
        inputs, outputs, facts.shapes_of(inputs), facts.shapes_of(outputs), FrozenDict(), scope,
        facts.varies(inputs + outputs), common_condition(nodes), nodes[0].source,
    )  # fmt: skip


def common_scope(scopes: Iterable[tuple[Frame, ...]]) -> tuple[Frame, ...]:
    """The module calls around all."""
    frames = itertools.takewhile(lambda found: len(set(found)) == 1, zip(*scopes, strict=False))
    return tuple(found[0] for found in frames)


def compound_name(scope: tuple[Frame, ...], ends: tuple[Site, Site]) -> str:
    """A name within the innermost call of a scope, made of those of two sites in it: `layer1.0.conv1_to_relu`."""
    around, inside = (f"{call_name(scope[-1])}.", f"{scope[-1].path}.") if scope else ("", "")
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
