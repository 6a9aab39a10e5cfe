"""Dims and dtype of every value of a graph, found by running it on torch's meta device."""

from __future__ import annotations

import functools
import itertools
import weakref
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from graphnas.analysis.names import resolve
from graphnas.errors import GraphError
from graphnas.ir.choice import Arch, Choice, Training
from graphnas.ir.frozen import FrozenDict
from graphnas.ir.graph import Graph
from graphnas.ir.node import (
    ALIAS,
    ATTRIBUTES,
    ENTER_GRAD_MODE,
    EXIT_GRAD_MODE,
    GUARD,
    MERGES,
    SET_DATA,
    Arg,
    Call,
    Choose,
    Constant,
    Device,
    Layer,
    List,
    Node,
    Param,
    Ref,
    Size,
    Slice,
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
    evaluation. Without an `arch` the answer is kept for as long as the graph lives.

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
    result: Any = found[ref.name]
    for item in ref.item:
        if result is None or isinstance(result, (Shape, Unknown)):
            return result if isinstance(result, Unknown) else None
        result = result[item]
    return result


def _text(ref: Ref) -> str:
    return ref.name + "".join(f"[{item!r}]" for item in ref.item)


# ---------------------------------------------------------------- running
_KNOWN: dict[int, Mapping[str, Result]] = {}


@dataclass(frozen=True, slots=True)
class _Meta:
    """A tensor without data; strides too, since `view` depends on them."""

    dims: tuple[int, ...]
    dtype: str
    strides: tuple[int, ...]

    def __bool__(self) -> bool:
        raise _DependsOnDataError("it reads the truth value of a tensor")


class _DependsOnDataError(Exception):
    """The shape of a result cannot be told without the data."""


class _UnknownArgumentError(Exception):
    """An argument's shape is unknown, so the result's is as well."""

    def __init__(self, unknown: Unknown) -> None:
        self.unknown = unknown


def _run(graph: Graph, arch: Arch) -> dict[str, Any]:
    values: dict[str, Any] = {
        given.name: _Meta(given.shape, given.dtype, _contiguous(given.shape)) for given in graph.inputs
    }
    for node in graph.nodes:
        values[node.name] = _value(node, graph, values, arch)
    return values


def _contiguous(dims: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(itertools.accumulate((max(dim, 1) for dim in dims[:0:-1]), lambda a, b: a * b, initial=1))[::-1] if dims else ()


def _value(node: Node, graph: Graph, values: dict[str, Any], arch: Arch) -> Any:
    close = functools.partial(_closed, values=values, arch=arch)
    args: tuple[Any, ...] = ()
    try:
        if isinstance(node.op, Choose):
            return _chosen(node, close)
        if isinstance(node.op, Call) and node.op.target in (GUARD, ENTER_GRAD_MODE, EXIT_GRAD_MODE):
            return None
        args, kwargs = transform(node.args, close), transform(node.kwargs, close)
        match node.op:
            case Param(path=path, shape=shape):
                dims = transform(shape, close)
                return _Meta(dims, _dtype(graph, path), _contiguous(dims))
            case Layer(path=path) if graph.entries[path].kind == "opaque":
                return Unknown(f"{node.where}: {path} is opaque")
            case Layer(type=kind, config=config):
                return _result(kind, transform(config, close), args, kwargs)
            case Call(target=target):
                return _result(target, None, args, kwargs)
    except _UnknownArgumentError as found:
        return found.unknown
    except _DependsOnDataError as reason:
        return Unknown(f"{node.where}: {reason}")
    except Exception as error:
        given = ", ".join(map(str, _tensors(args))) or "nothing"
        reason = _first_line(error).rstrip(".")
        raise GraphError(
            f"{node.where} cannot run on {given}: {reason}. Change what feeds it, or the rule that "
            f"changed a shape before it"
        ) from error


def _dtype(graph: Graph, path: str) -> str:
    """The dtype of a tensor of the module table, or of a layer in it."""
    if path in graph.entries:
        dtype = graph.entries[path].config.get("dtype", "torch.float32")
        return dtype.name if isinstance(dtype, Constant) else str(dtype)
    owner, _, name = path.rpartition(".")
    entry = graph.entries[owner]
    return str(getattr(_layer(entry.type, transform(entry.config, _default)), name).dtype)


def _default(leaf: Arg) -> Arg:
    return leaf.default if isinstance(leaf, Choice) else leaf


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).strip().splitlines()[0]}" if str(error).strip() else type(error).__name__


def _closed(leaf: Arg, values: dict[str, Any], arch: Arch) -> Any:
    """A leaf of an argument tree without references, sizes, choices and mode."""
    match leaf:
        case Ref():
            value = values[leaf.name]
            for item in leaf.item:
                value = value if isinstance(value, Unknown) else value[item]
            if isinstance(value, Unknown):
                raise _UnknownArgumentError(value)
            return value
        case Size(of=of, dim=dim):
            dims = _closed(of, values, arch).dims
            return functools.reduce(lambda a, b: a * b, dims, 1) if dim is None else dims[dim]
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
        except (_DependsOnDataError, _UnknownArgumentError):
            return transform(node.args[0], close)
    taken = tuple(transform(node.args[position], close) for position in choice.positions(close(choice)))
    return taken[0] if choice.take == 1 else _result(MERGES[node.op.merge], None, taken, FrozenDict())


# ---------------------------------------------------------------- one operation
def _result(name: str, config: FrozenDict[str, Arg] | None, args: tuple[Arg, ...], kwargs: FrozenDict[str, Arg]) -> Any:
    # The text tells 1, 1.0 and True apart, which are one key to a dict.
    return _remembered(name, config, args, kwargs, repr((config, args, kwargs)))


@functools.lru_cache(maxsize=20_000)
def _remembered(
    name: str, config: FrozenDict[str, Arg] | None, args: tuple[Arg, ...], kwargs: FrozenDict[str, Arg], _text: str
) -> Any:
    """Described result of one layer (`config` given) or call on described arguments."""
    if name in (ALIAS, "torch.Tensor.cpu", "torch.Tensor.cuda", "torch.Tensor.__setitem__"):
        return args[0]
    if name == SET_DATA:
        return args[1]
    with torch.device("meta"), torch.no_grad():
        given, named = _built(args), _built(kwargs)
        try:
            if config is not None:
                return _described(_layer(name, config)(*given, **named))
            return _described(_called(name, given, named))
        except NotImplementedError as error:
            raise _DependsOnDataError(_first_line(error)) from error
        except (RuntimeError, TypeError) as error:
            if "meta tensor" in str(error) or "meta device" in str(error):
                raise _DependsOnDataError(_first_line(error)) from error
            raise


def _called(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    match name:
        case "graphnas.sum":
            return functools.reduce(torch.add, args)
        case "graphnas.mean":
            return functools.reduce(torch.add, args) / len(args)
        case "graphnas.concat":
            return torch.cat(args, dim=1)
    if name in ATTRIBUTES:
        return getattr(args[0], name.rpartition(".")[2])
    return resolve(name)(*args, **kwargs)


@functools.lru_cache(maxsize=2_000)
def _layer(name: str, config: FrozenDict[str, Arg]) -> nn.Module:
    kind = resolve(name)
    if not (isinstance(kind, type) and issubclass(kind, nn.Module)):
        raise GraphError(f"{name} is not a class of layers")
    return kind(**_built(config)).eval()


def _built(tree: Arg) -> Any:
    """Python objects for a closed argument tree, tensors on the meta device."""
    match tree:
        case _Meta():
            return torch.empty_strided(tree.dims, tree.strides, dtype=resolve(tree.dtype), device="meta")
        case tuple():
            return tuple(map(_built, tree))
        case List():
            return list(map(_built, tree.items))
        case FrozenDict():
            return {key: _built(value) for key, value in tree.items()}
        case Slice():
            return slice(_built(tree.start), _built(tree.stop), _built(tree.step))
        case Constant():
            return resolve(tree.name)
        case Device():
            return torch.device("meta")
    return tree


def _described(value: Any) -> Any:
    match value:
        case Tensor():
            return _Meta(tuple(value.shape), str(value.dtype), value.stride())
        case tuple() | list():
            return tuple(map(_described, value))
        case dict():
            return FrozenDict({key: _described(item) for key, item in value.items()})
        case torch.dtype():
            return Constant(str(value))
        case torch.device():
            return Device("cpu")
    return value


def _public(value: Any) -> Result:
    match value:
        case _Meta():
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
        case _Meta():
            yield Shape(tree.dims, tree.dtype)
        case tuple() | List():
            for item in tree if isinstance(tree, tuple) else tree.items:
                yield from _tensors(item)
