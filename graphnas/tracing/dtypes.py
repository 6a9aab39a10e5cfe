"""Dtypes that remember what they were read off: `zeros(2, dtype=x.dtype)` stays so in the graph."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Self

import torch

from graphnas.ir.attributes import FACTS
from graphnas.ir.choice import FUNCTIONS, Apply
from graphnas.ir.node import Arg, Call, Constant
from graphnas.tracing import patches
from graphnas.tracing.names import constant_name
from graphnas.tracing.record import Value
from graphnas.tracing.sizes import Followed, bare, expression, pin, plain, symbolic

if TYPE_CHECKING:
    from graphnas.tracing.recorder import Recorder


class Named(Followed):
    """What is no number and can only be compared: a dtype, say, that carries the expression it came from.

    It is none of torch's, as there can be no others of their type. Functions of torch take it since it has a
    `__torch_function__`, and the tracer then gives them the plain one.
    """

    @classmethod
    def __torch_function__(cls, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return function(*bare(args), **bare(kwargs or {}))

    @staticmethod
    def claim(plain: Any) -> Arg:
        """A plain one in a graph."""
        raise NotImplementedError

    def told(self) -> Arg:
        """The plain one in a graph."""
        return self.claim(self.value)

    def __eq__(self, other: object) -> bool:
        return self._compared("==", other)  # type: ignore[no-any-return]

    def __ne__(self, other: object) -> bool:
        return self._compared("!=", other)  # type: ignore[no-any-return]

    def _compared(self, name: str, other: object) -> Any:
        if not isinstance(other, self.kind):
            return NotImplemented
        outcome: bool = FUNCTIONS[name](self.value, plain(other))
        ours = expression(self)
        theirs = expression(other) if isinstance(other, Followed) else self.claim(other)
        if self.listener.listening and ours != theirs:
            self.listener.guard(Apply(name, (ours, theirs)), outcome)
        return outcome

    def __hash__(self) -> int:
        return hash(pin(self))

    def __repr__(self) -> str:
        return repr(pin(self))

    def __str__(self) -> str:
        return str(pin(self))

    def __format__(self, form: str) -> str:
        return format(pin(self), form)

    def __reduce_ex__(self, protocol: Any) -> Any:
        return pin(self).__reduce_ex__(protocol)

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: Any) -> Self:
        return self


class Dtype(Named):
    """A dtype that carries the expression it came from."""

    kind = running = torch.dtype

    @staticmethod
    def claim(plain: torch.dtype) -> Arg:
        """A plain dtype in a graph."""
        return Constant(constant_name(plain))


@contextlib.contextmanager
def limits(recorder: Recorder) -> Iterator[None]:
    """`torch.finfo` and `torch.iinfo` of a dtype that is followed give numbers that are."""

    def asking(name: str, original: Callable[..., Any]) -> Callable[..., Any]:
        def limit(*args: Any, **kwargs: Any) -> Any:
            dtype = args[0] if args else kwargs.get("type")
            if not isinstance(dtype, Dtype):
                return original(*args, **kwargs)
            found = original(plain(dtype))
            if not recorder.listening:
                return found
            step = recorder.step(Call(f"torch.{name}"), (expression(dtype),), {}, name, sys._getframe(1))
            return _Limits(dtype, name, Value(found, step), recorder)

        return limit

    with contextlib.ExitStack() as stack:
        for name in ("finfo", "iinfo"):
            stack.enter_context(patches.replaced(torch, name, asking(name, getattr(torch, name))))
        yield


class _Limits:
    """What `torch.finfo` gives."""

    def __init__(self, dtype: Dtype, name: str, value: Value, recorder: Recorder) -> None:
        self._dtype, self._name, self._value, self._recorder = dtype, name, value, recorder

    def __getattr__(self, name: str) -> Any:
        limit = getattr(self._value.content, name)
        target = f"torch.{self._name}.{name}"
        if target not in FACTS or not self._recorder.listening:
            pin(self._dtype)
            return limit
        step = self._recorder.step(Call(target), (self._value,), {}, name, sys._getframe(1))
        return symbolic(limit, Value(limit, step), self._recorder)
