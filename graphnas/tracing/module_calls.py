"""What becomes of a call of a module while a model is recorded."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from graphnas.ir.node import ALIAS, Call, Layer
from graphnas.tracing import sources
from graphnas.tracing.record import ModuleCall
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
    if not path:
        return original(module, *args, **kwargs)  # the root, or built on the way: part of the caller
    if isinstance(module, torch.jit.ScriptModule):
        raise recorder.refuse(
            f"module {path!r} is scripted, and its calls are not seen", "Give the module that it was made from."
        )
    layer = recorder.registry.layer(module)
    if layer is not None:
        return _layer(recorder, original, module, layer, args, kwargs)
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
            recorder.refusals.raised(error, sources.source(sys._getframe(1)))
            raise
        finally:
            recorder.listening = True
        if written is not None:
            recorder.writes.add(step, written)
        return recorder.bind(result, step)


def _scope(
    recorder: Recorder, original: Original, module: nn.Module, path: str, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    outer = recorder.call
    inner = recorder.begin(path, recorder.registry.class_name(module))
    with torch._C.DisableTorchFunction():
        for name, value in recorder.registry.formals(module, args, kwargs):
            if isinstance(value, Tensor):
                inner.formals.setdefault(recorder.read(value), name)
    recorder.call = inner
    try:
        result = _attempt(recorder, original, module, path, args, kwargs)
        recorder.check_gradients(inner.grad_depth, path)
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
        recorder.failed = recorder.failed or f"module {path!r} ({type(module).__name__})"
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
