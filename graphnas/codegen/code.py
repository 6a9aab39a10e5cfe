"""Pieces of source: strings, values of a scope that have no name yet, and holes that instances of a class may fill."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from graphnas.ir.choice import Expr


@dataclass(frozen=True, slots=True)
class Field:
    """A part of a named tuple, which is read as an attribute."""

    name: str


@dataclass(frozen=True, slots=True)
class Local(Expr):
    """A value of a scope by its number there.

    Attributes:
        index: the number.
        item: goes into a tuple or dict.
        need: how tightly an expression must bind that is put in its place.
    """

    index: int
    item: tuple[int | str | Field, ...] = ()
    need: int = 0


@dataclass(frozen=True, slots=True)
class Hole:
    """A literal: where instances of one class differ in it, it becomes an argument of the constructor.

    Attributes:
        text: the literal as source.
        value: the literal where it is a plain number; ratios between holes are looked for.
        hints: what the argument may be called, best first.
        argument: the hole is an argument of a call, separated from the one before it.
        keyword, default: of an argument; it is left out where its text is that of the default.
        fresh: the text builds a module: it is never shared by two arguments, nor a default.
        own: the text makes a tensor that each instance may write to: of an argument it takes a copy.
    """

    text: str
    value: Any = None
    hints: tuple[str, ...] = ("value",)
    argument: bool = False
    keyword: str = ""
    default: str = ""
    fresh: bool = False
    own: bool = False


@dataclass(frozen=True, slots=True)
class Construction:
    """Builds an instance of an emitted class: the class's number, and its arguments by name.

    In a loop over places an argument that has a step is `argument + step * place`.
    """

    group: int
    arguments: tuple[tuple[str, Hole], ...]
    steps: tuple[tuple[str, Hole], ...] = ()


PLACE = "place"  # what counts in a loop over constructions

Part: TypeAlias = str | Local | Hole | Construction

# How tightly the outermost operator of an expression binds.
LAMBDA, CONDITIONAL, OR, AND, NOT, COMPARISON, BIT_OR, BIT_XOR, BIT_AND, SHIFT, SUM, PRODUCT, UNARY, POWER, ATOM = (
    range(15)
)


@dataclass(frozen=True, slots=True)
class Code:
    """An expression or a line as parts.

    Attributes:
        parts: strings, values and holes in order.
        level: how tightly the outermost operator binds.
        depth: how deeply calls are nested.
    """

    parts: tuple[Part, ...]
    level: int = ATOM
    depth: int = 0

    @property
    def width(self) -> int:
        """Characters that the text will take, about: equal for equal structure, whatever the literals are."""
        return sum(len(part) if isinstance(part, str) else 6 for part in self.parts)

    @property
    def locals(self) -> Iterator[Local]:
        """The values read, in order of evaluation, with repeats."""
        return (part for part in self.parts if isinstance(part, Local))


@dataclass(frozen=True, slots=True)
class Listing(Code):
    """A line that builds a container of a list of items.

    Attributes:
        head, tail: what stands before and behind the items.
        items: the items.
    """

    head: str = ""
    items: tuple[Code, ...] = ()
    tail: str = ""


def listing(head: str, items: Sequence[Code], tail: str) -> Listing:
    """`head item, item, ... tail`."""
    whole = concat(head, separated(items), tail, nested=1)
    return Listing(whole.parts, whole.level, whole.depth, head, tuple(items), tail)


def text(value: str, level: int = ATOM) -> Code:
    """A fixed piece of source."""
    return Code((value,), level)


def concat(*pieces: str | Code, level: int = ATOM, nested: int = 0) -> Code:
    """The pieces one after the other; `nested` more calls deep than the deepest of them."""
    parts: list[Part] = []
    depth = 0
    for piece in pieces:
        if isinstance(piece, str):
            parts.append(piece)
        else:
            parts.extend(piece.parts)
            depth = max(depth, piece.depth)
    return Code(tuple(parts), level, depth + nested)


def separated(pieces: Iterable[Code], separator: str = ", ") -> Code:
    """The pieces with a separator between them."""
    parts: list[str | Code] = []
    for piece in pieces:
        if parts:
            parts.append(separator)
        parts.append(piece)
    return concat(*parts)


def bracketed(piece: Code, level: int) -> Code:
    """The piece, in parentheses where it binds less tightly than `level`."""
    match piece.parts:
        case (Local(index, item, need),) if need < level:
            return Code((Local(index, item, level),))
    return piece if piece.level >= level else concat("(", piece, ")")


def infix(left: Code, operator: str, right: Code, level: int) -> Code:
    """`left operator right`, for an operator that groups to the left."""
    return concat(bracketed(left, level), f" {operator} ", bracketed(right, level + 1), level=level)


def call(function: str | Code, arguments: Sequence[Code]) -> Code:
    """`function(arguments)`."""
    return concat(function, "(", separated(arguments), ")", nested=1)


def substituted(code: Code, values: dict[int, Code]) -> Code:
    """The code with values of the scope replaced by expressions for them."""
    pieces: list[str | Code] = []
    deepest = 0
    for part in code.parts:
        if isinstance(part, Local) and part.index in values:
            value = bracketed(values[part.index], ATOM if part.item else part.need)
            deepest = max(deepest, value.depth)
            pieces.append(value)
            pieces.extend(f".{key.name}" if isinstance(key, Field) else f"[{key!r}]" for key in part.item)
        else:
            pieces.append(Code((part,)))
    return Code(concat(*pieces).parts, code.level, code.depth + deepest)
