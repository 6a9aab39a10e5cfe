"""What the user's code wants of what it reads: a text for people, or to decide by it."""

from __future__ import annotations

import ast
import dis
import functools
import inspect
import linecache
import logging
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, FrameType, FunctionType, ModuleType

import torch

from graphnas.tracing.sources import Place, caller, is_ours, is_torch, place, running, short_file

_LOGGING = str(Path(logging.__file__).parent)
_TELLING = frozenset(("_assert", "print", "warn", "write", "log", "logger", "logging", "warnings"))
_IS = dis.opmap["IS_OP"]


def is_message(frame: FrameType | None) -> bool:
    """Whether the user's code is making a text that people read and no code: for `torch._assert`, `print` or a log."""
    user = caller(frame)
    if user is None:
        return False
    if user.f_code.co_filename.startswith(_LOGGING):
        return True
    at = running(user) if _may_tell(user.f_code) else None
    if at is None:
        return False
    return any(_inside(at, told) for told in _messages(user.f_code))


def is_identified(frame: FrameType | None) -> bool:
    """Whether the attribute that is read, or the name that it gets, is compared by `is`."""
    user = caller(frame)
    found = _identities(user.f_code) if user is not None else frozenset()
    return bool(found) and user is not None and running(user) in found


def is_converted(frame: FrameType) -> bool:
    """Whether code is making an int or a float of something by the functions of these names."""
    at = running(frame)
    return at is not None and at in _conversions(frame.f_code)


@functools.cache
def _conversions(code: CodeType) -> frozenset[Place]:
    tree = _read(code)
    calls = [node for node in tree.nodes if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)]
    return frozenset(place(call, tree.offset) for call in calls if call.func.id in ("int", "float"))  # type: ignore[attr-defined]


@functools.cache
def _may_tell(code: CodeType) -> bool:
    """Whether code names anything by which something is told; most does not, and need not be read."""
    return any(name.strip("_").lower() in _TELLING or name == "_assert" for name in code.co_names)


@functools.cache
def _messages(code: CodeType) -> tuple[Place, ...]:
    """Where something is told: the calls, and what is kept under names that only they read."""
    tree = _read(code)
    told = [place(node, tree.offset) for node in tree.nodes if isinstance(node, ast.Call) and _tells(node.func)]
    only: dict[str, bool] = {}  # whether a name is read by them alone
    for node in tree.nodes:
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            at = place(node, tree.offset)
            only[node.id] = only.get(node.id, True) and any(_inside(at, around) for around in told)
    only |= {name: False for node in tree.nodes if isinstance(node, ast.Nonlocal | ast.Global) for name in node.names}
    return (*told, *(place(value, tree.offset) for name, value in _assigned(tree) if only.get(name)))


@functools.cache
def _identities(code: CodeType) -> frozenset[Place]:
    """Where something is read that is compared by `is`."""
    if _IS not in code.co_code[::2]:
        return frozenset()
    tree = _read(code)
    read = [side for sides in _compared(tree) for side in sides]
    names = {side.id for side in read if isinstance(side, ast.Name)}
    read += [value for name, value in _assigned(tree) if name in names]
    return frozenset(place(side, tree.offset) for side in read)


class _Tree:
    """The syntax of some code, and by how many lines it is off."""

    def __init__(self, text: str, offset: int) -> None:
        self.nodes = list(ast.walk(ast.parse(text)))
        self.offset = offset


def _read(code: CodeType) -> _Tree:
    """The syntax of a function; of what is none, as a lambda, that of the file around it."""
    lines = linecache.getlines(code.co_filename)
    first = code.co_firstlineno
    last = max((end or 0 for _, end, _, _ in code.co_positions()), default=first)
    block = lines[first - 1 : last]
    inside = bool(block) and block[0][:1].isspace()
    try:
        return _Tree("".join(["if True:\n"] * inside + block), first - 1 - inside)
    except SyntaxError:
        return _file(code.co_filename)


@functools.cache
def _file(name: str) -> _Tree:
    try:
        return _Tree("".join(linecache.getlines(name)), 0)
    except SyntaxError:
        return _Tree("", 0)


def _inside(at: Place, around: Place) -> bool:
    return around[:2] <= at[:2] and at[2:] <= around[2:]


def _assigned(tree: _Tree) -> Iterator[tuple[str, ast.expr]]:
    """The names that get a value, and the expressions of these."""
    for node in tree.nodes:
        match node:
            case (
                ast.Assign(targets=[ast.Name(id=name)], value=value)
                | ast.NamedExpr(target=ast.Name(id=name), value=value)
            ):
                yield name, value
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                yield name, value


def _tells(function: ast.expr) -> bool:
    match function:
        case ast.Name(id=name) if name in ("_assert", "print", "warn"):
            return True
        case ast.Attribute(attr=name) if name in ("_assert", "print"):
            return True
        case ast.Attribute(attr="write", value=ast.Name(id=holder) | ast.Attribute(attr=holder)):
            return holder in ("stdout", "stderr")
        case ast.Attribute(value=ast.Name(id=holder) | ast.Attribute(attr=holder)):
            return holder.strip("_").lower() in ("log", "logger", "logging", "warnings")
        case ast.Attribute(value=ast.Call(func=ast.Attribute(attr="getLogger") | ast.Name(id="getLogger"))):
            return True
    return False


@functools.cache
def looks_at_objects(kind: type) -> str:
    """The line where the code of a module asks what a tracer cannot answer; "" if nowhere.

    That is whether two things are one, and what exactly the type of a number is.
    """
    lines = ((code, _object_line(code)) for code in _codes(kind))
    return next((f"{short_file(code.co_filename)}:{line}" for code, line in lines if line), "")


@functools.cache
def identifies_dtypes(kind: type) -> bool:
    """Whether the code of a module compares dtypes by `is`."""
    return any(map(_has_dtypes, _codes(kind)))


@functools.cache
def _codes(kind: type) -> tuple[CodeType, ...]:
    """The code of a module's `forward` and of what it calls, as far as names tell."""
    waiting, seen = [inspect.getattr_static(kind, "forward", None)], dict[CodeType, None]()
    while waiting:
        made = waiting.pop()
        function = inspect.unwrap(made) if isinstance(made, FunctionType) else None
        if not isinstance(function, FunctionType) or (code := function.__code__) in seen:
            continue
        if is_torch(code) or is_ours(code):
            continue
        seen[code] = None
        for name in code.co_names:
            held = function.__globals__.get(name)
            waiting += (inspect.getattr_static(kind, name, None), held)
            if isinstance(held, ModuleType):
                waiting += [vars(held).get(other) for other in code.co_names]
        if function.__closure__:
            waiting += inspect.getclosurevars(function).nonlocals.values()
    return tuple(seen)


@functools.cache
def _has_dtypes(code: CodeType) -> bool:
    """Whether a dtype of torch, or what is called `dtype`, is compared by `is`."""
    if _IS not in code.co_code[::2]:
        return False
    sides = (side for compared in _compared(_read(code)) for side in compared)
    named = (side.attr for side in sides if isinstance(side, ast.Attribute))
    return any(name == "dtype" or isinstance(getattr(torch, name, None), torch.dtype) for name in named)


def _compared(tree: _Tree) -> Iterator[tuple[ast.expr, ...]]:
    """What is compared by `is` with anything but None."""
    for node in tree.nodes:
        if isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.Is | ast.IsNot):
            yield (node.left, *node.comparators)


@functools.cache
def _object_line(code: CodeType) -> int:
    """The first line of a function where two names are compared by `is`, or a type."""
    if "type" not in code.co_names and _IS not in code.co_code[::2]:
        return 0
    tree = _read(code)
    for node in tree.nodes:
        if isinstance(node, ast.Compare):
            sides = (node.left, *node.comparators)
            asks = any(isinstance(side, ast.Call) and ast.unparse(side.func) == "type" for side in sides)
            named = all(isinstance(side, ast.Name | ast.Subscript) for side in sides)
            if asks or (named and isinstance(node.ops[0], ast.Is | ast.IsNot)):
                return node.lineno + tree.offset
    return 0
