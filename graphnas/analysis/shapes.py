"""Dims and dtype of every value of a graph, found by running it on torch's meta device."""

from __future__ import annotations

import functools
import operator
import weakref
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from graphnas.analysis.meta import DependsOnDataError, Meta, contiguous, first_line, layer, result
from graphnas.errors import GraphError
from graphnas.ir.choice import Arch, Choice, Training
from graphnas.ir.frozen import FrozenDict
from graphnas.ir.graph import Graph
from graphnas.ir.modules import owner
from graphnas.ir.node import (
    ARGUMENT,
    ENTERS,
    EXITS,
    GUARD,
    MERGES,
    Arg,
    Call,
    Choose,
    Constant,
    Given,
    Layer,
    List,
    Node,
    Param,
    Ref,
    Size,
    refs_in,
    transform,
)


@dataclass(frozen=True, slots=True)
class Shape:
    """Dims and dtype of a tensor; written `(2, 64, 8, 8)`, with the dtype behind it where that is not float32."""

    dims: tuple[int, ...]
    dtype: str = "torch.float32"

    def __str__(self) -> str:
        dims = f"({', '.join(map(str, self.dims))})"
        return dims if self.dtype == "torch.float32" else f"{dims} {self.dtype.removeprefix('torch.')}"


@dataclass(frozen=True, slots=True)
class Unknown:
    """A value whose shape depends on the data that the network is given, and why."""

    reason: str


# A node's result: a tensor, a tuple or mapping of results, or None for what is no tensor.
Result: TypeAlias = "Shape | Unknown | tuple[Any, ...] | FrozenDict[Any, Any] | None"


def shapes(graph: Graph, arch: Arch | None = None) -> Mapping[str, Result]:
    """The shape of every input and node, by name.

    Every arm of a choice is evaluated; the choice itself has the shape of the arm taken. Conditions are taken as in
    evaluation; what runs under one on sizes or data, and cannot run on the traced sizes, has an unknown shape.
    Without an `arch` the answer is kept for as long as the graph lives.

    Args:
        graph: a network or a space.
        arch: options by label; what it lacks is taken at its default.

    Raises:
        GraphError: a node cannot run on what it is given; the message names it and the user's line.
    """
    if arch:
        return {name: _public(value) for name, value in _run(graph, arch).items()}
    known = _KNOWN.get(id(graph))
    if known is None:
        known = _KNOWN[id(graph)] = {name: _public(value) for name, value in _run(graph, {}).items()}
        weakref.finalize(graph, _KNOWN.pop, id(graph), None)
    return known


def check_arms(graph: Graph) -> None:
    """Make sure that all arms of every choice have one shape.

    Raises:
        GraphError: a choice has arms of differing shapes.
    """
    found = shapes(graph)
    for node in graph.nodes:
        if isinstance(node.op, Choose) and node.condition is None:
            arms = {_text(arg): shape_of(found, arg) for arg in node.args if isinstance(arg, Ref)}
            if len(set(arms.values())) > 1:
                table = ", ".join(f"{name}: {shape}" for name, shape in arms.items())
                raise GraphError(f"{node.where} chooses among values of differing shapes ({table}); make them equal")


def shape_of(found: Mapping[str, Result], ref: Ref) -> Result:
    """The shape that a reference has, given `shapes(graph)`."""
    shape: Result = found[ref.name]
    for item in ref.item:
        match shape:
            case tuple() if isinstance(item, int) and item >= len(shape):
                return Unknown(f"{ref.name} has no part {item} on these inputs")
            case tuple() | FrozenDict():
                shape = shape[item]  # type: ignore[index]  # an index into a tuple, a key of a mapping
            case Unknown():
                return shape
            case _:
                return None
    return shape


def _text(ref: Ref) -> str:
    return ref.name + "".join(f"[{item!r}]" for item in ref.item)


# ---------------------------------------------------------------- running
_KNOWN: dict[int, Mapping[str, Result]] = {}


class UnknownArgumentError(Exception):
    """An argument's shape is unknown, so the result's is as well."""

    def __init__(self, unknown: Unknown) -> None:
        self.unknown = unknown


def _run(graph: Graph, arch: Arch) -> dict[str, Any]:
    values: dict[str, Any] = {given.name: contiguous(given.shape, given.dtype) for given in graph.inputs}
    for node in graph.nodes:
        values[node.name] = value_of(node, graph, values, arch)
    return values


def value_of(node: Node, graph: Graph, values: Mapping[str, Any], arch: Arch) -> Any:
    """What a node gives: an argument tree in which a tensor is a `Meta`; `Unknown` where that depends on data.

    Args:
        node: of the graph.
        graph: a network or a space.
        values: by name, of what the node reads.
        arch: options by label; what it lacks is taken at its default.

    Raises:
        GraphError: the node cannot run on these values; the message names it and the user's line.
    """
    close = functools.partial(closed, values=values, arch=arch)
    args: tuple[Any, ...] = ()
    try:
        if isinstance(node.op, Choose):
            return _chosen(node, close)
        if isinstance(node.op, Call) and node.op.target in {GUARD, *ENTERS, *EXITS}:
            return None
        args, kwargs = transform(node.args, close), transform(node.kwargs, close)
        match node.op:
            case Call(target=target) if target == ARGUMENT:
                return args[1]
            case Param(path=path, shape=shape):
                return contiguous(transform(shape, close), _dtype(graph, path))
            case Layer(path=path) if (known := _seen(graph, path, args, kwargs)) is not None:
                return known
            case Layer(type=kind, config=config):
                return result(kind, transform(config, close), args, kwargs)
            case Call(target=target):
                return result(target, None, args, kwargs)
    except UnknownArgumentError as found:
        return found.unknown
    except DependsOnDataError as reason:
        return Unknown(f"{node.where}: {reason}")
    except Exception as error:
        if node.when is not None and any(True for _ in refs_in(node.when)):
            return Unknown(f"{node.where}: it does not run on these inputs")  # but where its condition holds
        given = ", ".join(map(str, _tensors(args))) or "nothing"
        raise GraphError(
            f"{node.where} cannot run on {given}: {first_line(error)}. Change what feeds it, or the rule that changed "
            "a shape before it"
        ) from error


def _seen(graph: Graph, path: str, args: tuple[Arg, ...], kwargs: FrozenDict[str, Arg]) -> Any:
    """What a module that is kept whole gave for such arguments when it was traced; None if it never had them."""
    entry = graph.entries[path]
    own = graph.entries[entry.same_as] if entry.same_as else entry
    if own.opaque is None:
        return None
    asked = transform((args, kwargs), _form)
    return next((_metas(given) for *call, given in own.opaque.seen if tuple(call) == asked), None)


def _form(leaf: Arg) -> Arg:
    """A tensor as a module table writes it."""
    if not isinstance(leaf, Meta):
        return leaf
    return FrozenDict({"shape": leaf.dims, "dtype": Constant(leaf.dtype)})


def _metas(tree: Arg) -> Any:
    """What a module table writes of a result, as tensors without data."""
    match tree:
        case {"shape": tuple() as dims, "dtype": Constant(name=dtype), **rest} if not rest:
            return contiguous(dims, dtype)
        case FrozenDict():
            return FrozenDict({key: _metas(item) for key, item in tree.items()})
        case tuple() | List():
            return tuple(map(_metas, tree if isinstance(tree, tuple) else tree.items))
    return tree


def _dtype(graph: Graph, path: str) -> str:
    """The dtype of a tensor of the module table, or of a layer in it."""
    if path in graph.entries:
        dtype = graph.entries[path].config.get("dtype", "torch.float32")
        return dtype.name if isinstance(dtype, Constant) else str(dtype)
    entry = owner(graph.entries, path)
    assert entry is not None  # `verify` has found it
    name = path[len(entry.path) + 1 :]
    return str(operator.attrgetter(name)(layer(entry.type, transform(entry.config, at_default))).dtype)


def at_default(leaf: Arg) -> Arg:
    """A leaf of an argument tree at the first option of a choice."""
    return leaf.default if isinstance(leaf, Choice) else leaf


def closed(leaf: Arg, values: Mapping[str, Any], arch: Arch) -> Any:
    """A leaf of an argument tree without references, sizes, choices and mode.

    Raises:
        UnknownArgumentError: it is a value whose shape is not known.
    """
    match leaf:
        case Ref():
            value = values[leaf.name]
            for item in leaf.item:
                value = value if isinstance(value, Unknown) else value[item]
            if isinstance(value, Unknown):
                raise UnknownArgumentError(value)
            return value
        case Size(of=of, dim=dim):
            dims = closed(of, values, arch).dims
            return functools.reduce(operator.mul, dims, 1) if dim is None else dims[dim]
        case Given():
            return True
        case Choice():
            return arch.get(leaf.label, leaf.default)
        case Training():
            return False
    return leaf


def _chosen(node: Node, close: Callable[[Arg], Any]) -> Any:
    """The value of the arm that a `Choose` takes."""
    assert isinstance(node.op, Choose)
    choice = node.op.choice
    if not isinstance(choice, Choice):
        try:
            return transform(node.args[0 if transform(choice, close) else 1], close)
        except (DependsOnDataError, UnknownArgumentError):
            return _first_known(node.args, close)
    taken = tuple(transform(node.args[position], close) for position in choice.positions(close(choice)))
    return taken[0] if choice.take == 1 else result(MERGES[node.op.merge], None, taken, FrozenDict())


def _first_known(arms: tuple[Arg, ...], close: Callable[[Arg], Any]) -> Any:
    """The value of the first arm that has one."""
    try:
        return transform(arms[0], close)
    except UnknownArgumentError:
        if len(arms) < 2:
            raise
        return _first_known(arms[1:], close)


def _public(value: Any) -> Result:
    match value:
        case Meta():
            return Shape(value.dims, value.dtype)
        case Unknown():
            return value
        case tuple():
            return tuple(map(_public, value))
        case FrozenDict():
            return FrozenDict({key: _public(item) for key, item in value.items()})
    return None


def _tensors(tree: Arg) -> Iterator[Shape]:
    match tree:
        case Meta():
            yield Shape(tree.dims, tree.dtype)
        case tuple() | List():
            for item in tree if isinstance(tree, tuple) else tree.items:
                yield from _tensors(item)
