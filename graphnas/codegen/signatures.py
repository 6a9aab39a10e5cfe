"""What torch's layers take and hold, read from torch itself."""

from __future__ import annotations

import dataclasses
import functools
import importlib
import inspect
from typing import Any

import torch
from torch import nn

from graphnas.errors import EmitError
from graphnas.ir import constructor
from graphnas.ir.node import Arg, Constant, Device
from graphnas.ir.targets import NAMESPACES

_STATELESS_MODULES = (
    "activation",
    "channelshuffle",
    "distance",
    "dropout",
    "flatten",
    "fold",
    "linear",
    "padding",
    "pixelshuffle",
    "pooling",
    "upsampling",
)
_WITH_STATE = (nn.Linear, nn.Bilinear, nn.PReLU, nn.MultiheadAttention)


@functools.cache
def layer_class(name: str) -> type[nn.Module]:
    """The class that a layer's dotted name stands for.

    Raises:
        EmitError: there is none.
    """
    found = class_called(name)
    if not issubclass(found, nn.Module):
        raise EmitError(f"{name!r} is not a torch.nn.Module class")
    return found


def object_class(name: str) -> type:
    """The class of an object of plain values, by its dotted name.

    Raises:
        EmitError: there is none.
    """
    found = class_called(name)
    if name not in NAMESPACES and not dataclasses.is_dataclass(found):
        raise EmitError(f"{name!r} is not a data class")
    return found


def class_called(name: str) -> type:
    """What a dotted name stands for.

    Raises:
        EmitError: no class.
    """
    module, _, attribute = name.rpartition(".")
    try:
        found = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError):
        raise EmitError(f"there is no class {name!r}; is the package that has it installed?") from None
    if not isinstance(found, type):
        raise EmitError(f"{name!r} is not a class")
    return found


@functools.cache
def is_stateless(name: str) -> bool:
    """Whether a layer type has no parameters or buffers, however configured: its path is in no `state_dict`."""
    if not name.startswith("torch."):
        return False  # nor need the class be found: one that is kept whole may stand inside a function
    found = layer_class(name)
    package, _, module = found.__module__.rpartition(".")
    return package == "torch.nn.modules" and module in _STATELESS_MODULES and not issubclass(found, _WITH_STATE)


@functools.cache
def parameters(name: str) -> tuple[inspect.Parameter, ...]:
    """The constructor's parameters that a configuration can name, without `self`.

    Raises:
        EmitError: there is no such layer.
    """
    return constructor.parameters(layer_class(name))


def runtime_value(value: Arg) -> Any:
    """A configuration value as torch takes it."""
    match value:
        case Constant(name=name) if name.startswith("torch."):
            return getattr(torch, name.removeprefix("torch."))
        case Device(name=name):
            return torch.device(name)
        case tuple():
            return tuple(runtime_value(item) for item in value)
    return value
