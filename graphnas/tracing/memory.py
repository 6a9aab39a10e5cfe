"""What a model keeps from one call to the next in plain attributes, where a graph cannot hold it."""

from __future__ import annotations

import collections
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from graphnas.errors import TraceError, TraceWarning, UnrecordableError
from graphnas.ir.source import Source
from graphnas.tracing.modules import Registry
from graphnas.tracing.record import Record, Step, identified, steps_in, told
from graphnas.tracing.sizes import Holder
from graphnas.tracing.snapshot import Snapshot
from graphnas.tracing.surroundings import Surroundings


@dataclass(frozen=True, slots=True)
class Kept:
    """An attribute that a run has left with another content.

    Attributes:
        name: of the attribute, after the path of its module or the name of its file.
        source: where it was set, if it was set and not filled.
        module: the path of its module; None if it is held beside the modules.
        saved: whether it is a buffer that there was not, and that the `state_dict` then has.
        numbers: those that it holds, with flags and texts, as they are behind the run.
    """

    name: str
    source: Source | None
    module: str | None = None
    saved: bool = False
    numbers: Any = None


def kept(registry: Registry, snapshot: Snapshot, around: Surroundings, record: Record) -> tuple[Kept, ...]:
    """The attributes that a run has left with another content, whatever it is: a number, a flag, what was computed."""
    paths = {id(module): path for path, module in registry.model.named_modules()}
    found = tuple(
        Kept(
            f"{paths[id(module)]}.{name}".lstrip("."),
            record.assigned.get((id(module), name)),
            paths[id(module)],
            name in module._buffers and name not in module._non_persistent_buffers_set,
            _numbers(getattr(module, name, None)),
        )
        for module, name, _ in snapshot.changes()
        if registry.layer(module) is None
    )
    return (*found, *(Kept(name, None, numbers=_numbers(value)) for name, value, _ in around.changes()))


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


def tell_of_counters(first: Iterable[Kept], second: Iterable[Kept], model: str) -> None:
    """What goes on changing may decide something in a later call, although it has not in the second one."""
    before = {item.name: item.numbers for item in first}
    modules = [item for item in second if item.module is not None and item.name in before]
    names = [item.name for item in modules if item.numbers != before[item.name]]
    if names:
        warnings.warn(
            f"{', '.join(map(repr, names))} of {model} changes in every call: the first two calls do the same, and so "
            "does the graph in every call; if the model decides by it later, as a warm-up does, hold it in a buffer",
            TraceWarning,
            stacklevel=7,
        )


def differ(first: Record, second: Record) -> bool:
    """Whether two runs did, or gave, something else."""
    steps = [[identified(step) for step in steps_in(record.root)] for record in (first, second)]
    return steps[0] != steps[1] or told(first.output) != told(second.output)


def difference(first: Record, second: Record) -> Step | None:
    """The first step of the second run that the first run did not have, else the last step; None where it has none."""
    ours, theirs = list(steps_in(first.root)), list(steps_in(second.root))
    for mine, other in zip(ours, theirs, strict=False):
        if identified(mine) != identified(other):
            return other
    return theirs[min(len(ours), len(theirs) - 1)] if theirs else None


def refusal(found: Kept, path: str, model: str, step: Step | None, cause: TraceError | None) -> UnrecordableError:
    """The error about an attribute that makes a later call do something else.

    Args:
        found: the attribute.
        path: of the module that keeps it.
        model: its name.
        step: the first that the later call did otherwise.
        cause: what it raised instead.
    """
    source = found.source or (step.source if step else None)
    place = _place(cause) if cause is not None and found.source is None else str(source or "its forward")
    what = f"the attribute {found.name!r} keeps what one call computes, and the next call then does something else"
    return UnrecordableError(
        f"{what}\n  at {place}, in the model {model}. "
        "A graph has no such memory: take it as an input and return it, or hold it in a buffer of fixed shape.",
        path,
        what,
        source,
    )


def _place(error: TraceError) -> str:
    """The user's line that an error names."""
    return str(error).partition("\n  at ")[2].partition(",")[0].partition(". ")[0]


def _numbers(value: Any) -> Any:
    """The numbers, flags and texts in a value, which are told apart where it changes in anything but its tensors."""
    if isinstance(value, Holder):
        return value.value
    if isinstance(value, dict):
        return {key: _numbers(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | collections.deque):
        return [_numbers(item) for item in value if not isinstance(item, Tensor)]
    return value if isinstance(value, int | float | str) else None
