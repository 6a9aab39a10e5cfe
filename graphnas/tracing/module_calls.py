"""What becomes of a call of a module while a model is recorded."""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from graphnas.ir.choice import Apply
from graphnas.ir.frozen import FrozenDict
from graphnas.ir.node import ALIAS, Arg, Call, Constant, Device, Layer
from graphnas.tracing import sources
from graphnas.tracing.arguments import argument
from graphnas.tracing.choosing import Word
from graphnas.tracing.identity import storage
from graphnas.tracing.names import constant_name
from graphnas.tracing.record import ModuleCall, Step, Value
from graphnas.tracing.sizes import bare

if TYPE_CHECKING:
    from graphnas.tracing.recorder import Recorder

Original = Callable[..., Any]


def record(
    recorder: Recorder, original: Original, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """Calls a module: one of torch's layers is one step, any other a scope of its own.

    Args:
        recorder: what to write to.
        original: `nn.Module.__call__`.
        module: what is called.
        args: its positional arguments.
        kwargs: its keyword arguments.
    """
    path = recorder.registry.path(module, recorder.call.path)
    if not path or isinstance(module, Word):
        return original(module, *args, **kwargs)  # the root, built on the way, or no part itself: part of the caller
    layer = recorder.registry.layer(module)
    if layer is not None:
        call = _whole if id(module) in recorder.registry.opaque else _layer
        return call(recorder, original, module, layer, args, kwargs)
    if isinstance(module, torch.jit.ScriptModule):
        what = f"module {path!r} is scripted, and its calls are not seen"
        raise recorder.refuse(what, "Give the module that it was made from.", path)
    return _scope(recorder, original, module, path, args, kwargs)


def _layer(
    recorder: Recorder,
    original: Original,
    module: nn.Module,
    op: Layer,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Any:
    with torch._C.DisableTorchFunction():
        if not recorder.registry.is_whole(module):
            raise recorder.refuse(
                f"other parameters or buffers are put into {op.path!r} for a call",
                "Give them to a function of torch.nn.functional.",
            )
        step = recorder.step(op, *recorder.arguments(args, kwargs), op.path, sys._getframe(1))
        if op.config.get("max_norm") is not None:
            recorder.before_write(module.get_parameter("weight"))
        written = args[0] if args else next(iter(kwargs.values()), None)
        if op.config.get("inplace") is not True or not isinstance(written, Tensor):
            written = None
        else:
            recorder.before_write(written)
        recorder.listening = False
        args, kwargs = bare(args), bare(kwargs)
        try:
            result = recorder.repeats.layer(
                op, module, args, kwargs, lambda: _attempt(recorder, original, module, op.path, args, kwargs)
            )
        except Exception as error:
            recorder.refusals.raised(error, sources.source(sys._getframe(1)), recorder.call)
            raise
        finally:
            recorder.listening = True
        if written is not None:
            recorder.writes.add(step, written)
        return recorder.bind(result, step)


def _whole(
    recorder: Recorder, original: Original, module: nn.Module, op: Layer, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """Calls a module that is not looked into: what it does besides giving a result is found out afterwards."""
    if recorder.repeats.used:
        recorder.repeats.demand()
    with recorder.quiet():
        step = recorder.step(op, *recorder.arguments(args, kwargs), op.path, sys._getframe(1))
        own = {id(tensor): tensor for tensor in (*module.parameters(), *module.buffers())}
        for tensor in own.values():
            recorder.before_write(tensor)
        others = [value.content for value in (*recorder.known.values(), *recorder.registry.state.values())]
        watched = {id(tensor): tensor for tensor in (*others, *own.values()) if isinstance(tensor, Tensor)}
        versions = {key: tensor._version for key, tensor in watched.items()}
        result = _attempt(recorder, original, module, op.path, bare(args), bare(kwargs))
        changed = [tensor for key, tensor in watched.items() if tensor._version != versions[key]]
        memories = {storage(tensor) for tensor in own.values()}
        if any(storage(tensor) not in memories for tensor in changed):
            raise recorder.refuse(
                f"module {op.path!r}, which is kept whole, writes to what it does not hold", "Let it return the result."
            )
        for tensor in changed:
            if id(tensor) in own:
                recorder.writes.add(step, tensor)
        given = _parts(recorder, result, step, ())
        recorder.registry.seen(module, (*map(_forms, (args, kwargs)), _forms(result)))
        return given


def _forms(tree: Any) -> Arg:
    """What went in or came out, of tensors the shape and dtype."""
    return argument(bare(tree), _form)


def _form(tensor: Any) -> Arg:
    if isinstance(tensor, torch.device):
        return Device(str(tensor))
    if isinstance(tensor, PackedSequence):
        return argument(tuple(tensor), _form)
    return FrozenDict({"shape": tuple(map(int, tensor.shape)), "dtype": Constant(constant_name(tensor.dtype))})


def _parts(recorder: Recorder, result: Any, step: Step, item: tuple[int | str, ...]) -> Any:
    """What a module kept whole has given: its tensors and numbers are values of the graph."""
    if isinstance(result, bool):
        recorder.guard(Apply("bool", (Value(result, step, item),)), result)
        return result
    if result is None or isinstance(result, Tensor | int | float):
        return recorder.bind(result, step, item)
    if isinstance(result, dict) and all(isinstance(key, str) for key in result):
        given = copy.copy(result)
        for key, part in result.items():
            given[key] = _parts(recorder, part, step, (*item, key))
        return given
    if isinstance(result, tuple | list):
        parts = [_parts(recorder, part, step, (*item, place)) for place, part in enumerate(result)]
        return type(result)(*parts) if hasattr(result, "_fields") else type(result)(parts)
    raise recorder.refuse(
        f"a module that is kept whole returns a {type(result).__name__}",
        "Let it return tensors, numbers, or tuples, lists or dicts of them.",
    )


def _scope(
    recorder: Recorder, original: Original, module: nn.Module, path: str, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    outer = recorder.call
    with torch._C.DisableTorchFunction():
        formals = [
            (recorder.read_argument(value), name) for name, value in recorder.registry.formals(module, args, kwargs)
        ]
    inner = recorder.begin(path, recorder.registry.class_name(module))
    for value, name in formals:
        inner.formals.setdefault(value, name)
    recorder.call = inner
    try:
        result = _attempt(recorder, original, module, path, args, kwargs)
        recorder.regions.check(inner.depth, path)
        with torch._C.DisableTorchFunction(), recorder.quiet():
            return _given_back(recorder, result, inner)
    finally:
        recorder.call = outer


def _attempt(
    recorder: Recorder, original: Original, module: nn.Module, path: str, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """Calls a module; remembers the innermost that raised."""
    try:
        return original(module, *args, **kwargs)
    except Exception:
        if not recorder.failed[0]:
            recorder.failed = (path, type(module).__name__)
        raise


def _given_back(recorder: Recorder, result: Any, inner: ModuleCall) -> Any:
    """What a module returned; a tensor that it did not make itself becomes one that it did."""
    if isinstance(result, Tensor):
        value = recorder.read(result)
        if value.step is None or value.step.position < inner.position:
            step = recorder.step(Call(ALIAS), (value,), {}, "alias", sys._getframe(1))
            return recorder.bind(result, step)
    elif type(result) is tuple:
        return tuple([_given_back(recorder, item, inner) for item in result])
    return result
