"""Numbers that an architecture decides: given to a constructor, they stay expressions of choices in the graph.

Such a number is its first option wherever a value is needed, so that a model runs before any search. What would make
it a plain number for good is refused: there the other options would be lost.
"""

from __future__ import annotations

import itertools
import math
import sys
import warnings
from collections.abc import Iterator, Sequence
from types import FrameType
from typing import Any

import numpy as np
from torch import nn

from graphnas.errors import TraceError, TraceWarning, UnrecordableError
from graphnas.ir.choice import Apply, Arch, Choice, Expr, Option, choices_in
from graphnas.ir.closing import close
from graphnas.ir.node import Arg
from graphnas.ir.printing import expression as written
from graphnas.tracing import sources
from graphnas.tracing.choosing import RECORDER, Word
from graphnas.tracing.meanings import is_converted, is_message
from graphnas.tracing.sizes import Followed, SymbolicFloat, SymbolicInt, expression, symbolic

COMBINATIONS = 4096  # of options that are looked at before a decision is refused
_FORWARD = frozenset(
    getattr(nn.Module, name).__code__ for name in ("_call_impl", "_wrapped_call_impl") if hasattr(nn.Module, name)
)
_ADVICE = (
    "An expression of choices is made with + - * / // % ** and round(), and given to layers and functions of torch. "
    "For blocks that come or go write graphnas.nn.Repeat, for other code graphnas.nn.LayerChoice"
)


class _Conversions:
    """Nobody needs to be told where chosen numbers are made plain."""

    def come_across(self, name: str, frame: FrameType) -> None:
        """A function of Python is about to make a plain number."""


class _Chosen:
    """What chosen numbers tell about themselves, whether a model is traced or not."""

    listening = True
    finished = False
    lasting = True
    conversions = _Conversions()

    numbers: tuple[type[SymbolicInt], type[SymbolicFloat]]

    def guard(self, test: Expr, outcome: bool) -> None:
        """Python takes a decision: it must be the same whatever is chosen.

        Raises:
            TraceError: some options decide otherwise.
        """
        frame = sys._getframe(1)
        if is_message(frame) or _is_told(frame):
            return
        for arch in _combinations(test):
            if bool(close(test, arch)) is not outcome:
                said = ", ".join(f"{label}={option!r}" for label, option in arch.items())
                raise self.refuse(f"Python decides by {written(test)}, which comes out otherwise for {said}", _ADVICE)

    def number(self, target: str, args: tuple[Any, ...], result: Any) -> Any:
        """A function of numbers was called; the result as an expression."""
        expr = expression(args[0])
        if target == "math.floor":
            return symbolic(result, _floored(expr), CHOSEN)
        if target == "math.ceil":
            return symbolic(result, Apply("neg", (_floored(Apply("neg", (expr,))),)), CHOSEN)
        raise self.refuse(f"{target} makes a plain number of {written(expr)}", _ADVICE)

    def refuse(self, what: str, remedy: str) -> TraceError:
        """The error that says where the user's code does what a graph cannot hold."""
        return TraceError(f"{what}\n  at {sources.source(sys._getframe(1))}. {remedy}.")


CHOSEN = _Chosen()


def _floored(expr: Arg) -> Apply:
    return Apply("int", (Apply("//", (expr, 1)),))


def _combinations(test: Expr) -> Iterator[Arch]:
    """What the choices in an expression may be."""
    found = {choice.label: choice for choice in choices_in(test)}
    if math.prod(len(choice.domain) for choice in found.values()) > COMBINATIONS:
        raise CHOSEN.refuse(f"Python decides by {written(test)}, which has more than {COMBINATIONS} cases", _ADVICE)
    for options in itertools.product(*(choice.domain for choice in found.values())):
        yield dict(zip(found, options, strict=True))


def _is_told(frame: FrameType) -> bool:
    """Whether torch's own code asks, and builds nothing: a layer that runs looks at what it was built of."""
    asking = _torch_frames(frame)
    return bool(asking) and not _builds(asking)


def _torch_frames(frame: FrameType | None) -> list[FrameType]:
    """The frames of torch's own code that ask for a number; none where the user's code does so itself."""
    found: list[FrameType] = []
    while frame is not None and (sources.is_ours(frame.f_code) or sources.is_torch(frame.f_code)):
        if sources.is_torch(frame.f_code):
            found.append(frame)
        frame = frame.f_back
    return found


def _builds(frames: Sequence[FrameType]) -> bool:
    return any(frame.f_code.co_name == "__init__" for frame in frames)


def _is_forward(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code in _FORWARD:
            return True
        frame = frame.f_back
    return False


def _made_plain(number: Followed) -> Any:
    """The number that code in C has asked for.

    Torch's layers may have it, to make their parameters of it, and so may a model that runs without being recorded.

    Raises:
        TraceError: it is somebody else, who would keep the number.
    """
    frame = sys._getframe(1)
    recorder = RECORDER.get()
    runs = not recorder.listening if recorder is not None else _is_forward(frame)
    asking = _torch_frames(frame)
    if runs or is_message(frame) or (_builds(asking) and not is_converted(asking[0])):
        return number.value
    error = CHOSEN.refuse(f"a plain number is made of {written(number.expr)}, and the other options are lost", _ADVICE)
    if isinstance(number, ChosenInt):
        warnings.warn(str(error), TraceWarning, stacklevel=3)  # some functions of torch raise an error of their own
    raise error


class _Plain:
    """How a chosen number answers what Python and torch ask of a number."""

    __slots__ = ()
    value: Any
    expr: Arg

    def __index__(self) -> int:
        return int(_made_plain(self))  # type: ignore[arg-type]

    def __int__(self) -> int:
        return int(_made_plain(self))  # type: ignore[arg-type]

    def __float__(self) -> float:
        return float(_made_plain(self))  # type: ignore[arg-type]

    def __hash__(self) -> int:
        return hash(self.value)  # what is kept under it is found by `==`, which is asked then

    def __repr__(self) -> str:
        return repr(self.value)

    def __str__(self) -> str:
        return str(self.value)

    def __format__(self, spec: str) -> str:
        return format(self.value, spec)

    def __reduce_ex__(self, protocol: object) -> tuple[Any, ...]:
        return symbolic, (self.value, self.expr, CHOSEN)

    def __getitem__(self, index: object) -> Any:
        # numpy's numbers have an index of their own, which crashes on those that numpy has not made
        raise TypeError(f"{type(self.value).__name__!r} object is not subscriptable")

    def item(self) -> Any:
        """The plain number, as of one of numpy's."""
        return _made_plain(self)  # type: ignore[arg-type]


# Torch takes a scalar of numpy for a number, and asks it for its value where Python's own are read without a word.
class ChosenInt(_Plain, SymbolicInt, np.int64):  # type: ignore[misc]
    """An int that depends on choices."""

    kind = running = int  # type: ignore[assignment]

    def __new__(cls, value: int, expr: Expr, listener: object) -> ChosenInt:  # noqa: D102
        return np.int64.__new__(cls, value)


class ChosenFloat(_Plain, SymbolicFloat, np.float32):  # type: ignore[misc]
    """A float that depends on choices."""

    kind = running = float  # type: ignore[assignment]

    def __new__(cls, value: float, expr: Expr, listener: object) -> ChosenFloat:  # noqa: D102
        return np.float32.__new__(cls, value)


_Chosen.numbers = ChosenInt, ChosenFloat


def chosen(label: str, options: Sequence[Option]) -> Any:
    """The number that a choice stands for, as `graphnas.choice` gives it.

    Raises:
        ValueError: the choice has no label, or its options are empty or repeated.
        TypeError: an option is no int or float.
    """
    if not isinstance(label, str) or not label:
        raise ValueError(f"a choice among values has a label, which names it in an architecture, but got {label!r}")
    if isinstance(options, str) or not isinstance(options, Sequence):
        raise TypeError(f"options are a list of numbers, but are {options!r} in choice {label!r}")
    odd = [option for option in options if type(option) not in (int, float) or option != option]
    if odd:
        raise TypeError(
            f"the options of choice {label!r} are ints or floats, but {odd[0]!r} is none; "
            "choose among layers by graphnas.nn.LayerChoice, and other arguments by the rule graphnas.Value"
        )
    if len(set(map(type, options))) > 1:
        options = [float(option) for option in options]  # type: ignore[arg-type]
    choice = Choice(label, tuple(options))
    return symbolic(options[0], choice, CHOSEN) if len(options) > 1 else options[0]


def held(module: nn.Module) -> Iterator[tuple[str, Followed]]:
    """The chosen numbers among a module's attributes, by name."""
    for name, value in module.__dict__.items():
        for item in value if isinstance(value, tuple | list) else (value,):
            if isinstance(item, _Plain):
                yield name, item  # type: ignore[misc]


def check_decided(module: nn.Module, path: str, error: UnrecordableError | None) -> None:
    """Make sure that nothing is to be chosen in a module that stays one layer.

    Raises:
        TraceError: something is.
    """
    if error and isinstance(module, Word):
        what = " ".join(error.what.split()).removesuffix(", but only while it is recorded")
        raise TraceError(
            f"an option of {type(module).__name__} {path!r} cannot run: {what}\n  at {error.place}. "
            "All options are given the same; try each of them alone."
        ) from error
    for name, part in module.named_modules():
        found = next((f"the number {key!r} = {number.expr}" for key, number in held(part)), "")
        if isinstance(part, Word):
            found = f"a {type(part).__name__}"
        if found:
            raise TraceError(
                f"module {path!r} ({type(module).__name__}) stays one layer, and {found} in it at {name or 'itself'!r} "
                f"could not be chosen\n  at {error.place if error else 'leaf='}. "
                "Take the choice out of the module, or change what keeps it whole"
                f"{': ' + ' '.join(error.what.split()) if error else ''}."
            ) from error
