"""Where in the user's code something was asked for."""

from __future__ import annotations

import ast
import contextlib
import dis
import functools
import itertools
import os
import re
from pathlib import Path
from types import CodeType, FrameType
from typing import TypeAlias

import torch

from graphnas.ir.node import Source

_TORCH = f"{Path(torch.__file__).parent}{os.sep}"  # torchvision beside it is a user's
_OURS = f"{Path(__file__).parent}{os.sep}"

Place: TypeAlias = tuple[int, int, int, int]  # line, column, last line, last column

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
