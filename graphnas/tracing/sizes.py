"""Numbers that remember how they were computed: sizes of tensors stay expressions in the graph."""

from __future__ import annotations

import builtins
import math
import operator
from collections.abc import Callable
from typing import Any, Protocol

import torch

from graphnas.ir.choice import FUNCTIONS, Apply, Expr
from graphnas.ir.node import Arg


class Listener(Protocol):
    """What symbolic numbers tell about themselves while a trace runs."""

    listening: bool

    def guard(self, test: Expr, outcome: bool) -> None:
        """Python took a decision on `test`."""

    def number(self, target: str, args: tuple[Any, ...], result: Any) -> Any:
        """A function of numbers was called; returns `result` as a symbolic number."""


class SymbolicInt(int):
    """An int that carries the expression it came from."""

    expr: Expr
    listener: Listener

    def __new__(cls, value: int, expr: Expr, listener: Listener) -> SymbolicInt:
        """An integer with the expression that gave it."""
        made = int.__new__(cls, value)
        made.expr = expr
        made.listener = listener
        return made

    __hash__ = int.__hash__

    def __reduce__(self) -> Any:
        return (int, (plain(self),))

    def __copy__(self) -> SymbolicInt:
        return self

    def __deepcopy__(self, memo: Any) -> SymbolicInt:
        return self


class SymbolicFloat(float):
    """A float that carries the expression it came from."""

    expr: Expr
    listener: Listener

    def __new__(cls, value: float, expr: Expr, listener: Listener) -> SymbolicFloat:
        """A number with the expression that gave it."""
        made = float.__new__(cls, value)
        made.expr = expr
        made.listener = listener
        return made

    __hash__ = float.__hash__

    def __reduce__(self) -> Any:
        return (float, (plain(self),))

    def __copy__(self) -> SymbolicFloat:
        return self

    def __deepcopy__(self, memo: Any) -> SymbolicFloat:
        return self


class AskingFloat(float):
    """A plain float that leaves it to a size on its right what becomes of both."""

    __hash__ = float.__hash__

    def __reduce__(self) -> Any:
        return (float, (plain(self),))


Symbolic = (SymbolicInt, SymbolicFloat)


def symbolic(value: Any, expr: Arg, listener: Listener) -> Any:
    """A number with its expression; anything else, and a number whose expression is a constant, as it is."""
    if not isinstance(expr, Expr) or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return SymbolicInt(plain(value), expr, listener)
    return SymbolicFloat(plain(value), expr, listener) if isinstance(value, float) else value


def plain(value: Any) -> Any:
    """The number without its expression."""
    if isinstance(value, SymbolicInt):
        return int.__int__(value)
    return float.__float__(value) if isinstance(value, SymbolicFloat | AskingFloat) else value


def plain_tree(tree: Any) -> Any:
    """Nested tuples, lists and dicts with plain numbers in them."""
    if isinstance(tree, dict):
        return type(tree)((key, plain_tree(item)) for key, item in tree.items())
    if type(tree) in (tuple, list, torch.Size):
        return type(tree)(map(plain_tree, tree))
    return plain(tree)


def expression(value: Any) -> Arg:
    """How a number was computed; of a plain number itself."""
    return value.expr if isinstance(value, Symbolic) else plain(value)


def pin(value: Any) -> Any:
    """The plain number, guarded: from here on it is a constant that the graph relies on."""
    result = plain(value)
    if isinstance(value, Symbolic) and value.listener.listening:
        value.listener.guard(Apply("==", (value.expr, result)), True)
    return result


# ---------------------------------------------------------------- operators
def _arithmetic(name: str, reflected: bool) -> Callable[[Any, Any], Any]:
    compute = FUNCTIONS[name]

    def method(self: Any, other: Any) -> Any:
        if not isinstance(other, int | float):
            if isinstance(other, list | tuple | str):
                pin(self)  # a sequence is repeated
            return NotImplemented
        pair = (other, self) if reflected else (self, other)
        value = compute(plain(pair[0]), plain(pair[1]))
        return symbolic(value, Apply(name, (expression(pair[0]), expression(pair[1]))), self.listener)

    return method


def _comparison(name: str) -> Callable[[Any, Any], Any]:
    compute = FUNCTIONS[name]

    def method(self: Any, other: Any) -> Any:
        if not isinstance(other, int | float):
            return NotImplemented
        outcome: bool = compute(plain(self), plain(other))
        theirs = expression(other)
        if self.listener.listening and self.expr != theirs:
            self.listener.guard(Apply(name, (self.expr, theirs)), outcome)
        return outcome

    return method


def _unary(name: str) -> Callable[[Any], Any]:
    compute = FUNCTIONS[name]

    def method(self: Any) -> Any:
        return symbolic(compute(plain(self)), Apply(name, (self.expr,)), self.listener)

    return method


def _rounding(target: str) -> Callable[[Any], Any]:
    from_plain = getattr(math, target.rpartition(".")[2])

    def method(self: Any) -> Any:
        return self.listener.number(target, (self,), from_plain(plain(self)))

    return method


def _round(self: Any, digits: int | None = None) -> Any:
    args = () if digits is None else (digits,)
    value = builtins.round(plain(self), *args)
    if args:
        return pin(self) if value == plain(self) else builtins.round(pin(self), *args)
    return symbolic(value, Apply("round", (self.expr,)), self.listener)


def _truncated(self: Any) -> Any:
    return symbolic(int(plain(self)), Apply("int", (self.expr,)), self.listener)


def _integer(self: Any) -> int:
    """`int(x)`: Python makes a plain number of it, and it is this that the graph relies on, not what was cut off."""
    return int(pin(self if isinstance(self, SymbolicInt) else _truncated(self)))


def _truth(self: Any) -> bool:
    outcome = bool(plain(self))
    if self.listener.listening:
        self.listener.guard(Apply("bool", (self.expr,)), outcome)
    return outcome


def _pinned(name: str, reflected: bool = False) -> Callable[..., Any]:
    compute = getattr(operator, name)

    def method(self: Any, *others: Any) -> Any:
        values = [pin(value) for value in (self, *others)]
        return compute(*(values[::-1] if reflected else values))

    return method


def _divmod(self: Any, other: Any) -> Any:
    return (self // other, self % other)


def _methods() -> dict[str, Callable[..., Any]]:
    found: dict[str, Callable[..., Any]] = {}
    for method, name in (
        ("add", "+"),
        ("sub", "-"),
        ("mul", "*"),
        ("truediv", "/"),
        ("floordiv", "//"),
        ("mod", "%"),
        ("pow", "**"),
    ):
        found[f"__{method}__"] = _arithmetic(name, reflected=False)
        found[f"__r{method}__"] = _arithmetic(name, reflected=True)
    for method, name in (("eq", "=="), ("ne", "!="), ("lt", "<"), ("le", "<="), ("gt", ">"), ("ge", ">=")):
        found[f"__{method}__"] = _comparison(name)
    for method, name in (("neg", "neg"), ("abs", "abs")):
        found[f"__{method}__"] = _unary(name)
    found |= {"__floor__": _rounding("math.floor"), "__ceil__": _rounding("math.ceil")}
    found |= {"__round__": _round, "__trunc__": _truncated, "__bool__": _truth, "__divmod__": _divmod}
    found |= {"__int__": _integer, "__float__": lambda self: float(pin(self))}
    return found


def _asking(name: str, reflected: str) -> Callable[[Any, Any], Any]:
    compute = getattr(float, name)

    def method(self: Any, other: Any) -> Any:
        if isinstance(other, SymbolicInt):
            return getattr(other, reflected)(plain(self))
        return compute(self, other)

    return method


_REFLECTED = {f"__{name}__": f"__r{name}__" for name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow")}
_REFLECTED |= {"__lt__": "__gt__", "__gt__": "__lt__", "__le__": "__ge__", "__ge__": "__le__"}
_REFLECTED |= {"__eq__": "__eq__", "__ne__": "__ne__"}
for _name, _other in _REFLECTED.items():
    setattr(AskingFloat, _name, _asking(_name, _other))
for _name, _method in _methods().items():
    setattr(SymbolicInt, _name, _method)
    setattr(SymbolicFloat, _name, _method)
for _name in ("and", "or", "xor", "lshift", "rshift"):
    _operator = f"{_name}_" if _name in ("and", "or") else _name
    setattr(SymbolicInt, f"__{_name}__", _pinned(_operator))
    setattr(SymbolicInt, f"__r{_name}__", _pinned(_operator, reflected=True))
SymbolicInt.__invert__ = _pinned("invert")  # type: ignore[method-assign]
