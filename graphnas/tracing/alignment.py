"""Which items of two records are the same."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

from graphnas.ir.node import ENTERS, EXITS, Call
from graphnas.tracing.record import ModuleCall, Step

Item: TypeAlias = "Step | ModuleCall"
Unit: TypeAlias = "Item | tuple[Any, ...]"  # an item, or a region of one grad mode from its first item to its last


def pairs(ours: Sequence[Unit], theirs: Sequence[Unit], ours_first: bool) -> Iterator[tuple[Unit | None, Unit | None]]:
    """The units of one module call in both records, side by side; None where only one record has it."""
    our_keys, their_keys = list(map(_key, ours)), list(map(_key, theirs))
    if our_keys == their_keys:
        yield from zip(ours, theirs, strict=True)
        return
    matcher = difflib.SequenceMatcher(None, our_keys, their_keys, autojunk=False)
    for tag, first, last, their_first, their_last in matcher.get_opcodes():
        if tag == "equal":
            yield from zip(ours[first:last], theirs[their_first:their_last], strict=True)
        else:
            mine = [(unit, None) for unit in ours[first:last]]
            others = [(None, unit) for unit in theirs[their_first:their_last]]
            yield from (*mine, *others) if ours_first else (*others, *mine)


def _key(unit: Unit) -> Any:
    return ("region", _key(unit[0])) if isinstance(unit, tuple) else unit.key


def stretches(items: Sequence[Item]) -> list[list[Unit]]:
    """The items as units, cut behind every exit from a mode that was entered before them."""
    found: list[list[Unit]] = [[]]
    inside: list[list[Unit]] = []
    for item in items:
        target = item.op.target if isinstance(item, Step) and isinstance(item.op, Call) else ""
        if target in ENTERS:
            inside.append([])
        (inside or found)[-1].append(item)
        if target in EXITS and inside:
            region = tuple(inside.pop())
            (inside or found)[-1].append(region)
        elif target in EXITS:
            found.append([])
    return found
