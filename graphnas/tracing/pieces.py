"""The parts that a tensor is cut into: how many there are depends on a size, and a loop over them is unrolled."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator
from types import FrameType
from typing import TYPE_CHECKING, Any

import torch

from graphnas.ir.choice import Apply, Expr
from graphnas.ir.node import Arg, Size
from graphnas.tracing import sources
from graphnas.tracing.sizes import expression, plain

if TYPE_CHECKING:
    from graphnas.tracing.recorder import Recorder


class Pieces(tuple[Any, ...]):
    """A tuple that guards its length when somebody looks at it, but not where `a, b = pieces` checks it anyway."""

    counted: Callable[[], None]

    def __new__(cls, parts: tuple[Any, ...], counted: Callable[[], None]) -> Pieces:
        """A tuple that tells when somebody asks how many parts it has."""
        made = tuple.__new__(cls, parts)
        made.counted = counted
        return made

    def __iter__(self) -> Iterator[Any]:
        if not sources.is_unpacking(sys._getframe(1)):
            self.counted()
        return tuple.__iter__(self)

    def __len__(self) -> int:
        self.counted()
        return tuple.__len__(self)

    def __getitem__(self, place: Any) -> Any:
        if not (isinstance(place, int) and place >= 0):
            self.counted()
        return tuple.__getitem__(self, place)

    def __reversed__(self) -> Iterator[Any]:
        self.counted()
        return iter(tuple.__getitem__(self, slice(None, None, -1)))


def chunk_count(size: Expr, chunks: Arg) -> Expr:
    """How many parts `chunk` makes of a dimension."""
    return split_count(size, rounded_up(size, chunks))


def split_count(size: Expr, length: Arg) -> Expr:
    """How many parts `split` makes of a dimension."""
    return rounded_up(size, length)


def rounded_up(size: Expr, divisor: Arg) -> Expr:
    """The quotient, rounded up."""
    return Apply("neg", (Apply("//", (Apply("neg", (size,)), divisor)),))


# What each is called with, after the tensor.
CUTS: dict[str, tuple[str, ...]] = {
    "unbind": ("dim",),
    **dict.fromkeys(("split", "unsafe_split"), ("split_size_or_sections", "dim")),
    **dict.fromkeys(("chunk", "unsafe_chunk"), ("chunks", "dim")),
    "tensor_split": ("sections", "dim"),
    **dict.fromkeys(("hsplit", "vsplit", "dsplit"), ("sections",)),
}


def cut(
    recorder: Recorder, name: str, args: tuple[Any, ...], kwargs: dict[str, Any], parts: Any, frame: FrameType
) -> Any:
    """The parts of a tensor, whose number is guarded where the user looks at it.

    Args:
        recorder: what to write to.
        name: of the function that cut it.
        args: what that was given, the tensor first.
        kwargs: what it was given by name.
        parts: what it returned.
        frame: of the code that called it.
    """
    value = recorder.read(args[0])
    given = dict(zip(CUTS[name], args[1:], strict=False)) | kwargs
    by = next((given[key] for key in (CUTS[name][0], "split_size", "indices_or_sections") if key in given), 0)
    if value.origin in ("state", "constant") or (name != "unbind" and not isinstance(by, int)):
        return parts
    size = Size(value, plain(given.get("dim", 0)) % args[0].dim())  # type: ignore[arg-type]
    count: Arg = expression(by)
    match name.removeprefix("unsafe_"):
        case "unbind":
            count = size
        case "split":
            count = split_count(size, count)
        case "chunk":
            count = chunk_count(size, count)
    if not isinstance(count, Expr):
        return parts
    test = Apply("==", (count, len(parts)))

    def counted() -> None:
        if recorder.listening:
            recorder.guard(test, True)

    if frame.f_code is _ITER:  # `for part in tensor` and `a, b = tensor`
        if not sources.is_unpacking(frame.f_back):
            recorder.guard(test, True)
        return parts
    return Pieces(tuple(parts), counted)


_ITER = inspect.unwrap(torch.Tensor.__iter__).__code__
