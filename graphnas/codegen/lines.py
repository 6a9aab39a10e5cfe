"""Lines of a `forward` or `__init__`, and lines that some variants of a module have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from graphnas.codegen.code import Code, Hole


@dataclass(frozen=True, slots=True)
class Line:
    """A line: how far it is indented, in steps, and its code, in which every value has its name."""

    indent: int
    code: Code


@dataclass(frozen=True, slots=True)
class Body:
    """A `forward`: its parameters as source, and its lines."""

    parameters: tuple[str, ...]
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Passage:
    """Consecutive lines that some variants have.

    Attributes:
        lines: as the first of the variants has them.
        literals: variant → the numbers of its literals in these lines, in order.
    """

    lines: tuple[Line, ...]
    literals: dict[int, tuple[int, ...]]


def literals(lines: Sequence[Line]) -> tuple[int, ...]:
    """The numbers of the literals in lines of a marked form."""
    return tuple([part.value for line in lines for part in line.code.parts if isinstance(part, Hole)])
