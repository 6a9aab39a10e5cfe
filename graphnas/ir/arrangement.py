"""Where tiles stand: rows by longest path, order by readers, and places that keep lines straight."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from graphnas.ir.markup import Markup

BETWEEN_TILES, BETWEEN_LINES = 18, 12  # least distances within a row
ROW_GAP, STEEPEST = 16, 14  # least distance of rows; a line runs down a pixel for so many to the side
MOST_GAP = 44
SWEEPS = 24
STIFF = 8.0  # how much more than others some lines want to be straight
LOOSE = 0.1  # how much what has no lines wants to stay
HEAD = 4  # half the width of an arrow's head


@dataclass(frozen=True, slots=True)
class Tile:
    """Something drawn, and where lines meet it.

    Attributes:
        width, height: its extent.
        picture: drawn with the upper left corner at (0, 0).
        reads: values that enter at the top, and how far from the left.
        gives: values that leave at the bottom, and how far from the left.
        pointed: whether lines end in arrows there; they do not where they go on inside.
    """

    width: float
    height: float
    picture: Markup
    reads: tuple[tuple[str, float], ...] = ()
    gives: Mapping[str, float] = field(default_factory=dict)
    pointed: bool = True


@dataclass(frozen=True, slots=True)
class Arrangement:
    """Tiles in place.

    Attributes:
        width, height: the extent of all.
        corners: of each tile the upper left one.
        lines, heads: paths of SVG.
        entries, exits: where the lines of values cross the upper and the lower edge.
    """

    width: float
    height: float
    corners: tuple[tuple[int, int], ...]
    lines: str
    heads: str
    entries: Mapping[str, float]
    exits: Mapping[str, float]


@dataclass(eq=False, slots=True)
class _Slot:
    """A place in a row: of a tile, of a value that enters or leaves, or of a line that passes the row by."""

    reads: Sequence[tuple[str, float]]
    gives: Mapping[str, float]
    tile: Tile | None = None
    above: list[tuple[_Slot, float, float]] = field(default_factory=list)  # slot, where it gives, where this reads
    below: list[tuple[_Slot, float, float]] = field(default_factory=list)
    x: float = 0
    place: int = 0

    @property
    def width(self) -> float:
        return self.tile.width if self.tile else 0


def arrange(tiles: Sequence[Tile], entering: Sequence[str], leaving: Sequence[str]) -> Arrangement:
    """Tiles in rows, so that every line runs downwards.

    Args:
        tiles: each behind those whose values it reads.
        entering: values that come from above.
        leaving: values that go on below.
    """
    slots = [_Slot(tile.reads, tile.gives, tile) for tile in tiles]
    rows = _rows(slots, entering, leaving)
    _connect(rows)
    _order(rows)
    _place(rows)
    return _measured(rows, slots)


# ---------------------------------------------------------------- rows
def _rows(slots: Sequence[_Slot], entering: Sequence[str], leaving: Sequence[str]) -> list[list[_Slot]]:
    given = dict.fromkeys(entering, 0)
    levels: list[int] = []
    for slot in slots:
        levels.append(1 + max((given.get(value, 0) for value, _ in slot.reads), default=0))
        given |= dict.fromkeys(slot.gives, levels[-1])
    end = 1 + max(levels, default=0)
    until = {value: end for value in leaving if value in given}
    for position in reversed(range(len(slots))):
        slot = slots[position]
        read = min((until[value] for value in slot.gives if value in until), default=None)
        if not slot.reads and read is not None:  # what needs nothing stands right above its first reader
            levels[position] = max(levels[position], read - 1)
        for value, _ in slot.reads:
            until[value] = min(until.get(value, end), levels[position])
    rows: list[list[_Slot]] = [[] for _ in range(end + 1)]
    rows[0] = [_Slot((), {value: 0}) for value in entering]
    for slot, level in zip(slots, levels, strict=True):
        rows[level].append(slot)
    rows[end] = [_Slot([(value, 0)], {}) for value in leaving if value in given]
    _pass_by(rows)
    return rows


def _pass_by(rows: list[list[_Slot]]) -> None:
    """Gives lines that are longer than a row a slot in each row between."""
    first = {value: level for level, row in enumerate(rows) for slot in row for value in slot.gives}
    last = {value: level for level, row in enumerate(rows) for slot in row for value, _ in slot.reads if value in first}
    for value, end in last.items():
        for level in range(first[value] + 1, end):
            rows[level].append(_Slot([(value, 0)], {value: 0}))


def _connect(rows: list[list[_Slot]]) -> None:
    for upper, lower in itertools.pairwise(rows):
        givers = {value: (slot, offset) for slot in upper for value, offset in slot.gives.items()}
        for slot in lower:
            for value, here in slot.reads:
                if value in givers:
                    giver, there = givers[value]
                    slot.above.append((giver, there, here))
                    giver.below.append((slot, here, there))


def _order(rows: list[list[_Slot]]) -> None:
    """Orders rows by the middle of their readers, from the last one up; then by what they read; then by readers."""
    for row in rows:
        _number(row)
    for upward in (True, False, True):
        for row in reversed(rows) if upward else rows:
            row.sort(key=lambda slot: _middle(slot, slot.below if upward else slot.above))
            _number(row)


def _number(row: list[_Slot]) -> None:
    for place, slot in enumerate(row):
        slot.place = place


def _middle(slot: _Slot, links: Sequence[tuple[_Slot, float, float]]) -> float:
    if not links:
        return slot.place
    return sum(other.place + there / (other.width + 1) for other, there, _ in links) / len(links)


# ---------------------------------------------------------------- places within rows
def _place(rows: list[list[_Slot]]) -> None:
    """Lets each row in turn settle where its lines run as straight as they can, down and up again."""
    for row in rows:
        _settle(row, [0.0] * len(row), [1.0] * len(row))
    pulls = {slot: list(_pulls(slot)) for row in rows for slot in row}
    weights = [[sum(pull for _, _, pull in pulls[slot]) for slot in row] for row in rows]
    for sweep in range(SWEEPS):
        for level in range(len(rows))[:: 1 if sweep % 2 == 0 else -1]:
            row = rows[level]
            wishes = [
                sum(pull * (other.x + aside) for other, aside, pull in pulls[slot]) / weight if weight else slot.x
                for slot, weight in zip(row, weights[level], strict=True)
            ]
            _settle(row, wishes, [weight or LOOSE for weight in weights[level]])
    _straighten(rows)
    left = min((slot.x for row in rows for slot in row), default=0)
    for row in rows:
        for slot in row:
            slot.x -= left


def _pulls(slot: _Slot) -> Iterator[tuple[_Slot, float, float]]:
    """The slots that lines lead to, how far from each this one should be, and how much the line wants it."""
    for other, there, here in slot.above:
        yield other, there - here, STIFF if _stiff(other, slot) else 1
    for other, there, here in slot.below:
        yield other, there - here, STIFF if _stiff(slot, other) else 1


def _stiff(upper: _Slot, lower: _Slot) -> bool:
    """Whether a line should be straight: it is the only one of both its ends, or passes both rows by."""
    alone = len(upper.below) == 1 and len(lower.above) == 1
    return alone or (upper.tile is None and lower.tile is None)


def _straighten(rows: list[list[_Slot]]) -> None:
    """Puts chains of stiff lines on one vertical where there is room for it."""
    chained: set[_Slot] = set()
    spans = {
        slot: span
        for row in rows
        for slot, span in zip(row, zip([None, *row], [*row[1:], None], strict=False), strict=False)
    }
    for slot in (slot for row in rows for slot in row if slot not in chained):
        chain = dict(_chain(slot))
        chained |= chain.keys()
        lowest, highest = -math.inf, math.inf
        for link, shift in chain.items():
            left, right = spans[link]
            if left is not None:
                lowest = max(lowest, left.x + _step(left, link) - shift)
            if right is not None:
                highest = min(highest, right.x - _step(link, right) - shift)
        if lowest <= highest:
            middle = sum(link.x - shift for link, shift in chain.items()) / len(chain)
            start = round(min(max(middle, lowest), highest))
            for link, shift in chain.items():
                link.x = start + shift


def _chain(slot: _Slot) -> Iterator[tuple[_Slot, float]]:
    """The slots below that stiff lines lead to, and how far to the right of the first they belong."""
    shift = 0.0
    following: tuple[_Slot, float, float] | None = (slot, 0, 0)
    while following is not None:
        lower, here, there = following
        shift += there - here
        yield lower, shift
        following = next((link for link in lower.below if _stiff(lower, link[0])), None)


def _settle(row: Sequence[_Slot], wishes: Sequence[float], weights: Sequence[float]) -> None:
    """Puts slots as near as they can be to where they want to be, in order and apart: pooled adjacent violators."""
    starts = [0.0]
    for left, right in itertools.pairwise(row):
        starts.append(starts[-1] + _step(left, right))
    pools: list[tuple[float, float, int]] = []  # position, weight, how many slots
    for start, wish, weight in zip(starts, wishes, weights, strict=False):
        pool = (wish - start, weight, 1)
        while pools and pools[-1][0] > pool[0]:
            position, heavy, count = pools.pop()
            both = heavy + pool[1]
            pool = ((position * heavy + pool[0] * pool[1]) / both, both, count + pool[2])
        pools.append(pool)
    shifts = [position for position, _, count in pools for _ in range(count)]
    for slot, start, shift in zip(row, starts, shifts, strict=False):
        slot.x = start + shift


def _step(left: _Slot, right: _Slot) -> float:
    """From one slot to the next one in a row."""
    return left.width + (BETWEEN_TILES if left.tile and right.tile else BETWEEN_LINES)


# ---------------------------------------------------------------- measures and lines
def _measured(rows: list[list[_Slot]], slots: Sequence[_Slot]) -> Arrangement:
    tops, heights = _heights(rows)
    corners: dict[_Slot, tuple[int, int]] = {}
    lines, heads = [], []
    for level, row in enumerate(rows):
        for slot in row:
            height = slot.tile.height if slot.tile else heights[level]
            corners[slot] = (round(slot.x), round(tops[level] + (heights[level] - height) / 2))
            for other, there, here in slot.above:
                x, bottom = corners[other][0] + there, corners[other][1] + (other.tile.height if other.tile else 0)
                if other.tile is None:
                    bottom += heights[level - 1]
                end = (corners[slot][0] + here, corners[slot][1])
                lines.append(_line((x, bottom), tops[level - 1] + heights[level - 1], tops[level], end))
                if slot.tile is not None and slot.tile.pointed:
                    heads.append(f"M{end[0]:g} {end[1]:g}l{-HEAD} {-2 * HEAD}h{2 * HEAD}z")
            if slot.tile is None and slot.reads and slot.gives and heights[level]:
                lines.append(f"M{corners[slot][0]} {tops[level]:g}v{heights[level]:g}")
    width = max((corners[slot][0] + slot.width for row in rows for slot in row), default=0)
    return Arrangement(
        width,
        tops[-1] + heights[-1],
        tuple(corners[slot] for slot in slots),
        "".join(lines),
        "".join(heads),
        {value: corners[slot][0] for slot in rows[0] for value in slot.gives},
        {value: corners[slot][0] for slot in rows[-1] for value, _ in slot.reads},
    )


def _heights(rows: list[list[_Slot]]) -> tuple[list[int], list[int]]:
    """Where rows begin, and how high they are; rows stand further apart where lines go far to the side."""
    tops, heights = [0], [0]
    for upper, row in itertools.pairwise(rows):
        aside = max(
            (abs(other.x + there - slot.x - here) for slot in row for other, there, here in slot.above), default=0
        )
        gap = min(MOST_GAP, ROW_GAP + round(aside / STEEPEST)) if upper and row else 0
        tops.append(tops[-1] + heights[-1] + gap)
        heights.append(round(max((slot.tile.height for slot in row if slot.tile), default=0)))
    return tops, heights


def _line(start: tuple[float, float], leave: float, arrive: float, end: tuple[float, float]) -> str:
    """A line from one slot down to the next: straight beside its row, and bent between the rows."""
    if start[0] == end[0]:
        return f"M{start[0]:g} {start[1]:g}V{end[1]:g}"
    middle = (leave + arrive) / 2
    bend = f"C{start[0]:g} {middle:g} {end[0]:g} {middle:g} {end[0]:g} {arrive:g}"
    return f"M{start[0]:g} {start[1]:g}V{leave:g}{bend}V{end[1]:g}"
