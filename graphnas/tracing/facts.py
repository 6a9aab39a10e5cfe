"""What Python asks about a tensor or about torch apart from values and sizes: what it hears may decide what it does."""

from __future__ import annotations

from collections.abc import Callable
from types import FrameType
from typing import TYPE_CHECKING, Any

import torch

from graphnas.ir.choice import Apply
from graphnas.ir.node import Call
from graphnas.tracing import sources
from graphnas.tracing.dtypes import Dtype
from graphnas.tracing.meanings import is_identified
from graphnas.tracing.record import Value

if TYPE_CHECKING:
    from graphnas.tracing.recorder import Recorder

# Functions and attributes that answer yes or no, otherwise for another dtype, device, or mode of torch.
FUNCTIONS = ("is_floating_point", "is_complex", "is_signed", "can_cast")
ATTRIBUTES = frozenset(("requires_grad", "is_leaf", "is_cuda", "is_cpu"))


def ask(
    recorder: Recorder,
    target: str,
    function: Callable[..., bool],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    frame: FrameType,
) -> bool:
    """A function that says yes or no: recorded, and guarded where it is not torch that asks."""
    outcome = function(*args, **kwargs)
    if not sources.is_torch(frame.f_code):
        step = recorder.step(Call(target), *recorder.arguments(args, kwargs), target.rpartition(".")[2], frame)
        recorder.guard(Apply("bool", (Value(outcome, step),)), outcome)
    return outcome


def attribute(recorder: Recorder, tensor: torch.Tensor, name: str, result: Any, frame: FrameType) -> Any:
    """An attribute is read: guarded if it is yes or no; a dtype is followed to where it decides, or is handed on."""
    if name == "dtype":
        return _dtype(recorder, tensor, result, frame)
    if name == "itemsize":
        _rely(recorder, tensor, frame)
    if name in ATTRIBUTES and not sources.is_torch(frame.f_code):
        claim = Apply("bool", (_read(recorder, tensor, name, result, frame),))
        recorder.guard(claim, result)
    return result


def element_size(
    recorder: Recorder, function: Callable[..., int], args: tuple[Any, ...], kwargs: dict[str, Any], frame: FrameType
) -> int:
    """How many bytes an element has."""
    _rely(recorder, args[0], frame)
    return function(*args, **kwargs)


def _rely(recorder: Recorder, tensor: torch.Tensor, frame: FrameType) -> None:
    """Python is told a plain number that follows from the dtype: the graph holds for this one."""
    dtype = _dtype(recorder, tensor, tensor.dtype, frame)
    if isinstance(dtype, Dtype):
        recorder.guard(Apply("==", (dtype.expr, dtype.told())), True)


def _dtype(recorder: Recorder, tensor: torch.Tensor, result: torch.dtype, frame: FrameType) -> Any:
    if sources.is_ours(frame.f_code) or recorder.read(tensor).origin == "constant":
        return result  # nothing gives a constant another
    step = recorder.step(Call("torch.Tensor.dtype"), (recorder.read(tensor),), {}, "dtype", frame)
    dtype = Dtype(result, Value(result, step), recorder)
    if recorder.conversions.meet(is_identified(frame)):
        return dtype
    recorder.guard(Apply("==", (dtype.expr, dtype.told())), True)
    return result


def _read(recorder: Recorder, tensor: torch.Tensor, name: str, result: Any, frame: FrameType) -> Value:
    """The attribute as a value of the graph; on one line it is read once."""
    value = recorder.read(tensor)
    key = (value, name, result, sources.source(frame))
    found = recorder.facts.get(key)
    if found is None:
        step = recorder.step(Call(f"torch.Tensor.{name}"), (value,), {}, name, frame)
        found = recorder.facts[key] = Value(result, step)
    return found
