"""What a pattern is written with: operators that are applied to values, and drawn as the steps of a subgraph."""

from __future__ import annotations

import inspect
import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from graphnas.analysis.operations import COMMUTATIVE, PLAIN, operation, operation_called
from graphnas.analysis.patterns import Given, Made, Operand, Step, are_connected
from graphnas.ir.node import Layer, Node
from graphnas.mutations.arguments import argument_of
from graphnas.mutations.selectors import Kind, conditions, kind, name_of
from graphnas.mutations.where import has, is_class


class Value:
    """A value in a pattern: `+`, `-`, `*`, `/`, `@` and `**` combine values, and `value[0]` is a part of a tuple."""

    __slots__ = ()
    __iter__ = None  # a value has no length: its parts are taken by index

    def __add__(self, other: Term) -> Value:
        return _ADD(self, other)

    def __radd__(self, other: Term) -> Value:
        return _ADD(other, self)

    def __sub__(self, other: Term) -> Value:
        return _SUBTRACT(self, other)

    def __rsub__(self, other: Term) -> Value:
        return _SUBTRACT(other, self)

    def __mul__(self, other: Term) -> Value:
        return _MULTIPLY(self, other)

    def __rmul__(self, other: Term) -> Value:
        return _MULTIPLY(other, self)

    def __truediv__(self, other: Term) -> Value:
        return _DIVIDE(self, other)

    def __rtruediv__(self, other: Term) -> Value:
        return _DIVIDE(other, self)

    def __matmul__(self, other: Term) -> Value:
        return _MATMUL(self, other)

    def __pow__(self, other: Term) -> Value:
        return _POWER(self, other)

    def __getitem__(self, item: int) -> Value:
        return Item(self, item)


Term: TypeAlias = "Value | int | float"


@dataclass(frozen=True, slots=True, eq=False)
class Input(Value):
    """What a pattern is given."""

    name: str

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True, eq=False)
class Applied(Value):
    """What an operator gives."""

    operator: Operator
    terms: tuple[Term, ...]

    def __str__(self) -> str:
        return f"{self.operator}({', '.join(map(str, self.terms))})"


@dataclass(frozen=True, slots=True, eq=False)
class Item(Value):
    """A part of what an operator gives."""

    of: Value
    item: int

    def __str__(self) -> str:
        return f"{self.of}[{self.item}]"


@dataclass(frozen=True, slots=True)
class Operator:
    """An operation of a pattern: called with values, it gives a value. Parameters are no values.

    It stands for every way in which the operation can be written: `nn.ReLU`, `F.relu`, `torch.relu`, `x.relu()` and
    `x.relu_()`; `a + b`, `torch.add(a, b)`, `a.add(b)` and `a += b`.

    Attributes:
        kind: the class or function, with conditions on its arguments.
    """

    kind: Kind

    def __call__(self, *terms: Term) -> Value:
        """The value that the operation gives of others.

        Raises:
            TypeError: they are no values of a pattern.
        """
        wrong = [term for term in terms if not isinstance(term, Value | int | float)]
        if wrong or not any(isinstance(term, Value) for term in terms):
            raise TypeError(f"{self} is applied to values of the pattern, but is given {(wrong or terms)!r:.100}")
        return Applied(self, terms)

    @property
    def operation(self) -> str:
        """What it computes."""
        return operation_called(name_of(self.kind.of))

    def accepts(self, node: Node) -> bool:
        """Whether a node is this operation.

        Raises:
            GraphError: a predicate on an argument raises, or answers neither True nor False.
        """
        of, config = self.kind.of, self.kind.config
        if isinstance(of, type) and isinstance(node.op, Layer):
            is_such = is_class(of, node.op.type)
        else:
            is_such = operation(node) == self.operation
        if not is_such:
            return False
        implied = {name: value for name, value in PLAIN.get(self.operation, {}).items() if name not in config}
        for name, value in implied.items():
            found = argument_of(node, name)
            if found is not None and found.value != value:
                return False
        return has(node, config, node.where)

    def __str__(self) -> str:
        name = name_of(self.kind.of).rpartition(".")[2]
        return f"{name}[{', '.join(conditions(self.kind.config))}]" if self.kind.config else name


def op(of: type | Callable[..., Any], **config: Any) -> Operator:
    """An operation of a `gn.Pattern`: `gn.op(nn.Conv2d, kernel_size=3)`, applied as `conv(x)`.

    Args:
        of: a class of layers, or a function.
        config: argument → the value that it must have, or a predicate on it, as in `gn.kind`.

    Raises:
        TypeError: `of` is neither, or it has no such argument.
    """
    found = kind(of, **config)
    assert isinstance(found, Kind)
    return Operator(found)


_ADD, _SUBTRACT, _MULTIPLY = op(operator.add), op(operator.sub), op(operator.mul)
_DIVIDE, _MATMUL, _POWER = op(operator.truediv), op(operator.matmul), op(operator.pow)


# ---------------------------------------------------------------- drawing
@dataclass(frozen=True, slots=True)
class Drawing:
    """A pattern as steps.

    Attributes:
        text: as one would write it.
        inputs: names of what it is given.
        operators: of the steps.
        steps: in the order in which they are applied.
        outputs: what it gives.
    """

    text: str
    inputs: tuple[str, ...]
    operators: tuple[Operator, ...]
    steps: tuple[Step, ...]
    outputs: tuple[Made, ...]


def drawn(pattern: Callable[..., Any]) -> Drawing:
    """A function of values as steps.

    Raises:
        TypeError: it is no function of values that gives what operators make of them; or an input is not used, or the
            steps are not connected.
    """
    inputs, result = _called(pattern)
    results = result if isinstance(result, tuple) else (result,)
    for value in results:
        if not isinstance(value, Applied | Item):
            raise TypeError(f"a pattern gives what an operator gives, or a tuple of such, but this one gives {value!r}")
    order: dict[Applied, int] = {}
    for value in results:
        _visit(value, order)
    places = {given: Given(position) for position, given in enumerate(inputs)}
    steps = tuple(
        Step(
            value.operator.accepts,
            tuple(_operand(term, order, places) for term in value.terms),
            value.operator.operation in COMMUTATIVE,
        )
        for value in order
    )
    outputs = tuple(_operand(value, order, places) for value in results)
    text = f"({', '.join(map(str, results))})" if len(results) > 1 else str(results[0])
    drawing = Drawing(text, tuple(map(str, inputs)), tuple(value.operator for value in order), steps, outputs)  # type: ignore[arg-type]
    _check(drawing)
    return drawing


def _called(pattern: Callable[..., Any]) -> tuple[tuple[Input, ...], Any]:
    """The inputs of a pattern, and what it makes of them."""
    if isinstance(pattern, type) or not callable(pattern):
        raise TypeError(f"a pattern is a function of values, such as lambda x: relu(conv(x)), but is {pattern!r:.100}")
    if isinstance(pattern, Operator):
        raise TypeError(f"a pattern applies its operators: lambda x: op(x) where op is {pattern}")
    parameters = inspect.signature(pattern).parameters
    unnamed = [str(p) for p in parameters.values() if p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD, p.KEYWORD_ONLY)]
    if unnamed:
        raise TypeError(
            f"a pattern names each value that it is given, as lambda x, y: x + y does, but has {unnamed[0]}"
        )
    inputs = tuple(map(Input, parameters))
    try:
        return inputs, pattern(*inputs)
    except Exception as error:
        raise TypeError(
            f"the pattern cannot be drawn: {type(error).__name__}: {error}; it applies gn.op(...) and + - * / @ ** to "
            "what it is given, and takes parts of tuples by index"
        ) from error


def _visit(term: Term, order: dict[Applied, int]) -> None:
    """Number the operations behind a term, those that it reads first."""
    if isinstance(term, Item):
        _visit(term.of, order)
    elif isinstance(term, Applied) and term not in order:
        for inner in term.terms:
            _visit(inner, order)
        order[term] = len(order)


def _operand(term: Term, order: dict[Applied, int], places: dict[Input, Given]) -> Operand:
    match term:
        case Input():
            return places[term]
        case Applied():
            return Made(order[term])
        case Item(of, item):
            inner = _operand(of, order, places)
            if not isinstance(inner, Made):
                raise TypeError(f"{term} is a part of what the pattern is given; let it be given the part itself")
            return Made(inner.step, (*inner.item, item))
        case int() | float():
            return term
    raise TypeError(f"{term!r} is no value of a pattern")


def _check(drawing: Drawing) -> None:
    """Make sure that a pattern can be found, and what it gives be replaced."""
    if len(set(drawing.outputs)) < len(drawing.outputs):
        raise TypeError(f"the pattern {drawing.text} gives one value twice; leave out one of them")
    read = {operand for step in drawing.steps for operand in step.operands}
    unused = [name for position, name in enumerate(drawing.inputs) if Given(position) not in read]
    if unused:
        raise TypeError(f"the pattern {drawing.text} does not use {', '.join(unused)}; leave it out of its parameters")
    if not are_connected(drawing.steps):
        raise TypeError(f"the pattern {drawing.text} falls apart: parts of it share no value; write a pattern for each")
