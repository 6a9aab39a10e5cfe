"""Which values a graph may hold: argument trees and expressions, checked so that nothing in them can surprise.

Whatever a file contains ends in generated source or in arithmetic over options. So types are exact (an `int`, not
something derived from it), names are names, and arithmetic has numbers of bounded size only.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterator
from typing import Any, NoReturn

from graphnas.errors import GraphError, nearest
from graphnas.ir.choice import Apply, Choice, Expr, Training
from graphnas.ir.frozen import FrozenDict
from graphnas.ir.naming import MAX_NAME, is_allowed, is_identifier, is_line, permission
from graphnas.ir.node import Arg, Built, Constant, Device, Given, List, Ref, Size, Slice
from graphnas.ir.targets import CONSTANTS, LAYERS, NAMESPACES

MAX_DEPTH = 200  # levels of nesting in one value
MAX_TEXT = 10_000  # characters in one string
MAX_EXPONENT = 64
MAX_DOMAIN = 2**20  # values of one choice
INTEGERS = range(-(2**63), 2**64)  # what a 64-bit number holds, signed or not

# Functions of expressions by the number of their arguments; `max` and `min` take any number from two on.
_ARITY = {"neg": 1, "not": 1, "abs": 1, "int": 1, "float": 1, "bool": 1, "round": 1, "if": 3}
_BOOLEAN = frozenset({"<", "<=", ">", ">=", "==", "!=", "and", "or", "not", "implies", "in", "bool"})
_ARITHMETIC = frozenset({"+", "-", "*", "/", "//", "%", "**", "neg", "abs", "int", "float", "round"})
_SELECTING = frozenset({"if", "max", "min"})
_NUMBERS = (bool, int, float, complex)
_ATOMS = (type(None), bool, float, complex, type(Ellipsis))

_DEVICE = re.compile(r"[a-z]{1,20}(?::\d{1,3})?")


def refuse(what: str, where: str, remedy: str) -> NoReturn:
    """Raises the `GraphError` that says what is wrong, where, and what to do."""
    raise GraphError(f"{what}\n  at {where}. {remedy}")


# ---------------------------------------------------------------- argument trees
def check_value(
    tree: Arg, known: Collection[str], where: str, depth: int = 0, allow: Collection[str] | None = None
) -> None:
    """Checks an argument tree.

    Args:
        tree: the value.
        known: names of the nodes and inputs that it may refer to.
        where: what holds the value, for messages.
        depth: how many levels are around it.
        allow: the modules whose objects of plain values may stand in it; None where none may, not even a namespace.

    Raises:
        GraphError: the value, or something in it, cannot stand in a graph.
    """
    kind = type(tree)
    if kind is int:
        _check_integer(tree, where)
    elif kind is str:
        _check_text(tree, where)
    elif kind is Ref:
        check_ref(tree, known, where)
    elif kind not in _ATOMS:
        _check_nested(tree, known, where, depth, allow)


def _check_nested(tree: Arg, known: Collection[str], where: str, depth: int, allow: Collection[str] | None) -> None:
    kind = type(tree)
    if depth >= MAX_DEPTH:
        refuse(
            f"a value is nested in more than {MAX_DEPTH} levels", where, "Write a sum of many terms as a balanced tree."
        )
    elif kind is tuple:
        for item in tree:
            check_value(item, known, where, depth + 1, allow)
    elif kind is FrozenDict:
        for key, item in tree.items():
            _check_key(key, where)
            check_value(item, known, where, depth + 1, allow)
    elif kind is List:
        check_value(tree.items, known, where, depth + 1, allow)
    elif kind is Slice:
        check_value((tree.start, tree.stop, tree.step), known, where, depth + 1)
    elif kind is Constant:
        _check_constant(tree, where)
    elif kind is Device:
        if type(tree.name) is not str or not _DEVICE.fullmatch(tree.name):
            refuse(f"{tree.name!r:.100} is not a device", where, "A device is written like 'cpu' or 'cuda:0'.")
    elif kind is Built:
        _check_built(tree, where, depth, allow)
    else:
        _check_expression(tree, known, where, depth)


def check_ref(ref: Ref, known: Collection[str], where: str) -> None:
    """Checks that a reference leads to something that is computed earlier.

    Raises:
        GraphError: it does not, or its items are not indices and keys.
    """
    if type(ref.name) is not str or ref.name not in known:
        refuse(
            f"{ref.name!r:.100} is read, but no input and no earlier node is called so.{nearest(ref.name, known)}",
            where,
            "Nodes stand after everything that they read.",
        )
    if type(ref.item) is not tuple:
        refuse(f"the item {ref.item!r:.100} of a reference is not a tuple", where, "Write Ref(name, (item,)).")
    for step in ref.item:
        if type(step) is int:
            _check_integer(step, where)
        elif type(step) is str:
            _check_text(step, where)
        else:
            refuse(
                f"the item {step!r:.100} of a reference is neither an int nor a str", where, "Index with those alone."
            )


def _check_integer(number: int, where: str) -> None:
    if number not in INTEGERS:
        refuse(f"an integer of {number.bit_length()} bits is too large", where, "Integers have at most 64 bits.")


def _check_text(text: str, where: str) -> None:
    if len(text) > MAX_TEXT:
        refuse(f"a string has {len(text)} characters", where, f"Strings in a graph have at most {MAX_TEXT}.")
    if not text.isascii() and any("\ud800" <= char <= "\udfff" for char in text):
        refuse(f"the string {text!a:.100} is not valid Unicode", where, "Remove the lone surrogate.")


def _check_key(key: object, where: str) -> None:
    if type(key) is str:
        _check_text(key, where)
    elif type(key) is int:
        _check_integer(key, where)
    elif type(key) not in (bool, float, type(None)):
        refuse(f"{key!r:.100} is a key of a dict", where, "Keys are strings, numbers, booleans or None.")


def _check_constant(constant: Constant, where: str) -> None:
    if constant.name not in CONSTANTS:
        refuse(
            f"{constant.name!r:.100} is no dtype, layout or memory format of torch.{nearest(constant.name, CONSTANTS)}",
            where,
            "Write its public name, such as torch.float32.",
        )


def _check_built(built: Built, where: str, depth: int, allow: Collection[str] | None) -> None:
    if type(built.type) is not str or not (built.type in LAYERS or _is_object(built.type, allow)):
        refuse(
            f"{built.type!r:.100} is given to a constructor, and is no layer of torch",
            where,
            "Give one of torch.nn." if allow is None else permission(built.type),
        )
    if type(built.config) is not FrozenDict or not all(map(is_identifier, built.config)):
        refuse(f"{built.config!r:.100} are not arguments by name", where, "Name them by identifiers.")
    check_value(built.config, (), where, depth + 1, allow)


def _is_object(name: str, allow: Collection[str] | None) -> bool:
    return allow is not None and (name in NAMESPACES or is_allowed(name, allow))


def objects(tree: Arg) -> Iterator[Built]:
    """The objects in an argument tree that are no layers of torch, the outer ones first."""
    match tree:
        case Built(type=name, config=config):
            if name not in LAYERS:
                yield tree
            yield from objects(config)
        case dict():
            for item in tree.values():
                yield from objects(item)
        case List(items=items):
            yield from objects(items)
        case tuple():
            for item in tree:
                yield from objects(item)


# ---------------------------------------------------------------- expressions
def _check_expression(tree: object, known: Collection[str], where: str, depth: int) -> None:
    match tree:
        case Apply():
            _check_application(tree, where)
            for arg in tree.args:
                check_value(arg, known, where, depth + 1)
        case Size(of=ref, dim=dim):
            if type(ref) is not Ref or not (dim is None or (type(dim) is int and -64 <= dim < 64)):
                refuse(f"{tree!r:.100} is not the size of a value", where, "Write Size(Ref(name), dimension).")
            check_ref(ref, known, where)
        case Given(of=ref):
            if type(ref) is not Ref:
                refuse(f"{tree!r:.100} does not ask for a value", where, "Write Given(Ref(name)).")
            check_ref(ref, known, where)
        case Choice():
            check_choice(tree, where)
        case Training():
            return
        case _:
            refuse(
                f"a {type(tree).__name__} cannot stand in a graph: {tree!r:.100}",
                where,
                "Use None, bool, int, float, complex, str, Ellipsis, tuple, FrozenDict, or a type of graphnas.ir.",
            )


def _check_application(expr: Apply, where: str) -> None:
    count = len(expr.args)
    fits = count >= 2 if expr.fn in ("max", "min") else count == _ARITY.get(expr.fn, 2)
    if not fits:
        refuse(f"{expr.fn!r} is applied to {count} arguments", where, f"It takes {_ARITY.get(expr.fn, 2)}.")
    if expr.fn in _ARITHMETIC:
        for arg in expr.args:
            if not _is_number(arg):
                refuse(f"{expr.fn!r} is applied to {arg!r:.100}", where, "Arithmetic is for numbers alone.")
    if expr.fn == "**" and not (_is_small(expr.args[1]) and not _has_power(expr.args[0])):
        refuse(f"the power {expr.args!r:.100} may grow without bound", where, f"Keep exponents within ±{MAX_EXPONENT}.")
    if expr.fn == "in" and not (
        type(expr.args[1]) is tuple or (isinstance(expr.args[1], Choice) and expr.args[1].take != 1)
    ):
        refuse(f"'in' looks into {expr.args[1]!r:.100}", where, "Give it a tuple of options, or a choice of several.")


def _is_number(arg: object) -> bool:
    match arg:
        case Choice(options=options, take=take):
            return take == 1 and all(map(_is_number, options))
        case Apply(fn=fn, args=args) if fn in _SELECTING:
            return all(map(_is_number, args[1:] if fn == "if" else args))
        case Expr() | Ref():
            return True
        case _:
            return type(arg) in _NUMBERS


def _is_small(arg: object) -> bool:
    match arg:
        case Choice(options=options):
            return all(map(_is_small, options))
        case Apply(fn="neg", args=(inner,)):
            return _is_small(inner)
        case Size() | Ref():
            return True
        case _:
            return type(arg) in (bool, int, float) and abs(arg) <= MAX_EXPONENT  # type: ignore[arg-type]


def _has_power(arg: object) -> bool:
    return isinstance(arg, Apply) and (arg.fn == "**" or any(map(_has_power, arg.args)))


def is_boolean(expr: object) -> bool:
    """Whether an expression can only be true or false."""
    match expr:
        case Training() | Given():
            return True
        case Apply(fn="if", args=(_, yes, no)):
            return all(type(arm) is bool or is_boolean(arm) for arm in (yes, no))
        case Apply(fn=fn):
            return fn in _BOOLEAN
        case Choice(options=options, take=take):
            return take == 1 and all(type(option) is bool for option in options)
        case _:
            return False


# ---------------------------------------------------------------- choices
def check_choice(choice: Choice, where: str) -> None:
    """Checks a choice: a printable label, plain options, not too many values.

    Raises:
        GraphError: it is not well-formed.
    """
    if not choice.label or not is_line(choice.label):
        refuse(f"{choice.label!r:.100} is not a label", where, f"A label is one printable line of at most {MAX_NAME}.")
    for option in choice.options:
        for scalar in _scalars(option):
            if type(scalar) not in (*_NUMBERS, str, type(None)) or scalar != scalar:
                refuse(
                    f"{scalar!r:.100} is an option of {choice.label!r}",
                    where,
                    "Options are scalars, or tuples of them.",
                )
            if type(scalar) is int:
                _check_integer(scalar, where)
            elif type(scalar) is str:
                _check_text(scalar, where)
    if not _is_countable(len(choice.options), choice.take):
        refuse(f"choice {choice.label!r} has more than {MAX_DOMAIN} values", where, "Split it into several choices.")


def _is_countable(count: int, take: int | None) -> bool:
    most = MAX_DOMAIN.bit_length() - 1
    if take is None:
        return count <= most
    # n over k is at least 2^k where n is at least 2 k: no need to work out what is far too large.
    return count <= MAX_DOMAIN and min(take, count - take) <= most and math.comb(count, take) <= MAX_DOMAIN


def _scalars(option: Any) -> Iterator[Any]:
    return iter(option if type(option) is tuple else (option,))
