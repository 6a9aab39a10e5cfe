"""Plain floats that notice sizes.

Python hands `0.5 * size` to the float, which makes a plain number of it without asking the size. For the length of a
trace the floats that the user's classes hold, as constants of their code and as attributes, are ones that ask.
"""

from __future__ import annotations

import contextlib
import sys
import weakref
from collections.abc import Iterable, Iterator
from types import CodeType, FunctionType
from typing import Any

from torch import nn

from graphnas.tracing.sizes import AskingFloat

# Function → its code, and the same code with floats that ask. Kept, so that a function has the same code every time.
_CODES: weakref.WeakKeyDictionary[FunctionType, tuple[CodeType, CodeType]] = weakref.WeakKeyDictionary()


@contextlib.contextmanager
def asking(modules: Iterable[nn.Module]) -> Iterator[None]:
    """The floats of these modules ask: in the code of their classes and beside it in their files, and held ones."""
    kinds = {kind for module in modules for kind in type(module).__mro__ if not _is_torchs(kind)}
    files = [vars(sys.modules[name]) for name in {kind.__module__ for kind in kinds} if name in sys.modules]
    changed = [
        (function, *codes) for function in _functions(kinds, files) if (codes := _codes(function))[0] is not codes[1]
    ]
    holders = [*files, *(module.__dict__ for module in modules)]
    held = [(holder, name, value) for holder in holders for name, value in holder.items() if type(value) is float]
    try:
        for function, _, code in changed:
            function.__code__ = code
        for holder, name, value in held:
            holder[name] = AskingFloat(value)
        yield
    finally:
        for function, code, _ in changed:
            function.__code__ = code
        for holder, name, value in held:
            if type(holder.get(name)) is AskingFloat:
                holder[name] = value


def _is_torchs(kind: type) -> bool:
    return kind.__module__.partition(".")[0] in ("torch", "builtins")


def _functions(kinds: Iterable[type], files: Iterable[dict[str, Any]]) -> Iterator[FunctionType]:
    """The functions of classes, those beside them in their files, and those that these were made around."""
    waiting: list[Any] = [value for kind in kinds for value in vars(kind).values()]
    for file in files:
        waiting += [item for item in file.values() if isinstance(item, FunctionType) and item.__globals__ is file]
    seen: set[FunctionType] = set()
    while waiting:
        value = waiting.pop()
        match value:
            case property():
                waiting.append(value.fget)
            case staticmethod() | classmethod():
                waiting.append(value.__func__)
            case FunctionType() if value not in seen:
                seen.add(value)
                waiting += [cell.cell_contents for cell in value.__closure__ or () if _is_full(cell)]
                yield value


def _is_full(cell: Any) -> bool:
    try:
        return isinstance(cell.cell_contents, FunctionType | property | staticmethod | classmethod)
    except ValueError:  # a variable that has no value yet
        return False


def _codes(function: FunctionType) -> tuple[CodeType, CodeType]:
    found = _CODES.get(function)
    if found is None or found[0] is not function.__code__:
        found = _CODES[function] = (function.__code__, _converted(function.__code__))
    return found


def _converted(constant: Any) -> Any:
    """A constant of code with floats that ask; the same object where it has none."""
    match constant:
        case CodeType():
            constants = _converted(constant.co_consts)
            return constant if constants is constant.co_consts else constant.replace(co_consts=constants)
        case tuple():
            items = tuple(map(_converted, constant))
            return constant if all(new is old for new, old in zip(items, constant, strict=True)) else items
        case float():
            return AskingFloat(constant)
    return constant
