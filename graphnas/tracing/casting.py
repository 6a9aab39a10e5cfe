"""What a model does under autocast, where it asks for that or for a dtype that autocast changes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor

from graphnas.ir.node import ENTER_AUTOCAST, EXIT_AUTOCAST, GUARD, Call
from graphnas.tracing.alignment import Item
from graphnas.tracing.branches import is_equal, returns_equal
from graphnas.tracing.record import ModuleCall, Record, Step, Value, steps_in, values_in


def device(tensors: Iterable[Tensor]) -> str:
    """The kind of device that a model runs on; "" where there is no autocast for it, or it is on already."""
    kind = next((tensor.device.type for tensor in tensors), "cpu")
    return kind if torch.amp.is_autocast_available(kind) and not torch.is_autocast_enabled(kind) else ""


def matters(record: Record, kind: str) -> bool:
    """Whether anything was decided by autocast, or by a dtype that may be another with it."""
    return any(_is_asked(value, kind) for step in steps_in(record.root) for value in _decided_by(step))


def _is_asked(value: Value, kind: str) -> bool:
    match value.step:
        case Step(op=Call(target="torch.Tensor.dtype"), args=(Value(step=Step()),)):
            return value.content is torch.float32
    return _asks(value.step, kind)


def _asks(step: Step | None, kind: str) -> bool:
    match step:
        case Step(op=Call(target="torch.is_autocast_enabled"), args=(asked,)):
            return bool(kind == (asked.content if isinstance(asked, Value) else asked))
    return False


def _decided_by(step: Step) -> Iterator[Value]:
    return values_in(step.args[0]) if isinstance(step.op, Call) and step.op.target == GUARD else iter(())


def together(plain: Record, cast: Record, kind: str) -> list[Record]:
    """The records of a run without and of one with autocast: one, if that is all that tells them apart.

    A region without autocast changes nothing where there is none: what enters one only under autocast does the same
    as what always enters it.
    """
    ours, theirs = list(_items(plain.root, kind)), list(_items(cast.root, kind))
    before = [(item, item.position) for item in (*ours, *theirs)]
    for items in (ours, theirs):
        for position, item in enumerate(items):
            item.position = position
    if len(ours) == len(theirs) and all(map(_is_same, ours, theirs)) and returns_equal(plain, cast):
        _forget(cast.root, kind)
        return [cast]
    for item, position in before:
        item.position = position
    return [plain, cast]


def _items(call: ModuleCall, kind: str) -> Iterator[Item]:
    """What happens in a call apart from autocast, the calls in it included."""
    for item in call.items:
        if isinstance(item, ModuleCall):
            yield item
            yield from _items(item, kind)
        elif not _is_about(item, kind):
            yield item


def _is_about(step: Step, kind: str) -> bool:
    """Whether a step enters or leaves a region without autocast, or asks whether there is any."""
    target = step.op.target if isinstance(step.op, Call) else ""
    return target in (ENTER_AUTOCAST, EXIT_AUTOCAST) or _asks(step, kind) or _is_guard_of(step, kind)


def _is_guard_of(step: Step, kind: str) -> bool:
    return any(_asks(value.step, kind) for value in _decided_by(step))


def _forget(call: ModuleCall, kind: str) -> None:
    """Removes the guards on autocast."""
    for item in call.items:
        if isinstance(item, ModuleCall):
            _forget(item, kind)
    call.items = [item for item in call.items if isinstance(item, ModuleCall) or not _is_guard_of(item, kind)]


def _is_same(mine: Item, other: Item) -> bool:
    if isinstance(mine, Step) and isinstance(other, Step):
        return is_equal(mine, other)
    return isinstance(mine, ModuleCall) and isinstance(other, ModuleCall) and mine.key == other.key
