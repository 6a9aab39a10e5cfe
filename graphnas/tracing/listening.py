"""Who is told what becomes of the numbers, dtypes and devices that are followed."""

from __future__ import annotations

from types import FrameType
from typing import TYPE_CHECKING, Any, Protocol

from graphnas.ir.choice import Expr

if TYPE_CHECKING:
    from graphnas.tracing.sizes import SymbolicFloat, SymbolicInt


class Conversions(Protocol):
    """Where the user's code makes plain numbers."""

    def come_across(self, name: str, frame: FrameType) -> None:
        """A function of Python is about to make a plain number."""


class Listener(Protocol):
    """What symbolic numbers tell about themselves while a trace runs.

    Attributes:
        listening: whether the model itself is running.
        finished: whether the run is over; what is left of its numbers, in a cache say, is plain.
        lasting: whether its numbers are there before and after any run.
        numbers: the classes of its integers and floats.
    """

    listening: bool
    finished: bool
    lasting: bool
    numbers: tuple[type[SymbolicInt], type[SymbolicFloat]]

    @property
    def conversions(self) -> Conversions:
        """What is told of `int(size)`."""

    def guard(self, test: Expr, outcome: bool) -> None:
        """Python took a decision on `test`."""

    def number(self, target: str, args: tuple[Any, ...], result: Any) -> Any:
        """A function of numbers was called; returns `result` as a symbolic number."""

    def refuse(self, what: str, remedy: str) -> Exception:
        """The error that says where the user's code did what cannot be recorded."""
