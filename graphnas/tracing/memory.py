"""What a model keeps from one call to the next in plain attributes, where a graph cannot hold it."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from graphnas.errors import TraceWarning
from graphnas.ir.source import Source
from graphnas.tracing.identity import tensors_in
from graphnas.tracing.modules import Registry
from graphnas.tracing.record import Record, Step, Value, identified, steps_in
from graphnas.tracing.sizes import Symbolic
from graphnas.tracing.snapshot import Snapshot
from graphnas.tracing.surroundings import Surroundings

_COUNTED = frozenset((int, float, str))


@dataclass(frozen=True, slots=True)
class Kept:
    """An attribute that a run has left with another content.

    Attributes:
        name: of the attribute, after the path of its module or the name of its file.
        source: where it was set, if it was set and not filled.
        module: the path of its module; None if it is held beside the modules.
        saved: whether it is a buffer that there was not, and that the `state_dict` then has.
    """

    name: str
    source: Source | None
    module: str | None = None
    saved: bool = False


def kept(registry: Registry, snapshot: Snapshot, around: Surroundings, record: Record) -> tuple[Kept, ...]:
    """The attributes that hold what was computed in the run, or numbers that have changed."""
    paths = {id(module): path for path, module in registry.model.named_modules()}
    found = tuple(
        Kept(
            f"{paths[id(module)]}.{name}".lstrip("."),
            record.assigned.get((id(module), name)),
            paths[id(module)],
            name in module._buffers and name not in module._non_persistent_buffers_set,
        )
        for module, name, before in snapshot.changes()
        if registry.layer(module) is None and _remembers(getattr(module, name, None), before, record.known)
    )
    beside = (name for name, value, before in around.changes() if _remembers(value, before, record.known))
    return (*found, *(Kept(name, None) for name in beside))


def tell_of_buffers(found: Iterable[Kept], model: str) -> None:
    """A buffer that only a call makes is no part of the graph, even if nothing depends on it."""
    for item in found:
        if item.saved:
            warnings.warn(
                f"the buffer {item.name!r} of {model} is made in forward and is no part of the graph, so that what is "
                "built of it saves none; register it in the constructor, with its shape",
                TraceWarning,
                stacklevel=7,
            )


def difference(first: Record, second: Record) -> Step | None:
    """The first step of the second run that the first run did not have; None where both did the same.

    A run that merely stops earlier has no such step: then it is its last one.
    """
    ours, theirs = list(steps_in(first.root)), list(steps_in(second.root))
    for mine, other in zip(ours, theirs, strict=False):
        if identified(mine) != identified(other):
            return other
    if len(ours) != len(theirs):
        return (theirs or ours)[min(len(ours), len(theirs) - 1)]
    return None


def _remembers(value: Any, before: Any, made: Mapping[int, Value]) -> bool:
    if type(value) in _COUNTED:
        return type(value) is type(before)
    if isinstance(value, list | dict) and any(map(_is_number, value.values() if isinstance(value, dict) else value)):
        return True
    return any(_is_made(made.get(id(tensor))) for tensor in tensors_in(value))


def _is_number(value: Any) -> bool:
    return type(value) in _COUNTED or isinstance(value, Symbolic)


def _is_made(value: Value | None) -> bool:
    """Whether a value was computed in the run, or given to it."""
    return value is not None and (value.step is not None or value.origin == "input")
