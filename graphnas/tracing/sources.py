"""Where in the user's code something was asked for."""

from __future__ import annotations

import ast
import contextlib
import dis
import functools
import itertools
import linecache
import os
import re
from pathlib import Path
from types import CodeType, FrameType
from typing import TypeAlias

import torch

from graphnas.ir.node import Source

_TORCH = f"{Path(torch.__file__).parent}{os.sep}"  # torchvision beside it is a user's
_OURS = f"{Path(__file__).parent}{os.sep}"

Place: TypeAlias = tuple[tuple[int, int], tuple[int, int]]  # from (line, column) to (line, column)

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
    """The user's line that is running."""
    user = caller(frame)
    if user is None:
        return None
    key = (user.f_code, user.f_lineno)
    found = _SOURCES.get(key)
    if found is None:
        found = _SOURCES[key] = Source(short_file(user.f_code.co_filename), user.f_lineno)
    return found


def instruction(frame: FrameType) -> str:
    """The name of the bytecode instruction that a frame is executing."""
    code = frame.f_code
    bytecode = _BYTECODE.get(code)
    if bytecode is None:
        bytecode = _BYTECODE[code] = code.co_code
    return dis.opname[bytecode[frame.f_lasti]]


def is_message(frame: FrameType | None) -> bool:
    """Whether the user's code is making a text that people read and no code: for `torch._assert`, `print` or a log."""
    user = caller(frame)
    at = None if user is None else running(user)
    if user is None or at is None:
        return False
    return any(begins <= at[0] and at[1] <= ends for begins, ends in _messages(user.f_code.co_filename))


def running(frame: FrameType) -> Place | None:
    """The expression that a frame is in the middle of."""
    line, last, column, end = next(itertools.islice(frame.f_code.co_positions(), frame.f_lasti // 2, None))
    return None if line is None or last is None or column is None or end is None else ((line, column), (last, end))


def place(expression: ast.expr) -> Place:
    """Where an expression stands."""
    return (expression.lineno, expression.col_offset), (expression.end_lineno or 0, expression.end_col_offset or 0)


@functools.cache
def _messages(file: str) -> tuple[Place, ...]:
    """Where in a file something is told: the places of the calls, from (line, column) to (line, column)."""
    try:
        tree = ast.parse("".join(linecache.getlines(file)))
    except SyntaxError:
        return ()
    return tuple(place(call) for call in ast.walk(tree) if isinstance(call, ast.Call) and _tells(call.func))


def _tells(function: ast.expr) -> bool:
    match function:
        case ast.Name(id=name) | ast.Attribute(attr=name) if name in ("_assert", "print"):
            return True
        case ast.Attribute(value=ast.Name(id=holder) | ast.Attribute(attr=holder)):
            return holder.strip("_").lower() in ("log", "logger", "logging", "warnings")
    return False


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
