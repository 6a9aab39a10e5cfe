"""How constants, functions and classes are spelled in emitted source; strings only ever get there as their `repr`."""

from __future__ import annotations

import keyword
import math
import re
from typing import Any

from graphnas.errors import EmitError
from graphnas.ir.frozen import FrozenDict
from graphnas.ir.node import Built, Constant, Device, List

# What emitted files call or read by these names.
NEEDED = frozenset(
    {"self", "plan", "torch", "nn", "F", "runtime", "base64", "math", "operator", "zlib", "OrderedDict", "Path"}
    | {"build", "_guard", "_unpack", "super", "range", "list", "slice", "float", "complex", "int", "bool", "round"}
    | {"abs", "max", "min", "len", "sum", "tuple", "print", "isinstance", "bytearray", "ValueError"}
)
_AMBIGUOUS = frozenset(("l", "O", "I"))  # linters refuse them as names
_PREFIXES = (
    ("torch.nn.functional.", "F."),
    ("torch.nn.init.", "nn.init."),
    ("torch.nn.utils.rnn.", "nn.utils.rnn."),
    ("torch.nn.", "nn."),
)


def is_identifier(name: Any) -> bool:
    """Whether a string can stand in source as a name."""
    return isinstance(name, str) and name.isascii() and name.isidentifier() and not keyword.iskeyword(name)


def identifier(name: Any, what: str) -> str:
    """The name itself.

    Raises:
        EmitError: it cannot stand in source.
    """
    if not is_identifier(name):
        raise EmitError(f"{what} is called {name!r}, which is not a Python name; rename it in the graph")
    return str(name)


def as_name(hint: str) -> str:
    """A variable's name made from any text."""
    name = re.sub(r"[^0-9A-Za-z_]+", "_", hint).strip("_") or "x"
    if name[0].isdigit():
        name = f"x{name}"
    return f"{name}_" if name in _AMBIGUOUS or keyword.iskeyword(name) else name


def spelled(name: str, what: str) -> str:
    """A dotted name as the file's imports make it reachable: `torch.nn.functional.relu` is `F.relu`.

    Raises:
        EmitError: it is not a dotted name.
    """
    if not all(is_identifier(part) for part in str(name).split(".")):
        raise EmitError(f"{what} is {name!r}, which is not a dotted name")
    for long, short in _PREFIXES:
        if name.startswith(long) and name.count(".") == long.count("."):
            return short + name[len(long) :]
    return name


def literal(value: Any, what: str = "an argument") -> str:
    """A constant as source.

    Raises:
        EmitError: the value is not a constant.
    """
    kind = type(value)
    if kind is int or kind is bool or value is None:
        return repr(value)
    if kind is str:
        return _string(value)
    if kind is float:
        return _float(value)
    if kind is complex:
        return f"complex({_float(value.real)}, {_float(value.imag)})"
    match value:
        case tuple():
            items = ", ".join(literal(item, what) for item in value)
            return f"({items},)" if len(value) == 1 else f"({items})"
        case List(items=items):
            return "[" + ", ".join(literal(item, what) for item in items) + "]"
        case FrozenDict():
            return "{" + ", ".join(f"{literal(key, what)}: {literal(item, what)}" for key, item in value.items()) + "}"
        case Constant(name=name):
            return spelled(name, what)
        case Device(name=name):
            return f"torch.device({_string(name)})"
        case Built(type=name, config=config):
            given = ", ".join(f"{key}={literal(item, what)}" for key, item in config.items())
            return f"{spelled(name, what)}({given})"
    if value is Ellipsis:
        return "..."
    raise EmitError(f"{what} is {value!r}, which cannot be written as source")


def _string(value: str) -> str:
    plain = repr(value)
    return plain if "'" in value or '"' in value else f'"{plain[1:-1]}"'


def _float(value: float) -> str:
    if math.isfinite(value):
        return repr(value)
    return f'float("{value}")'
