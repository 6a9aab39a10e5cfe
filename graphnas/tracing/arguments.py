"""Python values as argument trees."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from graphnas.ir.frozen import FrozenDict
from graphnas.ir.node import Arg, Constant, Device, List, Slice
from graphnas.tracing.names import constant_name
from graphnas.tracing.sizes import Followed, expression, plain

_PLAIN = frozenset((type(None), bool, int, float, complex, str, type(Ellipsis)))
_DTYPES = {int: torch.int64, float: torch.float64, bool: torch.bool}


class NotAnArgumentError(Exception):
    """A value has no place in a graph."""

    def __init__(self, value: object) -> None:
        super().__init__(f"a {type(value).__name__}")
        self.value = value


def argument(value: Any, read: Callable[[Any], Arg], output: bool = False) -> Arg:
    """The argument tree of a Python value.

    Args:
        value: what a function or layer was given, or what the model returned.
        read: what stands for a tensor, a device or a packed sequence.
        output: whether data classes may stand for dicts, as in what a model returns.

    Raises:
        NotAnArgumentError: something in it cannot stand in a graph.
    """
    kind = type(value)
    if kind in _PLAIN:
        return value
    if isinstance(value, Tensor) or kind is torch.device or kind is PackedSequence:
        return read(value)
    if issubclass(kind, Followed):
        return expression(value)
    if isinstance(value, tuple):
        return tuple([argument(item, read, output) for item in value])
    if isinstance(value, list):
        return List(tuple([argument(item, read, output) for item in value]))
    if isinstance(value, dict):
        return FrozenDict({_key(key, value): argument(item, read, output) for key, item in value.items()})
    if kind is slice:
        return Slice(*(argument(part, read, output) for part in (value.start, value.stop, value.step)))
    if output and dataclasses.is_dataclass(value):
        fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        return FrozenDict({name: argument(item, read, output) for name, item in fields.items()})
    return _constant(value)


def _key(key: object, holder: object) -> Any:
    if not isinstance(key, str | int | bool | None):
        raise NotAnArgumentError(holder)
    return plain(key)


def _constant(value: Any) -> Arg:
    match value:
        case torch.dtype() | torch.memory_format() | torch.layout():
            return Constant(constant_name(value))
        case range():
            return argument(list(value), no_tensor)
        case enum.Enum():
            return _constant(value.value) if type(value.value) not in _PLAIN else value.value
        case type() if value in _DTYPES:
            return Constant(constant_name(_DTYPES[value]))
        case int():
            return int(value)
        case float():
            return float(value)
        case str():
            return str(value)
    item = getattr(value, "item", None)
    if type(value).__module__ == "numpy" and item is not None and getattr(value, "ndim", 1) == 0:
        return argument(item(), no_tensor)
    raise NotAnArgumentError(value)


def no_tensor(value: Any) -> Arg:
    """What stands for a device where no tensor may stand."""
    if isinstance(value, torch.device):
        return Device(str(value))
    raise NotAnArgumentError(value)
