"""Runs of calls that read better as a loop: consecutive modules of one container, each fed by the one before."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from graphnas.codegen.code import Local
from graphnas.codegen.form import Item
from graphnas.ir.node import Arg


@dataclass(frozen=True, slots=True)
class Loop:
    """Calls of consecutive modules.

    Attributes:
        length: how many items it replaces.
        container: the expression to iterate over.
        position: which argument each call takes from the one before.
        first: what the first call is given there.
        result: the number of what the last call returns.
        item: the first call.
    """

    length: int
    container: str
    position: int
    first: Arg
    result: int
    item: Item


def find_loop(items: Sequence[Item], reads: Counter[int]) -> Loop | None:
    """The longest loop that begins with the first of the items, of at least two calls."""
    first = items[0]
    if first.kind != "module" or first.container is None or not _is_single(first):
        return None
    container, start, size = first.container
    length, position = 1, -1
    for item in items[1:]:
        before = items[length - 1]
        if item.container != (container, start + length, size) or not _continues(first, item):
            break
        linked = _link(before, item, position)
        if linked is None or reads[before.results[0][1]] != 1:
            break
        position = linked
        length += 1
    if length < 2 or first.args.count(first.args[position]) > 1:
        return None
    if start or start + length != size:
        stop = "" if start + length == size else str(start + length)
        container = f"list({container})[{start or ''}:{stop}]"  # a slice of a Sequential would build one anew
    return Loop(length, container, position, first.args[position], items[length - 1].results[0][1], first)


def _is_single(item: Item) -> bool:
    plain = not (item.kwargs or item.thunks or item.asked)
    return len(item.results) == 1 and item.results[0][0] == () and plain


def _continues(first: Item, item: Item) -> bool:
    same = (item.kind, item.plan, item.when, len(item.args)) == (first.kind, first.plan, first.when, len(first.args))
    return same and _is_single(item)


def _link(before: Item, item: Item, position: int) -> int | None:
    """Which argument an item takes from the one before, all others being the same; None where that is not so."""
    differing = [place for place, (old, new) in enumerate(zip(before.args, item.args, strict=True)) if old != new]
    if len(differing) != 1 or position not in (-1, differing[0]):
        return None
    return differing[0] if item.args[differing[0]] == Local(before.results[0][1]) else None
