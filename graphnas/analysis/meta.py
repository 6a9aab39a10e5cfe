"""One operation on torch's meta device: what comes out, given what goes in, without any data."""

from __future__ import annotations

import functools
import itertools
import operator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from graphnas.analysis.names import resolve
from graphnas.errors import GraphError
from graphnas.ir import targets
from graphnas.ir.attributes import ATTRIBUTES
from graphnas.ir.frozen import FrozenDict
from graphnas.ir.node import ALIAS, SET_DATA, Arg, Built, Constant, Device, List, Slice

# They give what they are given; torch cannot do that on the meta device.
PASSING = frozenset({ALIAS, "torch.Tensor.cpu", "torch.Tensor.cuda", "torch.Tensor.__setitem__"})


@dataclass(frozen=True, slots=True)
class Meta:
    """A tensor without data; strides too, since `view` depends on them."""

    dims: tuple[int, ...]
    dtype: str
    strides: tuple[int, ...]

    def __bool__(self) -> bool:
        raise DependsOnDataError("it reads the truth value of a tensor")


class DependsOnDataError(Exception):
    """The shape of a result cannot be told without the data."""


def contiguous(dims: tuple[int, ...], dtype: str) -> Meta:
    """A tensor whose elements lie in order."""
    strides = itertools.accumulate((max(dim, 1) for dim in dims[:0:-1]), operator.mul, initial=1)
    return Meta(dims, dtype, tuple(strides)[::-1] if dims else ())


def first_line(error: Exception) -> str:
    """An error's class and the first line of its message."""
    lines = str(error).strip().splitlines()
    return ": ".join([type(error).__name__, *(line.rstrip(".") for line in lines[:1])])


def result(name: str, config: FrozenDict[str, Arg] | None, args: tuple[Arg, ...], kwargs: FrozenDict[str, Arg]) -> Any:
    """What a layer, or without `config` a function, gives: an argument tree in which a tensor is a `Meta`.

    Args:
        name: the dotted name of the layer's class or the function.
        config: the layer's constructor arguments.
        args: closed argument trees in which a tensor is a `Meta`.
        kwargs: as `args`.

    Raises:
        DependsOnDataError: the shape cannot be told without the data, or torch cannot tell it.
    """
    try:
        hash((args, kwargs))
    except TypeError:  # what torch makes of a dtype, a `torch.finfo`, is no key to a dict
        return _run(name, config, args, kwargs)
    # The text tells 1, 1.0 and True apart, which are one key to a dict.
    return _remembered(name, config, args, kwargs, repr((config, args, kwargs)))


@functools.lru_cache(maxsize=20_000)
def _remembered(
    name: str, config: FrozenDict[str, Arg] | None, args: tuple[Arg, ...], kwargs: FrozenDict[str, Arg], _text: str
) -> Any:
    return _run(name, config, args, kwargs)


def _run(name: str, config: FrozenDict[str, Arg] | None, args: tuple[Arg, ...], kwargs: FrozenDict[str, Arg]) -> Any:
    if name in PASSING:
        return args[0]
    if name == SET_DATA:
        return args[1]
    if name == "torch.is_autocast_enabled":
        return False  # of the meta device torch cannot tell
    if name in targets.PACKING:
        raise DependsOnDataError("how long packed sequences are is known when the network runs")
    with torch.device("meta"), torch.no_grad():
        given, named = built(args), built(kwargs)
        try:
            if config is not None and name not in targets.LAYERS:
                return _of_whole_module(name, config, args, kwargs)
            if config is not None:
                return _described(layer(name, config)(*given, **named))
            return _described(called(name, given, named))
        except NotImplementedError as error:
            raise DependsOnDataError(first_line(error)) from error
        except (RuntimeError, TypeError) as error:
            if "meta tensor" in str(error) or "meta device" in str(error):
                raise DependsOnDataError(first_line(error)) from error
            raise


def _of_whole_module(
    name: str, config: FrozenDict[str, Arg], args: tuple[Arg, ...], kwargs: FrozenDict[str, Arg]
) -> Any:
    """What somebody's module gives: one that looks at values is run on zeros."""
    reasons = []
    for device in ("meta", "cpu"):
        with torch.random.fork_rng(devices=()), torch.device(device):
            try:
                module = resolve(name)(**built(config, device)).eval()
                return _described(module(*built(args, device), **built(kwargs, device)))
            except Exception as error:  # whatever somebody's module raises
                reasons.append(first_line(error))
    raise DependsOnDataError(f"{name} cannot be run on zeros: {reasons[-1]}")


def called(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What a function gives for tensors."""
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
def layer(name: str, config: FrozenDict[str, Arg]) -> nn.Module:
    """A layer on the meta device, in evaluation.

    Raises:
        GraphError: there is no such class of layers.
    """
    kind = resolve(name)
    if not (isinstance(kind, type) and issubclass(kind, nn.Module)):
        raise GraphError(f"{name} is not a class of layers")
    with torch.device("meta"):
        return kind(**built(config)).eval()


def built(tree: Arg, device: str = "meta") -> Any:
    """Python objects for a closed argument tree, tensors on the device; they are zeros."""
    match tree:
        case Meta():
            made = torch.empty_strided(tree.dims, tree.strides, dtype=resolve(tree.dtype), device=device)
            return made if device == "meta" else made.zero_()
        case tuple():
            return tuple([built(item, device) for item in tree])
        case List():
            return [built(item, device) for item in tree.items]
        case FrozenDict():
            return {key: built(value, device) for key, value in tree.items()}
        case Slice():
            return slice(*[built(part, device) for part in (tree.start, tree.stop, tree.step)])
        case Constant():
            return resolve(tree.name)
        case Device():
            return torch.device(device)
        case Built(type=name, config=config):
            return resolve(name)(**built(config, device))
    return tree


def _described(value: Any) -> Any:
    """The argument tree of what torch has returned."""
    match value:
        case Tensor():
            return Meta(tuple(value.shape), str(value.dtype), value.stride())
        case tuple() | list():
            return tuple(map(_described, value))
        case dict():
            return FrozenDict({key: _described(item) for key, item in value.items()})
        case torch.dtype():
            return Constant(str(value))
        case torch.device():
            return Device("cpu")
    return value
