"""The literals of all instances of a class at one place of its text."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from graphnas.codegen.code import Hole

# What the shape of a window is told by: it is no multiple of a number of channels, though it may look so.
_WINDOW = frozenset(("kernel_size", "stride", "padding", "dilation", "output_padding", "depth"))

_GIVEN = ("in_channels", "in_features")
_BUILT = re.compile(r"(nn\.\w+)\((.*)\)")


@dataclass(frozen=True)
class Column:
    """The literals of all instances at one place, None for those that have no such place."""

    holes: Sequence[Hole | None]
    texts: tuple[str | None, ...]

    @cached_property
    def first(self) -> Hole:
        """The literal of the first instance that has one."""
        return next(hole for hole in self.holes if hole is not None)

    @cached_property
    def is_fresh(self) -> bool:
        """Whether they are built, so that no two places may share them."""
        return any([hole is not None and hole.fresh for hole in self.holes])

    @cached_property
    def is_whole(self) -> bool:
        """Whether all instances have the place."""
        return None not in self.texts

    @cached_property
    def sizes(self) -> tuple[int | None, ...]:
        """Their values where all are whole numbers and none is negative, else nothing."""
        values = tuple([None if hole is None else hole.value for hole in self.holes])
        sound = all(type(value) is int and value >= 0 for value, hole in zip(values, self.holes) if hole is not None)
        return values if sound else ()

    @cached_property
    def is_window(self) -> bool:
        """Whether they tell the shape of a window."""
        return self.first.hints[0] in _WINDOW

    def fits(self, other: Column) -> bool:
        """Whether one argument can stand for both: they are equal where both are, and that is no chance."""
        if "depth" in (self.first.hints[0], other.first.hints[0]) and self.first.hints[0] != other.first.hints[0]:
            return False
        if self.is_whole and other.is_whole:
            return self.texts == other.texts
        if self.is_window != other.is_window:
            return False
        pairs = list(zip(self.texts, other.texts, strict=True))
        both = [left is not None and right is not None for left, right in pairs]
        if any(left != right for (left, right), known in zip(pairs, both, strict=True) if known):
            return False
        if self.first.hints[0] == other.first.hints[0]:
            return True
        present = [[text is not None for text in column.texts] for column in (self, other)]
        return both in present and any(both) and not self.is_window

    def joined(self, other: Column) -> Column:
        """Both in one."""
        if self.is_whole:
            return self
        holes = [left or right for left, right in zip(self.holes, other.holes, strict=True)]
        return Column(holes, tuple([None if hole is None else hole.text for hole in holes]))

    def default(self, otherwise: str) -> str | None:
        """What most instances have; where some have nothing, or it is built, as little as can be."""
        if self.is_fresh:
            return None if self.is_whole else otherwise
        counted = Counter(text for text in self.texts if text is not None)
        text, count = counted.most_common(1)[0]
        if count * 2 > len(self.texts):
            return text
        return None if self.is_whole else otherwise

    def classes(self) -> tuple[Column, str] | None:
        """Of what is built the classes, where all are built with the same arguments, and these."""
        found = [None if text is None else _BUILT.fullmatch(text) for text in self.texts]
        built = [one for one in found if one is not None]
        if len(built) < len(self.texts) - self.texts.count(None) or len({one[2] for one in built}) > 1:
            return None
        names = tuple([None if one is None else one[1] for one in found])
        holes = [None if name is None else Hole(name, None, self.first.hints) for name in names]
        return Column(holes, names), built[0][2]

    def filled(self, rows: Sequence[Sequence[Hole | None]], place: int) -> Column:
        """With what a part that is not there would be given: what the next part is given."""
        if self.is_whole or self.first.hints[0] not in _GIVEN:
            return self
        holes = [own or self._next(row[place:]) for own, row in zip(self.holes, rows, strict=True)]
        return Column(holes, tuple([None if hole is None else hole.text for hole in holes]))

    def _next(self, row: Sequence[Hole | None]) -> Hole | None:
        hint = self.first.hints[0]
        return next((hole for hole in row if hole is not None and hole.hints[0] == hint), None)

    def ratio(self, other: Column) -> tuple[str, int] | None:
        """How all are made of those of another column: ("*", 4) or ("//", 4)."""
        if not self.sizes or not other.sizes:
            return None
        if self.is_window or other.is_window:
            halves = [(own, size and size // 2) for own, size in zip(self.sizes, other.sizes, strict=True)]
            padded = (self.first.hints[0], other.first.hints[0]) == ("padding", "kernel_size")
            return ("//", 2) if padded and all(own is None or own == half for own, half in halves) else None
        pairs = [(own, base) for own, base in zip(self.sizes, other.sizes, strict=True) if own is not None]
        known = [(own, base) for own, base in pairs if base is not None]
        if len(known) < len(pairs):
            return None
        own, base = known[0]
        if not own or not base:
            return None
        for sign, factor in (("*", own // base), ("//", base // own)):
            if factor > 1 and all((a, b) == ((factor * b), b) if sign == "*" else b == factor * a for a, b in known):
                return sign, factor
        return None
