"""Sequences of several variants laid side by side, so that what they have in common stands in one column."""

from __future__ import annotations

import itertools
from collections.abc import Hashable, Iterator, Sequence
from typing import TypeAlias

# What one column holds: variant → the position in its sequence. Each variant's positions rise from column to column.
Column: TypeAlias = dict[int, int]

_MATCH = 1_000  # what a match is worth: more than to stand in the fullest of columns


def aligned(sequences: Sequence[Sequence[Hashable]]) -> list[Column]:
    """Columns that hold every item of every sequence once, in order; items of one column are equal.

    The longest sequence comes first: what others lack shows as gaps in it.
    """
    columns: list[tuple[Column, Hashable]] = []
    for variant in sorted(range(len(sequences)), key=lambda variant: -len(sequences[variant])):
        sequence = sequences[variant]
        merged: list[tuple[Column, Hashable]] = []
        column = position = 0
        for left, right in [
            *_common([(len(known), key) for known, key in columns], sequence),
            (len(columns), len(sequence)),
        ]:
            merged += columns[column:left]
            merged += [({variant: place}, sequence[place]) for place in range(position, right)]
            if left < len(columns):
                merged.append(({**columns[left][0], variant: right}, sequence[right]))
            column, position = left + 1, right + 1
        columns = [*_ordered(merged, 1)]
    return [column for column, _ in _ordered(columns, len(columns))]


def likeness(first: Sequence[Hashable], second: Sequence[Hashable]) -> float:
    """The share of two sequences that is common to both."""
    return 2 * len(_common([(1, key) for key in first], second)) / max(len(first) + len(second), 1)


def _ordered(columns: Sequence[tuple[Column, Hashable]], longest: int) -> Iterator[tuple[Column, Hashable]]:
    """The columns with those between two that all variants have side by side."""
    full = max((len(column) for column, _ in columns), default=0)
    for is_full, group in itertools.groupby(columns, lambda row: len(row[0]) == full):
        run = list(group)
        yield from run if is_full else _side_by_side(run, longest)


def _side_by_side(columns: Sequence[tuple[Column, Hashable]], longest: int) -> list[tuple[Column, Hashable]]:
    """The columns in an order in which those of different variants follow each other that stand for each other.

    Args:
        columns: any two that share a variant keep their order.
        longest: how many columns of the same variants may follow each other before those of others.
    """
    waiting = list(columns)
    ordered: list[tuple[Column, Hashable]] = []
    used: set[int] = set()
    while waiting:
        passed: set[int] = set()
        chosen: frozenset[int] | None = None
        taken: list[int] = []
        for place, (column, _) in enumerate(waiting):
            variants = column.keys()
            if passed & variants:
                passed |= variants
            elif chosen is None and not used & variants:
                chosen = frozenset(variants)
                taken.append(place)
            elif variants == chosen and len(taken) < longest:
                taken.append(place)
            else:
                passed |= variants
        used = used | chosen if chosen is not None else set()
        ordered += [waiting[place] for place in taken]
        waiting = [row for place, row in enumerate(waiting) if place not in taken]
    return ordered


def _common(columns: Sequence[tuple[int, Hashable]], sequence: Sequence[Hashable]) -> list[tuple[int, int]]:
    """Positions of equal items in columns and a sequence: as many as can be, and in the fullest columns."""
    fullest = max((count for count, _ in columns), default=0)
    shortest = min(len(columns), len(sequence))
    end = 0
    while end < shortest and columns[-1 - end] == (fullest, sequence[-1 - end]):
        end += 1
    start = 0
    while start < shortest - end and columns[start] == (fullest, sequence[start]):
        start += 1
    head = [(place, place) for place in range(start)]
    tail = [(len(columns) - place, len(sequence) - place) for place in range(end, 0, -1)]
    inner = _fullest(columns[start : len(columns) - end], sequence[start : len(sequence) - end])
    return [*head, *((left + start, right + start) for left, right in inner), *tail]


def _fullest(columns: Sequence[tuple[int, Hashable]], sequence: Sequence[Hashable]) -> list[tuple[int, int]]:
    worth = [[0] * (len(sequence) + 1) for _ in range(len(columns) + 1)]
    for left, (count, key) in enumerate(columns, 1):
        for right, item in enumerate(sequence, 1):
            worth[left][right] = max(worth[left - 1][right], worth[left][right - 1])
            if key == item:
                worth[left][right] = max(worth[left][right], worth[left - 1][right - 1] + _MATCH + count)
    found = []
    left, right = len(columns), len(sequence)
    while left and right:
        count, key = columns[left - 1]
        if key == sequence[right - 1] and worth[left][right] == worth[left - 1][right - 1] + _MATCH + count:
            left, right = left - 1, right - 1
            found.append((left, right))
        elif worth[left - 1][right] >= worth[left][right - 1]:
            left -= 1
        else:
            right -= 1
    return found[::-1]
