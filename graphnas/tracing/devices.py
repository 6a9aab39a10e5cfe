"""Devices that remember what they were read off: what a model decides by the kind of a device is guarded."""

from __future__ import annotations

import operator
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch

from graphnas.ir import node
from graphnas.ir.attributes import DEVICE_TYPE
from graphnas.ir.node import Arg, Call
from graphnas.tracing.dtypes import Named
from graphnas.tracing.record import Value
from graphnas.tracing.sizes import expression, pin

if TYPE_CHECKING:
    from graphnas.tracing.recorder import Recorder


class Device(Named):
    """A device that carries the expression it came from."""

    kind = running = torch.device
    listener: Recorder

    @staticmethod
    def claim(plain: torch.device) -> Arg:
        """A plain device in a graph."""
        return node.Device(str(plain))

    @property
    def type(self) -> Any:
        """The kind of it, "cpu" or "cuda", which is followed as well."""
        recorder, found = self.listener, self.value.type
        if not recorder.listening:
            return found
        step = recorder.step(Call(DEVICE_TYPE), (expression(self),), {}, "device_type", sys._getframe(1))
        return Kind(found, Value(found, step), recorder)


class Kind(Named):
    """The kind of a device, "cpu" or "cuda", that carries the expression it came from.

    It is no string of Python, whose value whatever is written in C would take without asking.
    """

    kind = running = str

    @staticmethod
    def claim(plain: str) -> Arg:
        """A plain kind in a graph."""
        return str.__str__(plain)  # of an enumeration the value

    def __radd__(self, other: Any) -> Any:
        return other + pin(self)

    def __bool__(self) -> bool:
        return True  # all have names


def _pinned(compute: Callable[..., Any]) -> Callable[..., Any]:
    """What is done with a string that is no comparison: the graph relies on the string from there on."""

    def method(self: Kind, *others: Any) -> Any:
        return compute(pin(self), *others)

    return method


for _name, _compute in {
    **{name: getattr(operator, name) for name in ("add", "mul", "mod", "contains", "getitem", "lt", "le", "gt", "ge")},
    "len": len,
    "iter": iter,
}.items():
    setattr(Kind, f"__{_name}__", _pinned(_compute))
