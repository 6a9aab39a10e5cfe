"""The one edit that every mutation is made of: nodes put behind other nodes, whose later readers they take over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from graphnas.errors import GraphError, nearest
from graphnas.ir.closing import substitute
from graphnas.ir.frozen import FrozenDict
from graphnas.ir.graph import Formals, Graph
from graphnas.ir.node import Choose, Entry, Node, Ref

# New nodes, and what later readers of the anchor's value read instead (None: the anchor, as before).
Insertion = tuple[Sequence[Node], Ref | None]


def insert(
    graph: Graph,
    after: Mapping[str, Insertion],
    entries: Mapping[str, Sequence[Entry]] | None = None,
    formals: Formals | None = None,
) -> Graph:
    """The graph with nodes put behind others.

    Args:
        graph: is left as it is.
        after: name of an anchor node → the nodes to put right behind it, and the reference that whoever comes later
            reads in place of the anchor's value. The new nodes themselves read the anchor. Nodes that must run after
            the anchor now run after the new value. An anchor's item (`Ref(anchor, (1,))`) follows the new reference
            only where that is the same item's.
        entries: path of a row of the module table → rows to put behind it and behind everything below it.
        formals: names of values inside the calls that are new.

    Raises:
        GraphError: an anchor or a row that the graph does not have.
    """
    for name in after:
        graph.node(name)
    aliases: dict[str, Ref] = {}
    nodes: list[Node] = []
    for node in graph.nodes:
        nodes.append(_point(node, aliases))
        new, value = after.get(node.name, ((), None))
        nodes += [_point(item, aliases) for item in new]
        if value is not None:
            aliases[node.name] = value
    renamed = {call: _renamed(names, aliases) for call, names in graph.formals.items()}
    return replace(
        graph,
        nodes=tuple(nodes),
        output=substitute(graph.output, aliases, {}),
        modules=_rows(graph, entries or {}),
        formals=FrozenDict({**renamed, **(formals or {})}),
    )


def _point(node: Node, aliases: Mapping[str, Ref]) -> Node:
    read = any(ref.name in aliases for ref in node.refs)
    if not read and not any(name in aliases for name in node.after):
        return node
    after = tuple(dict.fromkeys(aliases[name].name if name in aliases else name for name in node.after))
    op = node.op
    if isinstance(op, Choose):
        op = replace(op, choice=substitute(op.choice, aliases, {}))
    return replace(
        node,
        op=op,
        args=substitute(node.args, aliases, {}),
        kwargs=substitute(node.kwargs, aliases, {}),
        when=substitute(node.when, aliases, {}),
        after=after,
    )


def _renamed(names: FrozenDict[Ref, str], aliases: Mapping[str, Ref]) -> FrozenDict[Ref, str]:
    """The value that takes the place of another takes its name."""
    found = {(aliases[ref.name] if ref.name in aliases and not ref.item else ref): name for ref, name in names.items()}
    return FrozenDict(found)


def _rows(graph: Graph, entries: Mapping[str, Sequence[Entry]]) -> tuple[Entry, ...]:
    rows = list(graph.modules)
    for path, new in entries.items():
        if path not in graph.entries:
            raise GraphError(f"graph {graph.name} has no module {path!r}.{nearest(path, graph.entries)}")
        last = max(i for i, row in enumerate(rows) if not path or row.path == path or row.path.startswith(f"{path}."))
        rows[last + 1 : last + 1] = new
    return tuple(rows)
