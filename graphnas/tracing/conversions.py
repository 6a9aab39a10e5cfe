"""`int(x)`, `float(x)`, `len(x)`, `range(x)` in the user's code: Python makes numbers plain, and graphs rely on them.

Where a run comes across one, the names stand for functions of ours in that file, and the model is run anew.
"""

from __future__ import annotations

import ast
import contextlib
import functools
import linecache
from collections.abc import Callable, Iterator
from types import FrameType
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from graphnas.errors import GraphNASError
from graphnas.tracing import sources
from graphnas.tracing.ranges import Range
from graphnas.tracing.sizes import Symbolic, SymbolicInt, converted, plain

if TYPE_CHECKING:
    from graphnas.tracing.recorder import Recorder

_NAMES = ("int", "float", "len", "range")
_CHECKS = ("isinstance", "issubclass")


class FoundError(BaseException):
    """A conversion was come across, and the run has to begin anew; no model is to catch it."""


class Conversions:
    """The files of the user in which conversions are ours."""

    def __init__(self) -> None:
        self.allowed = True
        self.dtypes = True  # whether they are followed
        self.devices = True  # whether they are
        self._met = False  # a dtype, that is
        self._met_device = False
        self._found: dict[int, tuple[dict[str, Any], dict[str, None]]] = {}  # globals, and names in them

    @property
    def used(self) -> bool:
        """Whether any conversion is ours, or a dtype is followed."""
        return bool(self._found) or self._met

    def forbid_dtypes(self) -> None:
        """From here on all dtypes become plain where they are read."""
        self.dtypes = self._met = False

    def meet(self, identified: bool) -> bool:
        """Whether a dtype that is read is to be followed; one that is compared by `is` cannot be."""
        self._met = self._met or self.dtypes
        return self.dtypes and not identified

    def meet_device(self) -> bool:
        """Whether a device that is read is to be followed."""
        self._met_device = self._met_device or self.devices
        return self.devices

    def retreats(self, error: GraphNASError) -> Iterator[tuple[bool, bool]]:
        """What might be followed no more where a run has failed: numbers and dtypes, devices; the least comes first.

        Devices are to blame for nothing that is refused: what cannot take them, as code in C, raises something else.
        """
        device = self._met_device and self.devices and isinstance(error.__cause__, Exception)
        if device:
            yield False, True
        if self.used:
            yield True, False
        if device and self.used:
            yield True, True

    def come_across(self, name: str, frame: FrameType) -> None:
        """Python is about to make a plain number of a tensor or of one that is followed.

        Args:
            name: of the function that was called.
            frame: of the code that called it.

        Raises:
            FoundError: in this code the name can stand for a function of ours.
        """
        user = sources.caller(frame)
        if not self.allowed or name not in _NAMES or user is None or name in user.f_globals:
            return
        if name not in user.f_code.co_names:
            return  # nor need the file be read
        if sources.running(user) not in _calls(user.f_code.co_filename, name):
            return  # it is torch that asks, or a function that the user's code has called
        self._found.setdefault(id(user.f_globals), (user.f_globals, {}))[1][name] = None
        raise FoundError

    @contextlib.contextmanager
    def settled(self) -> Iterator[None]:
        """No more are come across."""
        before, self.allowed = self.allowed, False
        try:
            yield
        finally:
            self.allowed = before

    @contextlib.contextmanager
    def forbidden(self, numbers: bool, devices: bool) -> Iterator[None]:
        """From here on, unless what is done now raises, less is followed.

        Args:
            numbers: whether all numbers become plain where Python makes them so, and all dtypes where they are read.
            devices: whether all devices become plain where they are read.
        """
        before = self.allowed, self._found, self.dtypes, self._met, self.devices
        if numbers:
            self.allowed, self._found = False, {}
            self.forbid_dtypes()
        self.devices = self.devices and not devices
        try:
            yield
        except BaseException:
            self.allowed, self._found, self.dtypes, self._met, self.devices = before
            raise

    @contextlib.contextmanager
    def replaced(self, recorder: Recorder) -> Iterator[None]:
        """The names stand for our functions, in the files in which they have been come across."""
        ours = {
            "int": _kind(int, functools.partial(_number, recorder, int)),
            "float": _kind(float, functools.partial(_number, recorder, float)),
            "range": _kind(range, functools.partial(_range, recorder)),
            "len": _length(recorder),
        }
        with contextlib.ExitStack() as stack:
            for held, names in self._found.values():
                for name in names:
                    stack.callback(held.pop, name, None)
                    held[name] = ours[name]
            yield


@functools.cache
def _calls(file: str, name: str) -> frozenset[sources.Place]:
    """Where a file calls a function of Python, if it has the name for nothing but calls, annotations and type checks.

    Code that compares `type(x) is int` would see a difference.
    """
    try:
        nodes = list(ast.walk(ast.parse("".join(linecache.getlines(file)))))
    except SyntaxError:
        return frozenset()
    allowed = {id(part) for node in nodes for part in _harmless(node)}
    if any(isinstance(node, ast.Name) and node.id == name and id(node) not in allowed for node in nodes):
        return frozenset()
    if any(isinstance(node, ast.arg) and node.arg == name for node in nodes):
        return frozenset()
    calls = (node for node in nodes if isinstance(node, ast.Call) and not _fixes_all(node))
    return frozenset(sources.place(call) for call in calls if isinstance(call.func, ast.Name) and call.func.id == name)


def _fixes_all(call: ast.Call) -> bool:
    """Whether it is `range(n)` or `range(2, n)`: there are as many steps as n says, which may as well be plain."""
    begins = len(call.args) == 1 or (len(call.args) == 2 and isinstance(call.args[0], ast.Constant))
    return begins and isinstance(call.func, ast.Name) and call.func.id == "range"


def _harmless(node: ast.AST) -> Iterator[ast.AST]:
    """The parts of a statement in which it does not matter what a name of Python stands for."""
    match node:
        case ast.Call(func=ast.Name(id=called) as function, args=args):
            yield function
            if called in _CHECKS and len(args) == 2:
                yield from ast.walk(args[1])
            elif called == "map" and args:
                yield args[0]
        case ast.AnnAssign(annotation=annotation) | ast.arg(annotation=ast.expr() as annotation):
            yield from ast.walk(annotation)
        case ast.FunctionDef(returns=ast.expr() as annotation):
            yield from ast.walk(annotation)


# ---------------------------------------------------------------- what stands for Python's
def _kind(kind: type, make: Callable[..., Any]) -> type:
    """A class that answers as one of Python's does, and makes what is made of numbers that are followed."""

    class Meta(type):
        def __instancecheck__(cls, value: Any) -> bool:
            return isinstance(value, kind)

        def __subclasscheck__(cls, other: Any) -> bool:
            return issubclass(other, kind)

        def __call__(cls, *args: Any, **kwargs: Any) -> Any:
            return make(*args, **kwargs)

    return Meta(kind.__name__, (), {})


def _number(recorder: Recorder, kind: type, *args: Any, **kwargs: Any) -> Any:
    if len(args) != 1 or kwargs or not recorder.listening:
        return kind(*args, **kwargs)
    value = args[0]
    if isinstance(value, Tensor) and value.dtype != torch.bool:
        value = value.item()
    return converted(kind, value) if type(value) in Symbolic else kind(value)


def _range(recorder: Recorder, *args: Any, **kwargs: Any) -> Any:
    followed = recorder.listening and any(type(arg) is SymbolicInt for arg in args)
    whole = len(args) <= 3 and all(isinstance(arg, int) for arg in args) and not (args[2:] and plain(args[2]) == 0)
    return Range(recorder, *args) if followed and whole and not kwargs else range(*args, **kwargs)


def _length(recorder: Recorder) -> Callable[[Any], Any]:
    def length(value: Any) -> Any:
        if recorder.listening and type(value) is Range:
            return value.steps() if value else 0
        return value.size(0) if recorder.listening and isinstance(value, Tensor) else len(value)

    return length
