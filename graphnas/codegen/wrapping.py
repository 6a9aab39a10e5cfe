"""Lines of source broken where they are too long."""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Iterator

WIDTH = 99
_OPEN, _CLOSE = "([{", ")]}"
_MARKS = re.compile(r""" "(?:\\.|[^"\\])*" | '(?:\\.|[^'\\])*' | [()\[\]{},] """, re.VERBOSE)
_STATEMENT = re.compile(r"( *)(return|[\w., ]+ =) (.*)")
_SUM = re.compile(r""" "(?:\\.|[^"\\])*" | '(?:\\.|[^'\\])*' | \s([-+]\s) """, re.VERBOSE)


def wrapped(line: str, width: int = WIDTH) -> list[str]:
    """The line, broken inside its widest brackets where it is longer than `width`."""
    return [line] if len(line) <= width else [*_broken(line, width)]


@functools.lru_cache(maxsize=4096)
def _broken(line: str, width: int) -> list[str]:
    """The lines of one that is too long. Most long lines of a child are those of other children of the space."""
    span = _widest(line)
    if span is None:
        return _in_brackets(line, width)
    start, end = span
    indent = " " * (len(line) - len(line.lstrip()))
    lines = [line[: start + 1]]
    current = ""
    for part in _split(line[start + 1 : end]):
        if current and len(indent) + 4 + len(current) + 1 + len(part) > width:
            lines += wrapped(f"{indent}    {current}", width)
            current = part
        else:
            current = f"{current} {part}" if current else part
    if current:
        lines += wrapped(f"{indent}    {current}", width)
    return [*lines, *wrapped(f"{indent}{line[end:]}", width)]


def _in_brackets(line: str, width: int) -> list[str]:
    """A statement that has no wide brackets with its value in brackets of its own, a sum broken before its parts."""
    statement = _STATEMENT.fullmatch(line)
    if statement is None:
        return [line]
    indent, start, value = statement.groups()
    places = [found.start(1) for found in _SUM.finditer(value) if found[1] and _depth(value[: found.start()]) == 0]
    lines = [f"{indent}{start} ("]
    current = ""
    for first, last in itertools.pairwise([0, *places, len(value)]):
        part = value[first:last].rstrip()
        if current and len(indent) + 4 + len(current) + 1 + len(part) > width:
            lines.append(f"{indent}    {current}")
            current = part
        else:
            current = f"{current} {part}" if current else part
    return [*lines, f"{indent}    {current}", f"{indent})"]


def _depth(text: str) -> int:
    return sum((character in _OPEN) - (character in _CLOSE) for _, character in _plain(text))


def _plain(line: str) -> Iterator[tuple[int, str]]:
    """The brackets and commas outside of strings, with their places."""
    for found in _MARKS.finditer(line):
        if len(found[0]) == 1:
            yield found.start(), found[0]


def _widest(line: str) -> tuple[int, int] | None:
    """The widest pair of brackets with something inside."""
    opened: list[int] = []
    best: tuple[int, int] | None = None
    for position, character in _plain(line):
        if character in _OPEN:
            opened.append(position)
        elif character in _CLOSE and opened:
            start = opened.pop()
            if position - start > 20 and (best is None or position - start > best[1] - best[0]):
                best = (start, position)
    return best


def _split(inside: str) -> list[str]:
    """The parts between commas that stand in no bracket, each with its comma."""
    parts, depth, start = [], 0, 0
    for position, character in _plain(inside):
        depth += (character in _OPEN) - (character in _CLOSE)
        if character == "," and depth == 0:
            parts.append(inside[start : position + 1].strip())
            start = position + 1
    rest = inside[start:].strip()
    return [*parts, rest] if rest else parts
