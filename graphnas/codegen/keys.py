"""What the form of a module call depends on: most calls of a child are those of other children of its space."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping

from graphnas.codegen.layout import Layout, Region
from graphnas.codegen.memory import Numbers
from graphnas.codegen.table import Table
from graphnas.codegen.writes import Writes
from graphnas.ir.frozen import remembered
from graphnas.ir.node import Layer, Node, Param, Ref, refs_in

_PARAMS = Numbers()


class Keys:
    """The keys of the calls of one closed graph in which no module goes by two paths.

    Args:
        variants: which body of its module each inner call has; filled while outer calls are formed.
    """

    def __init__(self, layout: Layout, table: Table, writes: Writes, variants: Mapping[Region, int]) -> None:
        self._layout, self._table, self._writes, self._variants = layout, table, writes, variants
        nodes = [node for node in layout.graph.nodes if isinstance(node.op, Param)]
        self._parameters = {node.name: node.op.path for node in nodes if isinstance(node.op, Param)}
        # Stands for what the names of parameters and buffers mean.
        self._params = _PARAMS.number(tuple(map(id, nodes)), tuple(nodes))

    def of(self, region: Region) -> tuple[Hashable, tuple[object, ...]]:
        """Says all that the form of a call in a closed graph depends on; and the objects that it names by identity."""
        called, home = self._layout.called(region), self._layout.home
        numbers: dict[Ref, int] = {}
        for ref in region.inputs:
            numbers[ref] = len(numbers)
        inputs = tuple([(called.get(ref), None if ref.name in home else ref) for ref in region.inputs])
        items = [
            self._call_key(item, numbers) if isinstance(item, Region) else self._node_key(item, numbers)
            for item in region.items
        ]
        outputs = [numbers.get(ref, ref) for ref in region.outputs]
        entry = self._table.entries.get(region.path)
        below = [self._table.shape(path) for path in self._reached(region)]
        key = region.path, region.when, inputs, tuple(items), tuple(outputs), id(entry), self._params, *below
        return key, (entry, *region.items)

    def _reached(self, region: Region) -> Iterable[str]:
        """The modules through which the call reaches what it calls and reads, itself first."""
        found = {region.path: None}
        for item in region.items:
            if isinstance(item, Region):
                paths = [item.path]
            else:
                paths = [item.op.path] if isinstance(item.op, Layer) else []
                paths += [self._parameters[ref.name] for ref in item.refs if ref.name in self._parameters]
            for path in paths:
                around = path.rpartition(".")[0]
                while around not in found and around:
                    found[around] = None
                    around = around.rpartition(".")[0]
        return found

    def _call_key(self, region: Region, numbers: dict[Ref, int]) -> Hashable:
        given = [numbers.get(ref, ref) for ref in region.inputs]
        for ref in region.outputs:
            numbers[ref] = len(numbers)
        called = self._table.forward(region.path, self._variants[region])
        return (region.path, called, region.when, len(region.outputs), *given)

    def _node_key(self, node: Node, numbers: dict[Ref, int]) -> Hashable:
        """What a node does with which values; these go by number, so that it is the same behind other alternatives."""
        name = node.name
        plain = _is_plain(node)
        key: list[Hashable] = [(name, id(node.op), id(node.kwargs), id(node.source)) if plain else id(node)]
        key += [numbers.get(ref, ref) for ref in node.refs]
        if name in self._writes.all:
            key += [name in self._writes.out_of_place, name in self._writes.copied]
        for item in self._layout.items.get(name, ()):
            key += (item, Ref(name, item) in self._layout.sure)
            numbers[Ref(name, item)] = len(numbers)
        return tuple(key)


@remembered
def _is_plain(node: Node) -> bool:
    """Whether a node is its name, operation and constants, and values that are its arguments.

    No `id` is remembered: copies of the node, also those that another process made, keep what is.
    """
    if node.when is not None or not all(type(arg) is Ref for arg in node.args) or len(node.refs) < len(node.args):
        return False
    return not any(True for _ in refs_in(node.kwargs))
