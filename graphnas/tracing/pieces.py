"""The parts that a tensor is cut into: how many there are depends on a size, and a loop over them is unrolled."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Any

from graphnas.ir.choice import Apply, Expr
from graphnas.ir.node import Arg
from graphnas.tracing import sources


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
