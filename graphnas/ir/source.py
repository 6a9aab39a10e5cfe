"""Where in the user's code something is, and what it is called there."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

Target: TypeAlias = "str | tuple[Target, ...]"


@dataclass(frozen=True, slots=True)
class Source:
    """Where the user's code asked for a node.

    Attributes:
        file, line: of the user's.
        target: the variable that the result was assigned to, of a tuple those of its parts, nested as they are; "" for
            none. Emitted files call it so where they can.
    """

    file: str
    line: int
    target: Target = field(default="", compare=False)

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"
