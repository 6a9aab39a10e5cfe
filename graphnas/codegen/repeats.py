"""Runs of equal items, or of items that rise by steps, in what builds a container."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

from graphnas.codegen.code import PLACE, Code, Construction, Hole, concat


def repeated(codes: Sequence[Code]) -> list[Code]:
    """The items of a container, runs of equal ones as a comprehension."""
    pieces: list[Code] = []
    start = 0
    while start < len(codes):
        end = start
        while end < len(codes) and codes[end].parts == codes[start].parts:
            end += 1
        rising = _rising(codes[start:])
        if rising is not None and rising[1] > max(end - start, 2):
            pieces.append(concat("*(", rising[0], f" for {PLACE} in range(", _count(rising[1]), "))"))
            end = start + rising[1]
        elif end - start > 2 or (end - start == 2 and codes[start].width > 40):
            pieces.append(concat("*(", codes[start], " for _ in range(", _count(end - start), "))"))
        else:
            pieces += codes[start:end]
        start = end
    return pieces


def _count(length: int) -> Code:
    return Code((Hole(str(length), length, ("depth",)),))


def _rising(codes: Sequence[Code]) -> tuple[Code, int] | None:
    """A construction whose arguments rise by steps, and how many times it stands there with the next step."""
    rows = list(itertools.takewhile(lambda row: row is not None, map(_only, codes)))
    if len(rows) < 3 or rows[0] is None:
        return None
    first, length = rows[0], 1
    steps: dict[str, int] = {}
    for place, row in enumerate(rows[1:], 1):
        assert row is not None  # the rows end before one that is
        if (row.group, len(row.arguments)) != (first.group, len(first.arguments)):
            break
        found = {}
        for (name, hole), (_, own) in zip(first.arguments, row.arguments, strict=True):
            if hole.text != own.text:
                if type(hole.value) is not int or type(own.value) is not int or (own.value - hole.value) % place:
                    return (Code((_stepped(first, steps),), depth=1), length) if steps else None
                found[name] = (own.value - hole.value) // place
        if place == 1:
            steps = found
        if found != steps or any(step < 1 for step in steps.values()):
            break
        length += 1
    return (Code((_stepped(first, steps),), depth=1), length) if steps else None


def _only(code: Code) -> Construction | None:
    """The construction that is all of a code."""
    return code.parts[0] if len(code.parts) == 1 and isinstance(code.parts[0], Construction) else None


def _stepped(first: Construction, steps: Mapping[str, int]) -> Construction:
    holes = {name: Hole(str(step), step, (f"{name}_step", "step")) for name, step in steps.items()}
    return Construction(first.group, first.arguments, tuple(holes.items()))
