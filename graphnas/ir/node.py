"""The vocabulary of a graph: references, argument trees, four kinds of operation, nodes, and the module table."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeAlias

from graphnas.errors import GraphError
from graphnas.ir.choice import FUNCTIONS, Apply, Choice, Expr, choices_in
from graphnas.ir.evaluation import are_same
from graphnas.ir.frozen import FrozenDict, Remembering
from graphnas.ir.opaque import Opaque
from graphnas.ir.source import Source

# An argument tree: None, bool, int, float, complex, str, Ellipsis, Ref, Expr, Constant, Device, Built, tuple, List,
# Slice, and FrozenDict with constant keys.
Arg: TypeAlias = Any


@dataclass(frozen=True, slots=True)
class Ref:
    """Use of the result of the node or input called `name`; `item` goes into a tuple-valued result."""

    name: str
    item: tuple[int | str, ...] = ()


@dataclass(frozen=True, slots=True)
class Size(Expr):
    """The extent of a value along a dimension, known only when the network runs; `dim` None is `numel()`.

    Attributes:
        of: the value.
        dim: the dimension.
        called: what the user's code calls the sizes of the value, all of them; () where it takes them one by one.
    """

    of: Ref
    dim: int | None
    called: tuple[str, ...] = field(default=(), compare=False)


@dataclass(frozen=True, slots=True)
class Given(Expr):
    """Whether the caller gave an input that may be left out, and did not give None."""

    of: Ref


@dataclass(frozen=True, slots=True)
class List:
    """A Python list among the arguments (a `tuple` stays a tuple)."""

    items: tuple[Arg, ...]


@dataclass(frozen=True, slots=True)
class Slice:
    """A Python slice among the arguments."""

    start: Arg = None
    stop: Arg = None
    step: Arg = None


@dataclass(frozen=True, slots=True)
class Constant:
    """A constant of torch by its dotted name: a dtype, layout or memory format (`torch.float32`)."""

    name: str


@dataclass(frozen=True, slots=True)
class Device:
    """A `torch.device` by its name: `cpu`, `cuda:0`."""

    name: str


@dataclass(frozen=True, slots=True)
class Built:
    """What a constructor is given: a layer of torch, or an object of plain values, built as `type(**config)`."""

    type: str
    config: FrozenDict[str, Arg] = field(default_factory=FrozenDict)


# ---------------------------------------------------------------- operations
@dataclass(frozen=True, slots=True)
class Layer:
    """Calls the submodule at `path`, built as `type(**config)`. The config is complete, defaults included."""

    path: str
    type: str
    config: FrozenDict[str, Arg] = field(default_factory=FrozenDict)


@dataclass(frozen=True, slots=True)
class Param:
    """Reads the parameter, buffer or constant at `path`."""

    path: str
    shape: tuple[int | Expr, ...]


@dataclass(frozen=True, slots=True)
class Call:
    """Calls a function by its dotted name, a method as `torch.Tensor.view`, or one of the IR's own (below)."""

    target: str


@dataclass(frozen=True, slots=True)
class Choose:
    """Returns the argument at the chosen position.

    `choice` is a `Choice` with as many options as the node has arguments, or a Boolean `Expr` without choices (a
    condition that the running module closes), with the arguments (value if true, value if false). `merge` joins the
    arguments where a choice takes several: "sum", "mean", or "concat" along dimension 1.
    """

    choice: Choice | Expr
    merge: str = "sum"


Op: TypeAlias = Layer | Param | Call | Choose

# Calls that only the IR has.
GUARD = "graphnas.guard"  # (test, where): refuses to go on where the Boolean expression `test` does not hold
ENTER_GRAD_MODE = "graphnas.enter_grad_mode"  # (enabled,): the nodes up to the matching exit run in that grad mode
EXIT_GRAD_MODE = "graphnas.exit_grad_mode"
ENTER_AUTOCAST = "graphnas.enter_autocast"  # (device,): the nodes up to the matching exit run without autocast there
EXIT_AUTOCAST = "graphnas.exit_autocast"
ENTERS, EXITS = frozenset((ENTER_GRAD_MODE, ENTER_AUTOCAST)), frozenset((EXIT_GRAD_MODE, EXIT_AUTOCAST))
ALIAS = "graphnas.alias"  # (value,): a module returned what it was given
SET_DATA = "graphnas.set_data"  # (tensor, value): `tensor.data = value`
UNRECORDED = "graphnas.unrecorded"  # (reason, where): how a tensor starts could not be written down
ARGUMENT = "graphnas.argument"  # (name, value): what forward is given for a parameter of plain values, such as value
MERGES = {"sum": "graphnas.sum", "mean": "graphnas.mean", "concat": "graphnas.concat"}  # a closed `Choose` of several


@dataclass(frozen=True, slots=True)
class Frame:
    """One module call around a node: the module's path, its class, and which call of that module it is (from 0)."""

    path: str
    type: str
    call: int = 0


@dataclass(frozen=True)
class Node(Remembering):
    """One step of the network.

    Attributes:
        name: unique and dotted; `path@k` marks the k-th further call of the module at `path`.
        op: what is computed.
        args, kwargs: argument trees.
        scope: the module calls around it, outermost first, without the root's.
        when: the condition under which it runs; None is always.
        after: nodes that must have run before although no value passes.
        source: the user's file and line; not part of equality.
    """

    name: str
    op: Op
    args: tuple[Arg, ...] = ()
    kwargs: FrozenDict[str, Arg] = field(default_factory=FrozenDict)
    scope: tuple[Frame, ...] = ()
    when: Expr | None = None
    after: tuple[str, ...] = ()
    source: Source | None = field(default=None, compare=False)

    @cached_property
    def refs(self) -> tuple[Ref, ...]:
        """What the node reads, without repeats, in order of appearance."""
        return tuple(dict.fromkeys(refs_in((self.args, self.kwargs, self.when, self.condition))))

    @cached_property
    def choices(self) -> tuple[Choice, ...]:
        """The open choices in the node's operation and arguments, without repeats."""
        match self.op:
            case Choose(choice=choice):
                own: tuple[Any, ...] = (choice,)
            case Layer(config=config):
                own = (config,)
            case Param(shape=shape):
                own = shape
            case _:
                own = ()
        return tuple(dict.fromkeys(choices_in((*own, self.args, self.kwargs, self.when))))

    @property
    def condition(self) -> Expr | None:
        """The Boolean expression of a `Choose` that the running module closes, else None."""
        return self.op.choice if isinstance(self.op, Choose) and not isinstance(self.op.choice, Choice) else None

    @property
    def where(self) -> str:
        """The node and the user's line, for messages: `node layer2.0.act (my_model.py:41)`."""
        return f"node {self.name} ({self.source})" if self.source else f"node {self.name}"


# ---------------------------------------------------------------- what surrounds the nodes
@dataclass(frozen=True, slots=True)
class Input:
    """A tensor that the network is given.

    Attributes:
        name: what nodes refer to.
        path: how it is found among the arguments of `forward`: a parameter's name, then keys and indices.
        shape, dtype: of the example that was traced.
    """

    name: str
    path: tuple[str | int, ...]
    shape: tuple[int, ...]
    dtype: str = "torch.float32"


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of the root's `forward`.

    Attributes:
        name: as the user wrote it.
        kind: "positional", "keyword", "var_positional" or "var_keyword".
        required: whether it has no default.
        fixed: whether only `value` was traced; another value is refused when the network runs. Of several values that
            were traced, guards and conditions on `Given` inputs or on an `ARGUMENT` tell.
        value: the default, or the value that was traced where `fixed`.
    """

    name: str
    kind: str = "positional"
    required: bool = True
    fixed: bool = False
    value: Arg = None


@dataclass(frozen=True)
class Entry(Remembering):
    """A row of the module table: one registered module, parameter or buffer, in registration order.

    Attributes:
        path: where it is registered; the root's is "".
        kind: "module" (a container or a class of the user's), "layer" (built as `type(**config)`), "parameter",
            "buffer", "constant" (a tensor that is held without being registered), or "none" (a slot that holds None).
        type: the class: of a container or layer its dotted name, of the user's modules the class name alone; of a
            slot that holds None which kind of slot.
        config: of a layer its constructor arguments; of a user's module {"base": dotted container} where it derives
            from one; of tensors "shape", "dtype", and where they apply "requires_grad", "persistent", "value".
        frozen: names of the layer's parameters that want no gradient.
        same_as: the path of the earlier entry that this one is (tied weights, shared modules).
        opaque: of a layer that is a module of somebody's, kept whole: why; not part of equality.
        initial: how a tensor starts where torch's layer does not start it so; see `graphnas.ir.initial`. Its keys are
            the names of a layer's tensors, or "" for the tensor of the row itself.
    """

    path: str
    kind: str
    type: str = ""
    config: FrozenDict[str, Arg] = field(default_factory=FrozenDict)
    frozen: tuple[str, ...] = ()
    same_as: str = ""
    opaque: Opaque | None = field(default=None, compare=False)
    initial: FrozenDict[str, tuple[Node, ...]] = field(default_factory=FrozenDict)


# ---------------------------------------------------------------- walking argument trees
def refs_in(tree: Arg, sizes: bool = True) -> Iterator[Ref]:
    """The references in an argument tree, in order of appearance, with repeats; those of sizes only if asked for."""
    kind = type(tree)
    if kind is Ref:
        yield tree
    elif kind is tuple:
        for item in tree:
            yield from refs_in(item, sizes)
    elif kind is FrozenDict:
        for item in tree.values():
            yield from refs_in(item, sizes)
    elif kind is Size or kind is Given:
        if sizes:
            yield tree.of
    elif kind is Apply:
        yield from refs_in(tree.args, sizes)
    elif kind is List:
        yield from refs_in(tree.items, sizes)
    elif kind is Slice:
        yield from refs_in((tree.start, tree.stop, tree.step), sizes)


def transform(tree: Arg, leaf: Callable[[Any], Any]) -> Arg:
    """The tree with `leaf` applied to every leaf; unchanged subtrees stay the same objects.

    Leaves are everything but tuples, lists, slices, dicts and `Apply`. An `Apply` whose arguments are plain
    constants is folded; an `if` becomes what it selects as soon as its condition is known.
    """
    kind = type(tree)
    if kind is tuple:
        items = tuple([transform(item, leaf) for item in tree])
        return tree if all(a is b for a, b in zip(items, tree, strict=True)) else items
    if kind is FrozenDict:
        values = {key: transform(item, leaf) for key, item in tree.items()}
        return tree if all(values[key] is tree[key] for key in tree) else FrozenDict(values)
    if kind is Apply:
        if tree.fn == "if":
            return _select(tree, leaf)
        args = transform(tree.args, leaf)
        return fold(tree if args is tree.args else Apply(tree.fn, args))
    if kind is List:
        items = transform(tree.items, leaf)
        return tree if items is tree.items else List(items)
    if kind is Slice:
        new = transform(parts := (tree.start, tree.stop, tree.step), leaf)
        return tree if new is parts else Slice(*new)
    return leaf(tree)


def _select(expr: Apply, leaf: Callable[[Any], Any]) -> Arg:
    """An `if` under `transform`: what it selects where that is known, since the rest need not have a value then."""
    condition = transform(expr.args[0], leaf)
    if not _is_open(condition):
        return transform(expr.args[1 if condition else 2], leaf)
    yes, no = transform(expr.args[1], leaf), transform(expr.args[2], leaf)
    if are_same(yes, no):
        return yes
    args = (condition, yes, no)
    return expr if all(a is b for a, b in zip(args, expr.args, strict=True)) else Apply("if", args)


def fold(expr: Apply) -> Any:
    """The value of an expression whose arguments are all constants; otherwise the expression.

    Raises:
        GraphError: it has none, as a division by zero.
    """
    if any(map(_is_open, expr.args)):
        return expr
    try:
        return FUNCTIONS[expr.fn](*expr.args)
    except (ArithmeticError, TypeError, ValueError) as error:
        raise GraphError(f"{expr.fn!r} of {', '.join(map(repr, expr.args))} has no value: {error}") from error


def _is_open(arg: Arg) -> bool:
    return isinstance(arg, (Expr, Ref)) or (isinstance(arg, tuple) and any(map(_is_open, arg)))
