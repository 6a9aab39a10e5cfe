"""Numbers that remember how they were computed: sizes of tensors stay expressions in the graph."""

from __future__ import annotations

import builtins
import math
import operator
import sys
from collections.abc import Callable
from numbers import Number
from typing import Any

import torch

from graphnas.ir.choice import FUNCTIONS, Apply, Expr
from graphnas.ir.node import Arg
from graphnas.tracing.listening import Listener
from graphnas.tracing.meanings import is_message


class _Integer(int, torch.SymInt):  # type: ignore[misc]
    """What a symbolic integer says it is: torch takes its own symbolic numbers without asking for their value."""


class _Float(float, torch.SymFloat):  # type: ignore[misc]
    """What a symbolic float says it is."""


class Holder:
    """What stands for a plain thing, its `value`, and follows what it is computed from."""

    value: Any


class Followed(Holder):
    """A number, a dtype or a device that carries the expression it came from.

    It is not one of Python's: of those whatever is written in C takes the value, and nobody notices. This one is asked
    for it, as by `"ab"[size]` and `range(size)`; and a plain float leaves it to this one what `0.5 * size` is.
    """

    kind: type
    running: type  # the kind as torch wants it

    def __init__(self, value: Any, expr: Expr, listener: Listener) -> None:
        self.value = value
        self.expr: Arg = expr
        self.listener = listener

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        return self.kind if self.listener.finished else self.running

    def told(self) -> Arg:
        """The plain value in a graph."""
        return self.value

    @property
    def node(self) -> Any:
        """What torch wants of its own symbolic numbers where it does not show the call."""
        raise self.listener.refuse(
            "a size or number is given to a function of torch that the tracer cannot see",
            "Use torch.empty or torch.tensor, and no transform of torch.func.",
        )

    def __getattr__(self, name: str) -> Any:
        if not hasattr(self.kind, name):
            raise AttributeError(f"{self.kind.__name__!r} object has no attribute {name!r}")
        return getattr(pin(self), name)


class SymbolicInt(Followed):
    """An int that carries the expression it came from."""

    kind, running = int, _Integer


class SymbolicFloat(Followed):
    """A float that carries the expression it came from."""

    kind, running = float, _Float


Symbolic = (SymbolicInt, SymbolicFloat)


def symbolic(value: Any, expr: Arg, listener: Listener) -> Any:
    """A number with its expression; anything else, and a number whose expression is a constant, as it is."""
    if not isinstance(expr, Expr) or isinstance(value, bool):
        return value
    number = plain(value)
    integer, floating = listener.numbers
    if isinstance(number, int):
        return integer(number, expr, listener)
    return floating(number, expr, listener) if isinstance(number, float) else value


def plain(value: Any) -> Any:
    """The number, dtype or device without its expression."""
    return value.value if issubclass(type(value), Followed) else value


def bare(tree: Any) -> Any:
    """What a function was given, with plain numbers; the same object where it holds no others."""
    kind = type(tree)
    if kind in _OPAQUE:
        return tree
    if issubclass(kind, Holder):
        return tree.value
    if kind is tuple or kind is list or kind is torch.Size:
        items = [bare(item) for item in tree]
        return tree if all(map(operator.is_, items, tree)) else kind(items)
    if kind is dict:
        return {key: bare(item) for key, item in tree.items()}
    return slice(bare(tree.start), bare(tree.stop), bare(tree.step)) if kind is slice else tree


_OPAQUE = frozenset((torch.Tensor, torch.nn.Parameter, int, float, bool, str, type(None)))


def expression(value: Any) -> Arg:
    """How a number was computed; of a plain number itself."""
    if not isinstance(value, Followed):
        return float(value) if isinstance(value, float) else value
    return value.told() if value.listener.finished else value.expr


def pin(value: Any) -> Any:
    """The plain number, dtype or device, guarded: from here on it is a constant that the graph relies on."""
    result = plain(value)
    if isinstance(value, Followed) and value.listener.listening and isinstance(value.expr, Expr):
        value.listener.guard(Apply("==", (value.expr, value.told())), True)
    return result


def _listener(*numbers: Any) -> Listener:
    """Whose a number is that is computed from these: a run's, where any of them is."""
    followed = (number.listener for number in numbers if isinstance(number, Followed))
    return min(followed, key=lambda listener: listener.lasting or listener.finished)


# ---------------------------------------------------------------- operators
def _arithmetic(name: str, reflected: bool) -> Callable[[Any, Any], Any]:
    compute = FUNCTIONS[name]

    def method(self: Any, other: Any) -> Any:
        if self.listener.finished or not isinstance(other, int | float):
            if isinstance(other, torch.Tensor) and not self.listener.finished:
                return NotImplemented
            return compute(other, pin(self)) if reflected else compute(pin(self), other)
        pair = (other, self) if reflected else (self, other)
        value = compute(plain(pair[0]), plain(pair[1]))
        return symbolic(value, Apply(name, (expression(pair[0]), expression(pair[1]))), _listener(self, other))

    return method


def _comparison(name: str) -> Callable[[Any, Any], Any]:
    compute = FUNCTIONS[name]

    def method(self: Any, other: Any) -> Any:
        if not isinstance(other, int | float):
            return NotImplemented if not isinstance(other, Number) else compute(pin(self), other)
        outcome: bool = compute(plain(self), plain(other))
        ours, theirs = expression(self), expression(other)
        listener = _listener(self, other)
        if listener.listening and ours != theirs:
            listener.guard(Apply(name, (ours, theirs)), outcome)
        return outcome

    return method


def _unary(name: str) -> Callable[[Any], Any]:
    compute = FUNCTIONS[name]

    def method(self: Any) -> Any:
        return symbolic(compute(plain(self)), _applied(name, self), self.listener)

    return method


def _applied(name: str, number: Any) -> Arg:
    """A function of one number; that of a plain number is one that nobody follows."""
    expr = expression(number)
    return Apply(name, (expr,)) if isinstance(expr, Expr) else None


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
    return symbolic(value, _applied("round", self), self.listener)


def _truncated(self: Any) -> Any:
    return symbolic(int(plain(self)), _applied("int", self), self.listener)


def converted(kind: type, value: Any) -> Any:
    """`int` or `float` of a symbolic number, as one."""
    if value.listener.finished:
        return kind(plain(value))
    if value.kind is kind:
        return value
    return _truncated(value) if kind is int else symbolic(float(plain(value)), _applied("float", value), value.listener)


def _becoming(name: str, make: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """`int(x)`, `float(x)` and `range(x)`, which can be followed where the user's code asks for them."""

    def method(self: Any) -> Any:
        if self.listener.listening:
            self.listener.conversions.come_across(name, sys._getframe(1))
        return make(self)

    return method


def _integer(self: Any) -> int:
    """`int(x)`: Python makes a plain number of it, and it is this that the graph relies on, not what was cut off."""
    return int(pin(self if isinstance(self, SymbolicInt) else _truncated(self)))


def _truth(self: Any) -> bool:
    outcome = bool(plain(self))
    test = _applied("bool", self)
    if self.listener.listening and test is not None:
        self.listener.guard(test, outcome)
    return outcome


def _power(self: Any, other: Any, modulus: Any = None) -> Any:
    if modulus is not None:
        return pow(pin(self), pin(other), pin(modulus))
    return _POWER(self, other)


def _hash(self: Any) -> int:
    """What is kept under a number, as `functools.cache` does, is computed from the plain number from here on."""
    self.expr = pin(self)
    return hash(self.expr)


def _pinned(compute: Callable[..., Any], reflected: bool = False) -> Callable[..., Any]:
    def method(self: Any, *others: Any) -> Any:
        values = [pin(value) for value in (self, *others)]
        return compute(*(values[::-1] if reflected else values))

    return method


def _universal(self: Any, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
    """Functions of numpy take the plain number; `numpy.float64(0.5) * size` is left to the size."""
    name = _UNIVERSAL.get(ufunc.__name__)
    if name is not None and method == "__call__" and len(inputs) == 2 and isinstance(inputs[0], float):
        return getattr(self, f"__r{name}__")(float(inputs[0]))
    return getattr(ufunc, method)(*map(pin, inputs), **kwargs)


def _array(self: Any, *args: Any, **kwargs: Any) -> Any:
    return sys.modules["numpy"].array(pin(self), *args, **kwargs)


def _text(function: Callable[..., str]) -> Callable[..., str]:
    def method(self: Any, *args: Any) -> str:
        told = self.listener.listening and is_message(sys._getframe(1))
        return function(self.value if told else pin(self), *args)

    return method


def _methods() -> dict[str, Callable[..., Any]]:
    found: dict[str, Callable[..., Any]] = {}
    for method, name in _OPERATORS.items():
        found[f"__{method}__"] = _arithmetic(name, reflected=False)
        found[f"__r{method}__"] = _arithmetic(name, reflected=True)
    for method, name in (("eq", "=="), ("ne", "!="), ("lt", "<"), ("le", "<="), ("gt", ">"), ("ge", ">=")):
        found[f"__{method}__"] = _comparison(name)
    for method, name in (("neg", "neg"), ("abs", "abs")):
        found[f"__{method}__"] = _unary(name)
    found |= {"__floor__": _rounding("math.floor"), "__ceil__": _rounding("math.ceil")}
    found |= {"__round__": _round, "__trunc__": _truncated, "__bool__": _truth, "__hash__": _hash, "__pow__": _power}
    found |= {"__divmod__": lambda self, other: (self // other, self % other)}
    found |= {"__rdivmod__": lambda self, other: (other // self, other % self)}
    found |= {"__int__": _becoming("int", _integer), "__pos__": lambda self: self}
    found |= {"__float__": _becoming("float", lambda self: float(pin(self)))}
    found |= {f"__{name}__": _text(function) for name, function in (("str", str), ("repr", repr), ("format", format))}
    found |= {"__array_ufunc__": _universal, "__array__": _array}
    found |= {"__copy__": lambda self: self, "__deepcopy__": lambda self, memo: self}
    found |= {"__reduce_ex__": lambda self, protocol: (type(plain(self)), (plain(self),))}
    return found


_OPERATORS = {"add": "+", "sub": "-", "mul": "*", "truediv": "/", "floordiv": "//", "mod": "%", "pow": "**"}
_UNIVERSAL = {
    "add": "add", "subtract": "sub", "multiply": "mul", "divide": "truediv", "floor_divide": "floordiv",
    "remainder": "mod", "power": "pow",
}  # fmt: skip
_POWER = _arithmetic("**", reflected=False)
for _name, _method in _methods().items():
    setattr(SymbolicInt, _name, _method)
    setattr(SymbolicFloat, _name, _method)
for _name in ("and", "or", "xor", "lshift", "rshift"):
    _compute = getattr(operator, f"{_name}_" if _name in ("and", "or") else _name)
    setattr(SymbolicInt, f"__{_name}__", _pinned(_compute))
    setattr(SymbolicInt, f"__r{_name}__", _pinned(_compute, reflected=True))
for _name, _method in (("__invert__", _pinned(operator.invert)), ("__index__", _becoming("range", _integer))):
    setattr(SymbolicInt, _name, _method)
