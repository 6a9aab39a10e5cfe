"""From a module call in the graph to its form."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from graphnas.codegen.branches import common, conjunction
from graphnas.codegen.code import Field, Local
from graphnas.codegen.collecting import collected
from graphnas.codegen.form import Attribute, Form, Item, Literal, Root
from graphnas.codegen.keys import Keys
from graphnas.codegen.layout import Conditions, Layout, Region, conditions, when_of
from graphnas.codegen.literals import as_name, identifier, literal
from graphnas.codegen.memory import Memory
from graphnas.codegen.order import Order, awaited_nodes
from graphnas.codegen.sizing import sized
from graphnas.codegen.table import Table
from graphnas.codegen.terms import Terms
from graphnas.codegen.writes import Writes, without_writing
from graphnas.errors import EmitError
from graphnas.ir import effects, targets
from graphnas.ir.choice import Apply, Choice, Expr, choices_in
from graphnas.ir.naming import without_calls
from graphnas.ir.node import ALIAS, ARGUMENT, GUARD, Arg, Call, Choose, Layer, Node, Ref
from graphnas.ir.pieces import counted, is_there
from graphnas.ir.source import Target

# Functions and layers that always return two values.
_PAIRS = frozenset(
    {f"torch.nn.{name}" for name in ("MultiheadAttention", "RNN", "LSTM", "GRU")}
    | {"torch.nn.utils.rnn.pad_packed_sequence"}
    | {f"torch.Tensor.{name}" for name in ("max", "min", "sort", "topk", "kthvalue", "median", "mode", "frexp")}
    | {f"torch.{name}" for name in ("max", "min", "sort", "topk", "var_mean", "std_mean", "aminmax")}
)


# Where in the result of what there is, or may be, a packed sequence, and what the parts of that are called.
_PACKED: dict[str, tuple[int, ...]] = {
    **{f"torch.nn.utils.rnn.{name}": () for name in ("PackedSequence", "pack_padded_sequence", "pack_sequence")},
    **{f"torch.nn.{name}": (0,) for name in ("RNN", "LSTM", "GRU")},
}
_FIELDS = tuple(map(Field, ("data", "batch_sizes", "sorted_indices", "unsorted_indices")))

_FORMS: Memory[Form] = Memory()


class Former:
    """Builds forms, inner calls before the calls around them."""

    def __init__(self, layout: Layout, table: Table, writes: Writes, root: Root) -> None:
        self.layout, self.table, self.writes, self.root = layout, table, writes, root
        self.variants: dict[Region, int] = {}  # which body of its module each call has
        self.awaited = awaited_nodes(layout) if layout.demands is not None else {}
        is_plain = layout.demands is None and not table.aliases
        self._keys = Keys(layout, table, writes, self.variants) if is_plain else None

    def form(self, region: Region) -> Form:
        """The form of one call."""
        if self._keys is None or region.parent is None:
            return _Scope(self, region).form()
        return _FORMS.of(*self._keys.of(region), _Scope(self, region).form)


class _Scope(Terms):
    """One call while its form is built."""

    def __init__(self, former: Former, region: Region) -> None:
        super().__init__(former.layout, former.table, region)
        self.former = former
        self.items: list[Item] = []
        self.conditional: dict[int, tuple[Arg, ...]] = {}  # values that are not always computed, and when they are
        self.counts: dict[str, int] = {}  # how many values a node gives, where that is known
        self.order = Order(self.layout, region, former.awaited)

    def form(self) -> Form:
        """Forms inputs, items and result, in this order."""
        where, region = self.where, self.region
        refs, formals = self._formals()
        for ref in refs:
            self.number(ref)
        for place, item in enumerate(region.items):
            if isinstance(item, Node) and isinstance(item.op, Call) and item.op.target == ALIAS:
                self.known[Ref(item.name)] = self.term(item.args[0])
                continue
            if isinstance(item, Node) and isinstance(item.op, Call) and item.op.target == ARGUMENT:
                self.known[Ref(item.name)] = Attribute(identifier(item.args[0], "a parameter of forward"))
                continue
            if place and self._count(region.items[place - 1], item):
                continue
            if place + 1 < len(region.items) and (count := self._count(item, region.items[place + 1])):
                self._unpack(item, count, region.items[place + 1])  # type: ignore[arg-type]
            made = self._module(item) if isinstance(item, Region) else self._node(item)
            if made.when:
                self.conditional |= dict.fromkeys((index for _, index in made.results), made.when)
            self.items.append(made if self.layout.demands is None else self.order.placed(item, made, len(self.items)))
        self.order.check_effects()
        self.where = f"the result of {where}"
        form = Form(
            formals,
            tuple(self.items),
            self._result(),
            region.plan,
            self.values,
            self.former.root if region.parent is None else None,
            tuple(self._uncertain(region, refs)),
            tuple(self._uncertain(region, region.outputs)),
            tuple(self.order.certain),
            where,
        )
        return form if self.layout.demands is not None else sized(collected(form))

    def _count(self, made: Node | Region, guard: Node | Region) -> int:
        """How many values a node gives, if what follows it is the guard of that; else 0."""
        if self.layout.demands is not None or not isinstance(made, Node) or not isinstance(guard, Node):
            return 0
        is_unpacked = isinstance(guard.op, Call) and guard.op.target == GUARD and made.name in self.layout.items
        return counted(made, guard) if is_unpacked else 0

    def _unpack(self, made: Node, count: int, guard: Node) -> None:
        """Unpacking what a node gives counts it, as in the user's code; if that does not, its guard goes first."""
        self.counts[made.name] = count
        if len(_unpacked(made)) != count:
            self.items.append(self._node(guard))

    def _formals(self) -> tuple[list[Ref], tuple[str, ...]]:
        """The call's inputs, and what they are called."""
        if self.region.parent is None:
            names = [given.name for given in self.layout.graph.inputs]
            return list(map(Ref, names)), tuple(map(as_name, names))
        refs = list(self.region.inputs)
        called = self.layout.called(self.region)
        return refs, tuple(as_name(called.get(ref) or self._lifted(ref)) for ref in refs)

    def _lifted(self, ref: Ref) -> str:
        node = self.layout.graph.by_name.get(ref.name)
        if node is not None and node.op == Call("torch.Tensor.__bool__"):
            return "decision"
        return "x" if ref.name in self.layout.home else ref.name.rpartition(".")[2]

    def _result(self) -> Arg:
        if self.region.parent is None:
            return self.term(self.layout.graph.output)
        outputs = tuple(self._passed(ref, ()) for ref in self.region.outputs)
        return outputs[0] if len(outputs) == 1 else outputs

    def _uncertain(self, region: Region, refs: Iterable[Ref]) -> Iterator[int]:
        """The places of the values that a call may not need, or that those around it may not need of it."""
        return (place for place, ref in enumerate(refs) if not self.layout.is_certain(region, ref.name))

    # ------------------------------------------------------------ items
    def _module(self, inner: Region) -> Item:
        self.where = f"the call of module {inner.path!r}"
        target = self.table.access(self.region.path, inner.path, self.where)
        inputs, outputs = list(inner.inputs), list(inner.outputs)
        variant = self.former.variants[inner]
        when = self._when(when_of(inner))
        arguments = tuple([self._passed(ref, when) for ref in inputs])
        results = tuple((() if len(outputs) == 1 else (place,), self.number(ref)) for place, ref in enumerate(outputs))
        return Item(
            kind="module",
            target=f"{target}.{self.table.forward(inner.path, variant)}" if variant else target,
            args=arguments,
            results=results,
            hint=self._attribute(inner.path),
            when=when,
            plan=inner.plan,
            container=None if variant else self._container(inner.path),
            thunks=tuple(self._uncertain(inner, inputs)),
            asked=tuple(results[place][1] for place in self._uncertain(inner, outputs)),
            where=self.where,
        )

    def _passed(self, ref: Ref, when: tuple[Arg, ...]) -> Arg:
        """A value that is handed to another call; None where the conditions do not hold under which it is computed.

        Args:
            ref: the value.
            when: the conditions that hold where it is handed over.
        """
        term = self.term(ref)
        own = self.conditional.get(term.index, ()) if self.conditional and isinstance(term, Local) else ()
        missing = (*own[common(own, when) :], *map(self.term, self._doubts(ref)))
        return Apply("if", (conjunction(missing), term, Literal("None"))) if missing else term

    def _doubts(self, ref: Ref) -> tuple[Expr, ...]:
        """What must hold for a value to be there that is part of a result with more or fewer parts."""
        node = self.layout.graph.by_name.get(ref.name) if ref.item and ref not in self.layout.sure else None
        here = node is not None and self.layout.home[ref.name] is self.region and ref.name not in self.counts
        return is_there(node, ref.item) if here and node is not None else ()

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
            case Call():
                return self._call(node)
        raise EmitError(f"{node.where} is a {type(node.op).__name__}, which no call can run")

    def _made(self, node: Node, kind: str, target: str, args: Arg, kwargs: Arg, hint: str, **rest: Any) -> Item:
        when = self._when(conditions(node)) if node.when is not None else ()
        called = node.source.target if node.source else ""
        return Item(kind, target, args, kwargs, self._results(node), hint, called, when, where=node.where, **rest)

    def _layer(self, node: Node, layer: Layer) -> Item:
        target = self.table.access(self.region.path, layer.path, node.where)
        arguments = self.term(node.args)
        if node.name in self.former.writes.copied:
            arguments = (self._copy(node, arguments[0]), *arguments[1:])
        is_open = self.layout.demands is not None and any(True for _ in choices_in(layer.config))
        hint, count = self._attribute(layer.path), 2 * (layer.type in _PAIRS)
        return self._made(node, "layer", target, arguments, self.term(node.kwargs), hint, plan=is_open, count=count)

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

    def _call(self, node: Node) -> Item:
        arguments = self.term(node.args)
        if isinstance(node.op, Call) and node.op.target in _PAIRS:
            self.counts[node.name] = 2
        if node.name in self.former.writes.out_of_place:
            moved = without_writing(node)
            if isinstance(moved.op, Call) and moved.op.target in targets.TARGETS:
                node = moved
            else:  # `copy_` and the like write or do nothing
                arguments = (self._copy(node, arguments[0]), *arguments[1:])
        assert isinstance(node.op, Call)  # the caller matched it
        return self._made(
            node,
            "function",
            node.op.target,
            arguments,
            self.term(node.kwargs),
            _hint(node.name),
            writes=effects.writes(node) and "inplace" not in node.kwargs,
            count=self.counts.get(node.name, 0),
        )

    def _results(self, node: Node) -> tuple[tuple[tuple[int | str, ...], int], ...]:
        items = self.layout.items.get(node.name)
        if not items:
            return ()
        wholes: set[tuple[int | str, ...]] = (
            {()} if any(isinstance(key, str) for item in items for key in item) else set(items)
        )
        if isinstance(node.op, Call) and node.name not in self.counts:  # unpacking more than there is would raise
            sure = all(Ref(node.name, item) in self.layout.sure for item in items)
            wholes = wholes if sure and _unpacked(node) else {()}
        packed = _packed(node)
        if packed is not None and any(item[: len(packed)] == packed for item in items):
            wholes.add(packed)
        wholes = {item for item in wholes if not any(item[:depth] in wholes for depth in range(len(item)))}
        results = {item: self.number(Ref(node.name, item)) for item in sorted(wholes)}
        for item in items:  # parts of what is read as a whole are reached from there
            whole = next(item[:depth] for depth in range(len(item) + 1) if item[:depth] in wholes)
            way = item[len(whole) :]
            fields = (_FIELDS[int(way[0])],) if way and whole == packed else way
            self.known[Ref(node.name, item)] = Local(results[whole], fields)
        return tuple(results.items())

    def _when(self, all_conditions: Conditions) -> tuple[Arg, ...]:
        return tuple([self.term(condition) for condition in all_conditions[len(self.region.when or ()) :]])

    def _attribute(self, path: str) -> str:
        name = self.table.names.get(path) or _last(path)
        return "" if name.isdigit() else name


def _unpacked(node: Node) -> tuple[Target, ...]:
    """The variables into which the user's code unpacks the result of a node; none where it does otherwise."""
    target = node.source.target if node.source else ""
    return target if isinstance(target, tuple) else ()


def _packed(node: Node) -> tuple[int, ...] | None:
    """Where in the result of a node there may be a packed sequence; None for nowhere."""
    match node.op:
        case Layer(type=name) | Call(target=name):
            return _PACKED.get(name)
    return None


# ---------------------------------------------------------------- order of values, names
def _last(name: str) -> str:
    return without_calls(name).rpartition(".")[2]


def _hint(name: str) -> str:
    """The name of a node without its place and the number that kept it apart from others."""
    stem = _last(name)
    head, _, tail = stem.rpartition("_")
    return as_name(head if head and tail.isdigit() else stem).lower()
