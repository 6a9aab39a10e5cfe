"""Where in the user's code something was asked for."""

from __future__ import annotations

import ast
import contextlib
import dis
import functools
import itertools
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, TypeAlias

import torch

from graphnas.ir.source import Source, Target

_TORCH = f"{Path(torch.__file__).parent}{os.sep}"  # torchvision beside it is a user's
_MODULES = f"{_TORCH}nn{os.sep}modules{os.sep}"
_MODULE = f"{_MODULES}module.py"
_OURS = tuple(f"{Path(__file__).parent.parent / room}{os.sep}" for room in ("tracing", "nn"))

Place: TypeAlias = tuple[int, int, int, int]  # line, column, last line, last column

_JOINED = re.compile("(?:STORE|LOAD)_FAST")
_OF_PYTHON = ("<frozen", contextlib.__file__)

# Code that does what a user asked for elsewhere: torch, this package, importlib, contextlib.
_INNER: dict[CodeType, bool] = {}
_BYTECODE: dict[CodeType, bytes] = {}
_SOURCES: dict[tuple[CodeType, int], Source] = {}


def caller(frame: FrameType | None) -> FrameType | None:
    """The nearest frame at or above `frame` that is the user's."""
    while frame is not None:
        code = frame.f_code
        inner = _INNER.get(code)
        if inner is None:
            inner = _INNER[code] = is_torch(code) or is_ours(code) or code.co_filename.startswith(_OF_PYTHON)
        if not inner:
            return frame
        frame = frame.f_back
    return None


def is_torch(code: CodeType) -> bool:
    """Whether code is torch's own."""
    return code.co_filename.startswith(_TORCH)


def is_ours(code: CodeType) -> bool:
    """Whether code is the tracer's."""
    return code.co_filename.startswith(_OURS)


def source(frame: FrameType | None) -> Source | None:
    """The user's line that is running, and what it assigns the result to."""
    user = caller(frame)
    if user is None:
        return None
    key = (user.f_code, user.f_lasti)
    found = _SOURCES.get(key)
    if found is None:
        found = Source(short_file(user.f_code.co_filename), user.f_lineno, _targets(user.f_code).get(user.f_lasti, ""))
        _SOURCES[key] = found
    if found.target and _is_inside(frame, user):
        return Source(found.file, found.line)
    return found


def sizes(frame: FrameType, count: int) -> tuple[str, ...]:
    """What the user's line calls so many sizes that it takes apart; () where it does something else with them."""
    user = caller(frame)
    target = _targets(user.f_code).get(user.f_lasti, "") if user is frame and user is not None else ""
    names = tuple([name for name in target if isinstance(name, str)]) if isinstance(target, tuple) else ()
    return names if len(names) == count else ()


def counts_dimensions(frame: FrameType) -> bool:
    """Whether the user's line makes of a shape what depends on its length, as `shape[-1]` and `len(shape)` do.

    To take one size by its number, or the shape apart into so many, does not.
    """
    user = caller(frame)
    return user is frame and not _is_plain(user.f_code, user.f_lasti)


@functools.cache
def _is_plain(code: CodeType, instruction: int) -> bool:
    steps = (step for step in dis.get_instructions(code) if step.offset > instruction)
    first, second = next(steps, None), next(steps, None)
    if first is None or second is None or first.opname == "UNPACK_SEQUENCE":
        return True
    takes_one = first.opname == "LOAD_CONST" and second.opname == "BINARY_SUBSCR"
    return takes_one and isinstance(first.argval, int) and first.argval >= 0


def _is_inside(frame: FrameType | None, user: FrameType) -> bool:
    """Whether a module of torch asks in the user's name: what it computes on its way is not what the user assigns."""
    while frame is not None and frame is not user:
        if frame.f_code.co_filename.startswith(_MODULES) and frame.f_code.co_filename != _MODULE:
            return True
        frame = frame.f_back
    return False


@functools.cache
def _targets(code: CodeType) -> dict[int, Target]:
    """Instruction → what its result is assigned to, where it is assigned at once."""
    found: dict[int, Target] = {}
    steps = list(dis.get_instructions(code))
    for place, step in enumerate(steps):
        unpacks = step.opname == "UNPACK_SEQUENCE"  # which itself asks a tensor for its rows
        target = _assigned(_single(steps[place if unpacks else place + 1 : place + 40]))
        if target and step.opname not in ("LOAD_FAST", "LOAD_GLOBAL", "LOAD_DEREF", "LOAD_CONST", "COPY"):
            end = steps[place + 1].offset  # a function that is Python itself is called by what stands behind the call
            found |= dict.fromkeys(range(step.offset, end, 2), target)
    return found


def _assigned(steps: Iterator[tuple[str, Any]]) -> Target:
    """The variables that the next instructions store to; "" where they do something else."""
    name, value = next(steps, ("", 0))
    if name == "UNPACK_SEQUENCE":
        return tuple([_assigned(steps) for _ in range(int(value))])
    return str(value) if name in ("STORE_FAST", "STORE_DEREF") else ""


def _single(steps: Iterable[dis.Instruction]) -> Iterator[tuple[str, Any]]:
    """Instructions by name and argument; those that Python 3.13 has joined, as `STORE_FAST_STORE_FAST`, one by one."""
    for step in steps:
        names = _JOINED.findall(step.opname)
        if len(names) == 2:
            yield from zip(names, step.argval, strict=True)
        else:
            yield step.opname, step.argval


def instruction(frame: FrameType) -> str:
    """The name of the bytecode instruction that a frame is executing."""
    code = frame.f_code
    bytecode = _BYTECODE.get(code)
    if bytecode is None:
        bytecode = _BYTECODE[code] = code.co_code
    return dis.opname[bytecode[frame.f_lasti]]


def running(frame: FrameType) -> Place | None:
    """Where the expression stands that a frame is in the middle of."""
    return _computed(frame.f_code, frame.f_lasti)


@functools.cache
def _computed(code: CodeType, instruction: int) -> Place | None:
    line, last, column, end = next(itertools.islice(code.co_positions(), instruction // 2, None))
    return None if line is None or last is None or column is None or end is None else (line, column, last, end)


def place(expression: ast.expr, offset: int = 0) -> Place:
    """Where an expression stands, in a text that begins so many lines down in its file."""
    last, end = expression.end_lineno or 0, expression.end_col_offset or 0
    return expression.lineno + offset, expression.col_offset, last + offset, end


@functools.cache
def short_file(file: str) -> str:
    """A file's name that is the same on every machine: from its package's root, else below the working directory."""
    if file.startswith("<"):
        return re.sub(r"\.\d+", "", file)  # generated code is numbered as it comes
    path = Path(file).resolve()
    package = path.parent
    while (package / "__init__.py").exists() and package != package.parent:
        package = package.parent
    if package != path.parent:
        return path.relative_to(package).as_posix()
    working = Path.cwd()
    return path.relative_to(working).as_posix() if path.is_relative_to(working) else path.name
