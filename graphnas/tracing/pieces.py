"""The parts that a tensor is cut into: how many there are depends on a size, and a loop over them is unrolled."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from types import FrameType
from typing import TYPE_CHECKING, Any

import torch

from graphnas.ir import pieces
from graphnas.ir.choice import Apply, Expr
from graphnas.ir.node import Size
from graphnas.tracing import sources
from graphnas.tracing.sizes import expression, plain

if TYPE_CHECKING:
    from graphnas.tracing.recorder import Recorder


class Pieces(tuple[Any, ...]):
    """A tuple that guards its length when somebody looks at it."""

    counted: Callable[[], None]

    def __new__(cls, parts: tuple[Any, ...], counted: Callable[[], None]) -> Pieces:
        """A tuple that tells when somebody asks how many parts it has."""
        made = tuple.__new__(cls, parts)
        made.counted = counted
        return made

    def __iter__(self) -> Iterator[Any]:
        self.counted()
        return tuple.__iter__(self)

    def __len__(self) -> int:
        self.counted()
        return tuple.__len__(self)

    def __getitem__(self, place: Any) -> Any:
        if not (isinstance(place, int) and 0 <= place < tuple.__len__(self)):
            self.counted()
        return tuple.__getitem__(self, place)

    def __radd__(self, others: Any) -> Any:
        if not isinstance(others, tuple):
            return NotImplemented  # a list that is made longer asks for the parts one by one
        self.counted()
        return tuple.__add__(others, self)

    def __reversed__(self) -> Iterator[Any]:
        self.counted()
        return iter(tuple.__getitem__(self, slice(None, None, -1)))


def _counting(name: str) -> Callable[..., Any]:
    """What a tuple does with all of its parts."""
    compute = getattr(tuple, name)

    def method(self: Pieces, *others: Any) -> Any:
        self.counted()
        return compute(self, *others)

    return method


for _name in (
    "__add__", "__mul__", "__rmul__", "__contains__", "__eq__", "__ne__", "__lt__", "__le__", "__gt__", "__ge__",
    "__hash__", "index", "count",
):  # fmt: skip
    setattr(Pieces, _name, _counting(_name))


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
    by, dim = pieces.given_to(name, args[1:], kwargs)
    if value.origin in ("state", "constant") or (name != "unbind" and not isinstance(by, int)):
        return parts
    size = Size(value, plain(dim) % args[0].dim())  # type: ignore[arg-type]
    count = pieces.count(name, expression(by), size)
    if not isinstance(count, Expr):
        return parts
    test = Apply("==", (count, len(parts)))
    if frame.f_code is _ITER:  # `for part in tensor` and `a, b = tensor`
        recorder.guard(test, True)
        return parts

    here = sources.source(frame)

    def counted() -> None:
        if recorder.listening:
            recorder.guard(test, True)
        elif recorder.returning:  # the model gives them all
            recorder.guard(test, True, here)

    return Pieces(tuple(parts), counted)


_ITER = inspect.unwrap(torch.Tensor.__iter__).__code__
