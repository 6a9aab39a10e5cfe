"""What a `forward` is written in."""

from __future__ import annotations

from dataclasses import dataclass

from graphnas.codegen.code import Code


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
