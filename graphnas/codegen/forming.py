"""From a module call in the graph to its form."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from graphnas.codegen.code import Local
from graphnas.codegen.form import Attribute, Form, Item, Literal, Plan, Root
from graphnas.codegen.layout import Conditions, Layout, Region, conditions, when_of
from graphnas.codegen.literals import as_name, literal
from graphnas.codegen.table import Table
from graphnas.codegen.writes import Writes, without_write
from graphnas.errors import EmitError
from graphnas.ir.choice import Apply, Choice, Expr, Training, choices_in
from graphnas.ir.frozen import FrozenDict
from graphnas.ir.node import ALIAS, Arg, Call, Choose, Layer, List, Node, Param, Ref, Size, Slice, without_calls

_ATOMS = (bool, int, float, complex, str)
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


class _Scope:
    """One call while its form is built: the terms that its values have so far."""

    def __init__(self, former: Former, region: Region) -> None:
        self.layout, self.table, self.former, self.region = former.layout, former.table, former, region
        self.known: dict[Ref, Arg] = {}
        self.asked: tuple[int, ...] = ()
        self.positions: dict[int, int] = {}  # by identity: nodes are large to hash
        self.values = 0
        self.where = f"module {region.path!r}" if region.path else "the root"
        self.certain: list[int] = []

    def form(self) -> Form:
        where = self.where
        formals = self._formals()
        items: list[Item] = []
        for item in self.region.items:
            if isinstance(item, Node) and isinstance(item.op, Call) and item.op.target == ALIAS:
                self.known[Ref(item.name)] = self.term(item.args[0])
                continue
            self.positions[id(item)] = len(items)
            if self._is_certain(item):
                self.certain.append(len(items))
            items.append(self._module(item) if isinstance(item, Region) else self._node(item))
        self.where = f"the result of {where}"
        return Form(
            formals,
            tuple(items),
            self._result(),
            self.region.plan,
            self.values,
            self.former.root if self.region.parent is None else None,
            self.asked,
            tuple(self._uncertain(self.region, ordered_outputs(self.region))),
            tuple(self.certain),
            where,
        )

    def _formals(self) -> tuple[str, ...]:
        if self.region.parent is None:
            refs = [Ref(given.name) for given in self.layout.graph.inputs]
            formals = [as_name(given.name) for given in self.layout.graph.inputs]
        else:
            refs = ordered_inputs(self.layout, self.region)
            called = _called(self.layout, self.region)
            formals = [as_name(called.get(ref) or self._lifted(ref)) for ref in refs]
            self.asked = tuple(self._uncertain(self.region, refs))
        for ref in refs:
            self._number(ref)
        return tuple(formals)

    def _uncertain(self, region: Region, refs: Sequence[Ref]) -> Iterator[int]:
        """The places of the values that a call may not need, or of which the calls around it may not need the result."""
        return (place for place, ref in enumerate(refs) if not self.layout.is_certain(region, ref.name))

    def _lifted(self, ref: Ref) -> str:
        return "x" if ref.name in self.layout.home else ref.name.rpartition(".")[2]

    def _result(self) -> Arg:
        if self.region.parent is None:
            return self.term(self.layout.graph.output)
        outputs = tuple(self.term(ref) for ref in ordered_outputs(self.region))
        return outputs[0] if len(outputs) == 1 else outputs

    def _number(self, ref: Ref) -> int:
        self.known[ref] = Local(self.values)
        self.values += 1
        return self.values - 1

    # ------------------------------------------------------------ items
    def _module(self, inner: Region) -> Item:
        self.where = f"the call of module {inner.path!r}"
        target = self.table.access(self.region.path, inner.path, self.where)
        inputs, outputs = ordered_inputs(self.layout, inner), ordered_outputs(inner)
        arguments = tuple(self.term(ref) for ref in inputs)
        results = tuple(
            (() if len(outputs) == 1 else (place,), self._number(ref)) for place, ref in enumerate(outputs)
        )
        variant = self.former.variants[inner]
        return Item(
            kind="module",
            target=f"{target}.forward_{variant}" if variant else target,
            args=arguments,
            results=results,
            hint=self._attribute(inner.path),
            when=self._when(when_of(inner)),
            after=self._after(inner),
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
        when, after = self._when(conditions(node)), self._after(node)
        match node.op:
            case Layer(path=path, type=kind, config=config):
                target = self.table.access(self.region.path, path, node.where)
                parts = ("layer", target, self.term(node.args), self.term(node.kwargs))
                is_open = any(True for _ in choices_in(config)) if node.choices else False
                return Item(
                    *parts,
                    self._results(node),
                    self._attribute(path),
                    when,
                    after,
                    is_open,
                    pair=kind in _PAIRS,
                    where=node.where,
                )
            case Choose():
                return self._choose(node, when, after)
            case Call(target=target):
                return self._call(node, target, when, after)
        raise EmitError(f"{node.where} is a {type(node.op).__name__}, which no call can run")

    def _choose(self, node: Node, when: tuple[Arg, ...], after: tuple[int, ...]) -> Item:
        assert isinstance(node.op, Choose)
        choice = node.op.choice
        arguments = self.term(node.args)
        if not isinstance(choice, Choice):
            return Item(
                kind="join",
                target="",
                args=(self.term(choice), *arguments),
                results=self._results(node),
                hint=_hint(node.name),
                when=when,
                after=after,
                where=node.where,
            )
        if len(arguments) != len(choice.options):
            raise EmitError(
                f"{node.where} has {len(arguments)} arguments, but {len(choice.options)} options to choose from"
            )
        return Item(
            kind="choose",
            target=choice.label,
            args=arguments,
            results=self._results(node),
            hint=_last(node.name),
            when=when,
            after=after,
            plan=True,
            options=tuple(literal(option, f"an option of {choice.label!r}") for option in choice.options),
            take=choice.take,
            merge=node.op.merge,
            where=node.where,
        )

    def _call(self, node: Node, target: str, when: tuple[Arg, ...], after: tuple[int, ...]) -> Item:
        arguments, kwargs = node.args, node.kwargs
        writing = self.former.writes.is_write(node)
        if writing and node.name in self.former.writes.out_of_place:
            target, kwargs, writing = (
                without_write(target),
                FrozenDict({k: v for k, v in kwargs.items() if k != "inplace"}),
                False,
            )
        return Item(
            kind="function",
            target=target,
            args=self.term(arguments),
            kwargs=self.term(kwargs),
            results=self._results(node),
            hint=_hint(node.name),
            when=when,
            after=after,
            writes=writing and "inplace" not in kwargs,
            pair=target in _PAIRS,
            where=node.where,
        )

    def _results(self, node: Node) -> tuple[tuple[tuple[int | str, ...], int], ...]:
        items = self.layout.items.get(node.name, {})
        if not items:
            return ()
        whole = () in items or any(isinstance(key, str) for item in items for key in item)
        if not whole:
            return tuple((item, self._number(Ref(node.name, item))) for item in sorted(items))
        number = self._number(Ref(node.name))
        for item in items:
            self.known[Ref(node.name, item)] = Local(number, item)
        return (((), number),)

    def _when(self, all_conditions: Conditions) -> tuple[Arg, ...]:
        beyond = all_conditions[len(self.region.when or ()) :]
        return tuple(self.term(condition) for condition in beyond)

    def _after(self, item: Node | Region) -> tuple[int, ...]:
        if self.layout.demands is None:
            return ()
        found = (self._position(name) for node in _nodes(item) for name in node.after)
        own = self.positions[id(item)]  # what is within a call is in order there
        return tuple(sorted({place for place in found if place is not None and place != own}))

    def _is_certain(self, item: Node | Region) -> bool:
        """Whether an item runs whenever the call does.

        Raises:
            EmitError: it does not, but somebody outside must run after it, and could not ask for it.
        """
        if self.layout.demands is None:
            return False
        if self.layout.is_certain(self.region, item if isinstance(item, Region) else item.name):
            return True
        awaited = self.former.awaited.get(self.region, set())
        for node in _nodes(item):
            if node.name in awaited:
                raise EmitError(
                    f"{node.where} writes what a node outside module {self.region.path!r} reads, but not every "
                    "architecture that calls the module needs that; write out of place there, or choose among modules"
                )
        return False

    def _position(self, name: str) -> int | None:
        """The item of this call in which a node ran."""
        node = self.layout.graph.by_name.get(name)
        inner = self.layout.home.get(name)
        if inner is self.region and node is not None:
            return self.positions.get(id(node))
        while inner is not None and inner.parent is not self.region:
            inner = inner.parent
        return self.positions.get(id(inner)) if inner is not None else None

    def _attribute(self, path: str) -> str:
        name = self.table.names.get(path, path.rpartition(".")[2])
        return "" if name.isdigit() else name

    # ------------------------------------------------------------ terms
    def term(self, tree: Arg) -> Arg:
        """An argument tree in the call's own terms."""
        kind = type(tree)
        if kind is Ref:
            return self._value(tree)
        if kind is int:
            return Literal(repr(tree), tree)
        if kind is tuple:
            return tuple([self.term(item) for item in tree])
        if tree is None or kind in _ATOMS:
            return Literal(literal(tree, self.where))
        if kind is FrozenDict:
            return FrozenDict({key: self.term(item) for key, item in tree.items()})
        match tree:
            case List(items=items):
                return List(self.term(items))
            case Slice(start=start, stop=stop, step=step):
                return Slice(self.term(start), self.term(stop), self.term(step))
            case Size(of=of, dim=dim):
                return Size(self.term(of), dim)
            case Apply(fn=fn, args=args):
                return Apply(fn, self.term(args))
            case Choice(label=label):
                return Plan(label, as_name(label.rpartition(".")[2]))
            case Training():
                return tree
            case Expr():
                raise EmitError(f"{self.where} depends on {tree!r}, which cannot be written as source")
        return Literal(literal(tree, self.where))

    def _value(self, ref: Ref) -> Arg:
        found = self.known.get(ref)
        if found is not None:
            return found
        whole = self.known.get(Ref(ref.name))
        if isinstance(whole, Local):
            return Local(whole.index, whole.item + ref.item)
        node = self.layout.graph.by_name.get(ref.name)
        if node is None or not isinstance(node.op, Param):
            raise EmitError(
                f"{self.where} reads {ref.name!r}{list(ref.item) or ''}, which nothing before it in its scope computes"
            )
        access = self.table.access(self.region.path, node.op.path, self.where)
        is_open = any(True for _ in choices_in(node.op.shape))
        term = Attribute(access, self.term(node.op.shape) if is_open else ())
        self.known[ref] = term
        return term


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


def _last(name: str) -> str:
    return as_name(without_calls(name).rpartition(".")[2])


def _hint(name: str) -> str:
    """The name of a node without its place and the number that kept it apart from others."""
    stem = without_calls(name).rpartition(".")[2]
    head, _, tail = stem.rpartition("_")
    return as_name(head if head and tail.isdigit() else stem).lower()
