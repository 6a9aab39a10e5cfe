"""What Python asks about a tensor or about torch apart from values and sizes: what it hears may decide what it does."""

from __future__ import annotations

from collections.abc import Callable
from types import FrameType
from typing import TYPE_CHECKING, Any

import torch

from graphnas.ir.choice import Apply
from graphnas.ir.node import Call
from graphnas.tracing import sources
from graphnas.tracing.devices import Device
from graphnas.tracing.dtypes import Dtype
from graphnas.tracing.meanings import is_identified
from graphnas.tracing.record import Value
from graphnas.tracing.sizes import Followed, bare

if TYPE_CHECKING:
    from graphnas.tracing.recorder import Recorder

# Functions and attributes that answer yes or no, otherwise for another dtype, device, or mode of torch.
FUNCTIONS = ("is_floating_point", "is_complex", "is_signed", "can_cast")
ATTRIBUTES = frozenset(("requires_grad", "is_leaf", "is_cpu", "is_cuda", "is_meta", "is_mps", "is_xpu"))


def ask(
    recorder: Recorder,
    target: str,
    function: Callable[..., bool],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    frame: FrameType,
) -> bool:
    """A function that says yes or no: recorded, and guarded where it is not torch that asks."""
    outcome = function(*bare(args), **bare(kwargs))
    if not sources.is_torch(frame.f_code):
        step = recorder.step(Call(target), *recorder.arguments(args, kwargs), target.rpartition(".")[2], frame)
        recorder.guard(Apply("bool", (Value(outcome, step),)), outcome)
    return outcome


def attribute(recorder: Recorder, tensor: torch.Tensor, name: str, result: Any, frame: FrameType) -> Any:
    """An attribute is read: guarded if it is yes or no; a dtype or device is followed to where it decides."""
    if name == "dtype":
        return _dtype(recorder, tensor, result, frame)
    if name == "device":
        return _device(recorder, tensor, result, frame)
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


def _device(recorder: Recorder, tensor: torch.Tensor, result: torch.device, frame: FrameType) -> Any:
    step = recorder.step(Call("torch.Tensor.device"), (recorder.read(tensor),), {}, "device", frame)
    if sources.is_torch(frame.f_code):
        return recorder.new(result, step, ()).content  # handed on, it is known: each time it is read it is another
    device = Device(result, Value(result, step), recorder)
    if recorder.conversions.meet_device():
        return device
    recorder.guard(Apply("==", (device.expr, device.told())), True)
    return result


def make_device(
    recorder: Recorder, function: type, args: tuple[Any, ...], kwargs: dict[str, Any], frame: FrameType
) -> Any:
    """`torch.device(x.device)`, or of its kind, is followed as well; any other is plain."""
    given = (*args, *kwargs.values())
    result = function(*bare(args), **bare(kwargs))
    if len(given) == 1 and type(given[0]) is Device:
        return given[0]
    if not any(isinstance(value, Followed) for value in given):
        return result
    step = recorder.step(Call("torch.device"), *recorder.arguments(args, kwargs), "device", frame)
    return recorder.bind(result, step)


def device_number(
    recorder: Recorder, function: Callable[..., int], args: tuple[Any, ...], kwargs: dict[str, Any], frame: FrameType
) -> int:
    """`x.get_device()`: the graph relies on the device."""
    number, (tensor, *_) = function(*args, **kwargs), (*args, *kwargs.values())
    if not sources.is_torch(frame.f_code):
        device = _read(recorder, tensor, "device", tensor.device, frame)
        recorder.guard(Apply("==", (device, Device.claim(tensor.device))), True)
    return number


def _read(recorder: Recorder, tensor: torch.Tensor, name: str, result: Any, frame: FrameType) -> Value:
    """The attribute as a value of the graph; on one line it is read once."""
    value = recorder.read(tensor)
    key = (value, name, result, sources.source(frame))
    found = recorder.facts.get(key)
    if found is None:
        step = recorder.step(Call(f"torch.Tensor.{name}"), (value,), {}, name, frame)
        found = recorder.facts[key] = Value(result, step)
    return found
