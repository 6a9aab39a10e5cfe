"""What is written down while a model is built: where each memory's values came from."""

from __future__ import annotations

import itertools
import threading
import weakref
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from types import FrameType
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils.weak import WeakIdKeyDictionary

from graphnas.ir.node import Arg
from graphnas.ir.source import Source
from graphnas.tracing.identity import storage
from graphnas.tracing.sources import source

# Offset, sizes, strides and type: which part of a memory a tensor is, and how it is seen.
View: TypeAlias = tuple[int, tuple[int, ...], tuple[int, ...], torch.dtype]


@dataclass(eq=False)
class Cell:
    """A memory.

    Attributes:
        root: how the tensor that was made with it sees it.
        made: the call that made it; None where nobody saw that.
        seen: the line at which it was met first.
        writes: the calls that wrote to it, in order.
        views: other ways to see it → the call that gave such a view.
    """

    root: View
    made: Event | None = None
    seen: Source | None = None
    writes: list[Event] = field(default_factory=list)
    views: dict[View, Event] = field(default_factory=dict)

    def covers(self, view: View) -> bool:
        """Whether a view holds every element."""
        return view[0] == self.root[0] and _count(view) == _count(self.root) and _is_dense(view)


@dataclass(frozen=True, eq=False, slots=True)
class Use:
    """A tensor among the arguments of a call."""

    cell: Cell
    view: View


@dataclass(frozen=True, eq=False)
class Event:
    """A call.

    Attributes:
        time: its place among all calls.
        target: the dotted name of the function; "" for one that no graph may call.
        args, kwargs: argument trees in which a tensor is a `Use`.
        item: which of its results is meant.
        written: the tensor that it wrote to.
        refused: why it cannot stand in a graph.
        owner: the layer of torch's that made the call for itself.
        source: the user's line.
        looks: calls of the same recording by which Python learned what values a tensor has.
    """

    time: int
    target: str
    args: tuple[Arg, ...]
    kwargs: dict[str, Arg]
    item: tuple[int, ...] = ()
    written: Use | None = None
    refused: str = ""
    owner: Owner | None = None
    source: Source | None = None
    looks: Sequence[Event] = ()

    @property
    def uses(self) -> Iterator[Use]:
        """The tensors that the call read."""
        return _uses((self.args, tuple(self.kwargs.values())))


@dataclass(frozen=True, slots=True)
class Owner:
    """A layer of torch's that gives itself values."""

    module: weakref.ref[nn.Module]
    type: type[nn.Module]


class History:
    """What is known of the memories that are still in use; it keeps none of them alive."""

    def __init__(self) -> None:
        # The weak reference keeps the address of a memory from being given to another.
        self._cells: dict[int, tuple[StorageWeakRef, Cell]] = {}
        self._parameters = WeakIdKeyDictionary()
        self._lock = threading.Lock()
        self._clock = itertools.count()

    def __bool__(self) -> bool:
        return bool(self._cells)

    def now(self) -> int:
        """The time: later calls have larger ones."""
        return next(self._clock)

    def find_memory(self, tensor: Tensor) -> Cell | None:
        """The memory of a tensor, if it is known."""
        found = self._cells.get(storage(tensor))
        return None if found is None else found[1]

    def find(self, tensor: Tensor) -> Use | None:
        """The memory of a tensor, or of a parameter that has been moved to another since; None for an unknown one."""
        found = self._cells.get(storage(tensor))
        if found is not None:
            return Use(found[1], view_of(tensor))
        moved: Use | None = self._parameters.get(tensor)  # type: ignore[no-untyped-call]
        return moved

    def use(self, tensor: Tensor, frame: FrameType | None = None) -> Use:
        """The memory of a tensor; one that was not known is from now on, as met in that frame."""
        found = self.find_memory(tensor)
        cell = found or self.enter(tensor, None)
        if found is None:
            cell.seen = source(frame)
        use = Use(cell, view_of(tensor))
        if isinstance(tensor, nn.Parameter):
            self._parameters[tensor] = use
        return use

    def enter(self, tensor: Tensor, made: Event | None) -> Cell:
        """A new memory."""
        cell = Cell(view_of(tensor), made)
        alive = StorageWeakRef(tensor.untyped_storage())  # type: ignore[no-untyped-call]
        self._cells[storage(tensor)] = (alive, cell)
        return cell

    def clean(self) -> None:
        """Forgets memories that nobody uses any more."""
        with self._lock:
            for memory, (alive, _) in list(self._cells.items()):
                if alive.expired():  # type: ignore[no-untyped-call]
                    self._cells.pop(memory, None)


def view_of(tensor: Tensor) -> View:
    """How a tensor sees its memory."""
    return int(tensor.storage_offset()), tuple(tensor.shape), tuple(tensor.stride()), tensor.dtype


def _count(view: View) -> int:
    count = 1
    for size in view[1]:
        count *= size
    return count


def _is_dense(view: View) -> bool:
    """Whether no two elements are one."""
    return all(stride or size < 2 for size, stride in zip(view[1], view[2]))


def _uses(tree: Any) -> Iterator[Use]:
    if isinstance(tree, Use):
        yield tree
    elif isinstance(tree, dict):
        yield from _uses(tuple(tree.values()))
    elif isinstance(tree, tuple):
        for item in tree:
            yield from _uses(item)
    elif hasattr(tree, "items") and not callable(tree.items):
        yield from _uses(tree.items)
    elif hasattr(tree, "start"):
        yield from _uses((tree.start, tree.stop, tree.step))
