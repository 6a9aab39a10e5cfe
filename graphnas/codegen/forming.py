"""From a module call in the graph to its form."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from graphnas.codegen.code import Local
from graphnas.codegen.form import Form, Item, Root
from graphnas.codegen.layout import Conditions, Layout, Region, conditions, when_of
from graphnas.codegen.literals import as_name, literal
from graphnas.codegen.table import Table
from graphnas.codegen.terms import Terms
from graphnas.codegen.writes import Writes, without_write
from graphnas.errors import EmitError
from graphnas.ir.choice import Choice, choices_in
from graphnas.ir.frozen import FrozenDict
from graphnas.ir.node import ALIAS, Arg, Call, Choose, Layer, Node, Ref, without_calls

# Functions and layers that always return two values.
_PAIRS = frozenset(
    {"torch.nn.MultiheadAttention"}
    | {f"torch.Tensor.{name}" for name in ("max", "min", "sort", "topk", "kthvalue", "median", "mode", "frexp")}
    | {f"torch.{name}" for name in ("max", "min", "sort", "topk", "var_mean", "std_mean", "aminmax")}
)


class Former:
    """Builds forms, inner calls before the calls around them."""

    def __init__(self, layout: Layout, table: Table, writes: Writes, root: Root) -> None:
        self.layout, self.table, self.writes, self.root = layout, table, writes, root
        self.variants: dict[Region, int] = {}  # which body of its module each call has
        self.awaited = _awaited(layout) if layout.demands is not None else {}

    def form(self, region: Region) -> Form:
        """The form of one call."""
        return _Scope(self, region).form()


class _Scope(Terms):
    """One call while its form is built."""

    def __init__(self, former: Former, region: Region) -> None:
        super().__init__(former.layout, former.table, region)
        self.former = former
        self.items: list[Item] = []
        self.positions: dict[int, int] = {}  # by identity: nodes are large to hash
        self.certain: list[int] = []

    def form(self) -> Form:
        """Forms inputs, items and result, in this order."""
        where, region = self.where, self.region
        refs, formals = self._formals()
        for ref in refs:
            self.number(ref)
        for item in region.items:
            if isinstance(item, Node) and isinstance(item.op, Call) and item.op.target == ALIAS:
                self.known[Ref(item.name)] = self.term(item.args[0])
                continue
            made = self._module(item) if isinstance(item, Region) else self._node(item)
            self.positions[id(item)] = len(self.items)
            self.items.append(made if self.layout.demands is None else self._ordered(item, made))
        self._check_effects()
        self.where = f"the result of {where}"
        return Form(
            formals,
            tuple(self.items),
            self._result(),
            region.plan,
            self.values,
            self.former.root if region.parent is None else None,
            tuple(self._uncertain(region, refs)),
            tuple(self._uncertain(region, ordered_outputs(region))),
            tuple(self.certain),
            where,
        )

    def _formals(self) -> tuple[list[Ref], tuple[str, ...]]:
        """The call's inputs, and what they are called."""
        if self.region.parent is None:
            names = [given.name for given in self.layout.graph.inputs]
            return list(map(Ref, names)), tuple(map(as_name, names))
        refs = ordered_inputs(self.layout, self.region)
        called = _called(self.layout, self.region)
        return refs, tuple(as_name(called.get(ref) or self._lifted(ref)) for ref in refs)

    def _lifted(self, ref: Ref) -> str:
        return "x" if ref.name in self.layout.home else ref.name.rpartition(".")[2]

    def _result(self) -> Arg:
        if self.region.parent is None:
            return self.term(self.layout.graph.output)
        outputs = tuple(self.term(ref) for ref in ordered_outputs(self.region))
        return outputs[0] if len(outputs) == 1 else outputs

    def _uncertain(self, region: Region, refs: Sequence[Ref]) -> Iterator[int]:
        """The places of the values that a call may not need, or of which the calls around it may not need the result."""
        return (place for place, ref in enumerate(refs) if not self.layout.is_certain(region, ref.name))

    # ------------------------------------------------------------ items
    def _module(self, inner: Region) -> Item:
        self.where = f"the call of module {inner.path!r}"
        target = self.table.access(self.region.path, inner.path, self.where)
        inputs, outputs = ordered_inputs(self.layout, inner), ordered_outputs(inner)
        variant = self.former.variants[inner]
        arguments = self.term(tuple(inputs))
        results = tuple((() if len(outputs) == 1 else (place,), self.number(ref)) for place, ref in enumerate(outputs))
        return Item(
            kind="module",
            target=f"{target}.forward_{variant}" if variant else target,
            args=arguments,
            results=results,
            hint=self._attribute(inner.path),
            when=self._when(when_of(inner)),
            plan=inner.plan,
            container=None if variant else self._container(inner.path),
            thunks=tuple(self._uncertain(inner, inputs)),
            asked=tuple(results[place][1] for place in self._uncertain(inner, outputs)),
            where=self.where,
        )

    def _container(self, path: str) -> tuple[str, int, int] | None:
        found = self.table.container(path)
        if found is None:
            return None
        container, place, length = found
        owner = self.region.path
        if container == owner:
            return "self", place, length
        inside = container.startswith(f"{owner}." if owner else "")
        return (self.table.access(owner, container, self.where), place, length) if inside else None

    def _node(self, node: Node) -> Item:
        self.where = node.where
        match node.op:
            case Layer():
                return self._layer(node, node.op)
            case Choose():
                return self._choose(node, node.op)
            case Call(target=target):
                return self._call(node, target)
        raise EmitError(f"{node.where} is a {type(node.op).__name__}, which no call can run")

    def _made(self, node: Node, kind: str, target: str, args: Arg, kwargs: Arg, hint: str, **rest: Any) -> Item:
        when = self._when(conditions(node)) if node.when is not None else ()
        return Item(kind, target, args, kwargs, self._results(node), hint, when, where=node.where, **rest)

    def _layer(self, node: Node, layer: Layer) -> Item:
        target = self.table.access(self.region.path, layer.path, node.where)
        arguments = self.term(node.args)
        if node.name in self.former.writes.copied:
            arguments = (self._copy(node, arguments[0]), *arguments[1:])
        is_open = self.layout.demands is not None and any(True for _ in choices_in(layer.config))
        hint, pair = self._attribute(layer.path), layer.type in _PAIRS
        return self._made(node, "layer", target, arguments, self.term(node.kwargs), hint, plan=is_open, pair=pair)

    def _copy(self, node: Node, value: Arg) -> Arg:
        """An item that copies a value before a layer writes into it."""
        index = self.fresh()
        when = self._when(conditions(node))
        self.items.append(
            Item("function", "torch.Tensor.clone", (value,), results=(((), index),), when=when, where=node.where)
        )
        return Local(index)

    def _choose(self, node: Node, op: Choose) -> Item:
        arguments = self.term(node.args)
        choice = op.choice
        if not isinstance(choice, Choice):
            return self._made(
                node, "join", "", (self.term(choice), *arguments), self.term(node.kwargs), _hint(node.name)
            )
        if len(arguments) != len(choice.options):
            raise EmitError(
                f"{node.where} has {len(arguments)} arguments, but {len(choice.options)} options to choose from"
            )
        return self._made(
            node,
            "choose",
            choice.label,
            arguments,
            self.term(node.kwargs),
            as_name(_last(node.name)),
            plan=True,
            options=tuple(literal(option, f"an option of {choice.label!r}") for option in choice.options),
            take=choice.take,
            merge=op.merge,
        )

    def _call(self, node: Node, target: str) -> Item:
        kwargs, writing = node.kwargs, self.former.writes.is_write(node)
        if writing and node.name in self.former.writes.out_of_place:
            target, writing = without_write(target), False
            kwargs = FrozenDict({key: value for key, value in kwargs.items() if key != "inplace"})
        return self._made(
            node,
            "function",
            target,
            self.term(node.args),
            self.term(kwargs),
            _hint(node.name),
            writes=writing and "inplace" not in kwargs,
            pair=target in _PAIRS,
        )

    def _results(self, node: Node) -> tuple[tuple[tuple[int | str, ...], int], ...]:
        items = self.layout.items.get(node.name)
        if not items:
            return ()
        whole = () in items or any(isinstance(key, str) for item in items for key in item)
        if not whole:
            return tuple((item, self.number(Ref(node.name, item))) for item in sorted(items))
        number = self.number(Ref(node.name))
        for item in items:
            self.known[Ref(node.name, item)] = Local(number, item)
        return (((), number),)

    def _when(self, all_conditions: Conditions) -> tuple[Arg, ...]:
        return self.term(all_conditions[len(self.region.when or ()) :])

    def _attribute(self, path: str) -> str:
        name = self.table.names.get(path) or _last(path)
        return "" if name.isdigit() else name

    # ------------------------------------------------------------ what runs when, where choices are open
    def _ordered(self, item: Node | Region, made: Item) -> Item:
        """The item with what it must come after; notes whether it runs whenever the call does.

        Raises:
            EmitError: it does not, but somebody outside must run after it, and could not ask for it.
        """
        own = len(self.items)
        if self.layout.is_certain(self.region, item if isinstance(item, Region) else item.name):
            self.certain.append(own)
        else:
            self._check_awaited(item)
        found = (self._position(name) for node in _nodes(item) for name in node.after)
        # What is within a call is in order there.
        after = sorted({place for place in found if place is not None and place != own})
        return replace(made, after=tuple(after)) if after else made

    def _check_effects(self) -> None:
        """Refuses a call with effects that may be asked for no more than what a choice in it passes on.

        A choice of one option leaves no node behind that would hold the call up, so the effects are not the child's.

        Raises:
            EmitError: it is such a call.
        """
        frame = self.region.frame
        if self.layout.demands is not None and frame is not None and self.layout.demands.passes_through(frame):
            raise EmitError(
                f"{self.where} writes or draws, but under some architectures it only hands on what it is given; "
                "put the choice that does so outside of the module"
            )

    def _check_awaited(self, item: Node | Region) -> None:
        awaited = self.former.awaited.get(self.region, set())
        for node in _nodes(item):
            if node.name in awaited:
                raise EmitError(
                    f"{node.where} writes what a node outside module {self.region.path!r} reads, but not every "
                    "architecture that calls the module needs that; write out of place there, or choose among modules"
                )

    def _position(self, name: str) -> int | None:
        """The item of this call in which a node ran."""
        node = self.layout.graph.by_name.get(name)
        inner = self.layout.home.get(name)
        if inner is self.region and node is not None:
            return self.positions.get(id(node))
        while inner is not None and inner.parent is not self.region:
            inner = inner.parent
        return self.positions.get(id(inner)) if inner is not None else None


def _awaited(layout: Layout) -> dict[Region, set[str]]:
    """Per call the nodes in it that a node outside it is after."""
    found: dict[Region, set[str]] = defaultdict(set)
    for node in layout.graph.nodes:
        for name in node.after:
            inner, around = layout.home.get(name), layout.home.get(node.name)
            outside = set()
            while around is not None:
                outside.add(around)
                around = around.parent
            while inner is not None and inner not in outside:
                found[inner].add(name)
                inner = inner.parent
    return found


def _nodes(item: Node | Region) -> Iterator[Node]:
    """A node, or those of a call and of the calls in it."""
    if isinstance(item, Node):
        yield item
        return
    for inner in item.regions():
        yield from (node for node in inner.items if isinstance(node, Node))


# ---------------------------------------------------------------- order of values, names
def _called(layout: Layout, region: Region) -> FrozenDict[Ref, str]:
    frame = region.frame
    return layout.graph.formals.get((frame.path, frame.call), FrozenDict()) if frame else FrozenDict()


def ordered_inputs(layout: Layout, region: Region) -> list[Ref]:
    """The inputs of a call in the order of the formal names, the others behind."""
    order = {ref: place for place, ref in enumerate(_called(layout, region))}
    return sorted(region.inputs, key=lambda ref: order.get(ref, len(order)))


def ordered_outputs(region: Region) -> list[Ref]:
    """The outputs of a call, in the order in which they are read."""
    return list(region.outputs)


def _last(name: str) -> str:
    return without_calls(name).rpartition(".")[2]


def _hint(name: str) -> str:
    """The name of a node without its place and the number that kept it apart from others."""
    stem = _last(name)
    head, _, tail = stem.rpartition("_")
    return as_name(head if head and tail.isdigit() else stem).lower()
