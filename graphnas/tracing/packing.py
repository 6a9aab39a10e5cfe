"""Packed sequences: named tuples that recurrent layers take, made by functions that torch writes in plain Python."""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Callable, Iterator
from types import FunctionType
from typing import TYPE_CHECKING, Any

from torch.nn.utils.rnn import PackedSequence

from graphnas.ir import targets
from graphnas.ir.node import Call
from graphnas.tracing import calls
from graphnas.tracing.arguments import argument
from graphnas.tracing.names import resolve
from graphnas.tracing.spelling import hint

if TYPE_CHECKING:
    from graphnas.tracing.record import Value
    from graphnas.tracing.recorder import Recorder

_MADE = "torch.nn.utils.rnn.PackedSequence"


def packed(recorder: Recorder, sequence: PackedSequence) -> Value:
    """The value that a packed sequence is; one that the model has put together itself is made from its parts."""
    found = recorder.known.get(id(sequence))
    if found is not None and found.content is sequence:
        return found
    parts = tuple([argument(part, recorder.read_argument) for part in sequence])
    while parts[-1] is None:
        parts = parts[:-1]
    return recorder.new(sequence, recorder.step(Call(_MADE), parts, {}, hint(_MADE), sys._getframe(1)), ())


@contextlib.contextmanager
def recorded(recorder: Recorder) -> Iterator[None]:
    """Calls of the functions that make and take packed sequences are one step each.

    A function mode sees only what they call inside, and the user's code has them by names of its own.
    """
    with contextlib.ExitStack() as stack:
        for name in sorted((targets.PACKING | targets.PADDING) - {_MADE}):
            stack.enter_context(_rerouted(recorder, resolve(name)))
        yield


@contextlib.contextmanager
def _rerouted(recorder: Recorder, function: FunctionType) -> Iterator[None]:
    """A function hands its arguments to the recorder, whatever name somebody has it by."""
    thread = threading.get_ident()
    code, defaults, by_name = function.__code__, function.__defaults__, function.__kwdefaults__
    original = FunctionType(code, function.__globals__, function.__name__, defaults, function.__closure__)
    original.__kwdefaults__ = by_name

    def to(*args: Any, **kwargs: Any) -> Any:
        if not recorder.listening or threading.get_ident() != thread:
            return original(*args, **kwargs)
        return calls.record(recorder, function, args, kwargs, sys._getframe(2))

    function.__code__, function.__defaults__, function.__kwdefaults__ = _handing_on.__code__, None, {"_to": to}
    try:
        yield
    finally:
        function.__code__, function.__defaults__, function.__kwdefaults__ = code, defaults, by_name


def _handing_on(*args: Any, _to: Callable[..., Any], **kwargs: Any) -> Any:
    return _to(*args, **kwargs)
