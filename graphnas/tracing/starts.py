"""From what was recorded to how each tensor starts: the calls that its first values depend on, as steps."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from torch import nn

from graphnas.ir import targets
from graphnas.ir.frozen import FrozenDict
from graphnas.ir.initial import MAX_STEPS, TENSOR, Steps, is_recorded, unrecorded
from graphnas.ir.node import Arg, Call, Constant, Node, Ref, Slice, transform
from graphnas.tracing.constructors import layer_config
from graphnas.tracing.history import Cell, Event, Use
from graphnas.tracing.names import constant_name
from graphnas.tracing.simplifying import simplified

_EMPTY = frozenset(f"torch.{name}" for name in ("empty", "empty_like", "empty_strided", "empty_permuted"))
_EMPTY |= {"torch.Tensor.new_empty", "torch.Tensor.new_empty_strided"}
# They leave nothing of what was there before.
_FILLING = targets.INITIALIZERS | frozenset(
    f"torch.Tensor.{name}_"
    for name in (
        "normal", "uniform", "zero", "fill", "copy", "exponential", "cauchy", "log_normal", "geometric", "random",
        "bernoulli",
    )
)  # fmt: skip
_FIXED = frozenset(f"torch.nn.init.{name}_" for name in ("constant", "dirac", "eye", "ones", "zeros"))
_RANDOM = targets.RANDOM | (targets.INITIALIZERS - _FIXED)
_NONE: FrozenDict[str, Arg] = FrozenDict()
_ENDLESS = 1 << 62
_WHOLE = Slice(None, None, None)


class UnrecordedError(Exception):
    """What a tensor's first values depend on cannot be written down; says why, and at which line."""

    def __init__(self, reason: str, source: object = None) -> None:
        super().__init__(reason)
        self.reason, self.where = reason, str(source or "an unknown line")


@dataclass(frozen=True)
class Start:
    """How a tensor starts.

    Attributes:
        steps: what gives it its values.
        events: the calls behind them.
    """

    steps: Steps
    events: tuple[Event, ...] = ()

    @property
    def draws(self) -> Iterator[Event]:
        """The calls that draw random numbers."""
        return (event for event in self.events if event.target in _RANDOM)


def start_of(use: Use, until: int = _ENDLESS) -> Start:
    """How a tensor starts that is seen in this way, from the calls before a time."""
    try:
        return _started(use, until)
    except UnrecordedError as error:
        return Start(unrecorded(error.reason, error.where))


def _started(use: Use, until: int) -> Start:
    direct = use.view == use.cell.root
    events = _Slice(use, until, direct).events
    writer = _Writer(use if direct else None)
    for event, cell in events:
        writer.add(event, cell)
    if not direct:
        writer.copy(writer.value(use))
    if not writer.steps:
        raise UnrecordedError("it is never given values", use.cell.made and use.cell.made.source)
    _check_looks([event for event, _ in events])
    steps = simplified(tuple(writer.steps), use.view[1])
    if len(steps) > MAX_STEPS:
        raise UnrecordedError(f"it takes {len(steps)} steps, more than {MAX_STEPS}", events[0][0].source)
    return Start(steps, tuple(event for event, _ in events))


def _check_looks(events: list[Event]) -> None:
    """Refuses numbers and branches that may come from what was drawn: a child draws anew."""
    for event in events:
        if event.written is None and event.target in _EMPTY:
            continue
        for look in event.looks:
            if look.time < event.time and _is_random(look):
                raise UnrecordedError("Python looked at random values before, as by item() or if", look.source)


def _is_random(look: Event) -> bool:
    try:
        return any(
            event.target in _RANDOM for use in look.uses for event, _ in _Slice(use, look.time, direct=False).events
        )
    except UnrecordedError:
        return True


# ---------------------------------------------------------------- which calls matter
class _Slice:
    """The calls that the values of a tensor depend on.

    Attributes:
        events: in order, each with the memory that it made or wrote to.
    """

    def __init__(self, use: Use, until: int, direct: bool) -> None:
        self._found: dict[tuple[int, int], tuple[Event, Cell]] = {}
        self._asked: set[tuple[int, int]] = set()
        self._target = use.cell if direct else None
        self._need(use, until)
        self.events = sorted(self._found.values(), key=lambda row: row[0].time)

    def _need(self, use: Use, until: int) -> None:
        for view in _chain(use):
            for other in view.uses:
                if other.cell is not use.cell:
                    self._need(other, view.time)
        cell = use.cell
        if (id(cell), until) in self._asked:
            return
        self._asked.add((id(cell), until))
        writes = [write for write in cell.writes if write.time < until]
        first = next((place for place in reversed(range(len(writes))) if _fills(writes[place], cell)), None)
        for write in writes[first or 0 :]:
            self._take(write, cell)
        if first is None and cell.made is None:
            raise UnrecordedError(
                "its values come from where the recording does not see, such as numpy or a file", cell.seen
            )
        if cell.made is not None and (first is None or cell is not self._target):
            self._take(cell.made, cell)

    def _take(self, event: Event, cell: Cell) -> None:
        if event.refused:
            raise UnrecordedError(event.refused, event.source)
        self._found[event.time, id(cell)] = (event, cell)
        for use in event.uses:
            if event.written is None or use.cell is not cell:
                self._need(use, event.time)
            else:
                for view in _chain(use):
                    for other in view.uses:
                        if other.cell is not cell:
                            self._need(other, view.time)


def _fills(write: Event, cell: Cell) -> bool:
    """Whether a call leaves nothing of what a memory held."""
    if write.refused or write.written is None or not cell.covers(write.written.view):
        return False
    if write.target == "torch.Tensor.__setitem__":
        whole = write.args[1] is Ellipsis or write.args[1] == _WHOLE
        return whole and all(use.cell is not cell for use in list(write.uses)[1:])
    return write.target in _FILLING and all(use.cell is not cell for use in list(write.uses)[1:])


def _chain(use: Use) -> Iterator[Event]:
    """The calls by which a view of a memory was reached."""
    view = use.view
    for _ in range(len(use.cell.views) + 1):
        if view == use.cell.root:
            return
        event = use.cell.views.get(view)
        base = None if event is None else next((other for other in event.uses if other.cell is use.cell), None)
        if event is None or base is None:
            break
        if event.refused:
            raise UnrecordedError(event.refused, event.source)
        yield event
        view = base.view
    raise UnrecordedError("it is part of a tensor in a way that the recording does not see", None)


# ---------------------------------------------------------------- steps
class _Writer:
    """Writes calls as steps; a memory is one value, whatever is written to it."""

    def __init__(self, target: Use | None) -> None:
        self.steps: list[Node] = []
        self._target = None if target is None else target.cell
        self._values: dict[Cell, Ref] = {} if target is None else {target.cell: Ref(TENSOR)}
        self._views: dict[tuple[Cell, Any], Ref] = {}
        self._calls: dict[int, str] = {}

    def add(self, event: Event, cell: Cell) -> None:
        """Writes a call that made a memory, or wrote to it."""
        if event.written is not None:
            if cell not in self._values:  # nobody saw how it was made, but nothing of that is left
                size, dtype = cell.root[1], Constant(constant_name(cell.root[3]))
                self._values[cell] = self._step("torch.empty", (size,), FrozenDict(dtype=dtype))
            self._call(event)
        elif cell is not self._target:
            self._values[cell] = Ref(self._call(event), event.item)
        elif event.target not in _EMPTY:
            self.copy(Ref(self._call(event), event.item))

    def copy(self, value: Ref) -> None:
        """Gives the tensor its values."""
        self._step("torch.Tensor.copy_", (Ref(TENSOR), value))

    def value(self, use: Use) -> Ref:
        """What stands for a tensor."""
        if use.view == use.cell.root:
            return self._values[use.cell]
        key = (use.cell, use.view)
        if key not in self._views:
            event = next(_chain(use))
            self._views[key] = Ref(self._call(event), event.item)
        return self._views[key]

    def _call(self, event: Event) -> str:
        if event.time not in self._calls:
            args = transform(event.args, self._leaf)
            kwargs = transform(FrozenDict(event.kwargs), self._leaf)
            self._calls[event.time] = self._step(event.target, args, kwargs).name
        return self._calls[event.time]

    def _leaf(self, leaf: Arg) -> Arg:
        return self.value(leaf) if isinstance(leaf, Use) else leaf

    def _step(self, target: str, args: tuple[Arg, ...], kwargs: FrozenDict[str, Arg] = _NONE) -> Ref:
        self.steps.append(Node(f"v{len(self.steps)}", Call(target), args, kwargs))
        return Ref(self.steps[-1].name)


# ---------------------------------------------------------------- torch's own starts
def is_own(use: Use, start: Start, layer: nn.Module) -> bool:
    """Whether a tensor of one of torch's layers starts as the layer starts it by itself.

    It does where nobody else had the last word, where the last word says the same, and where the layer is a copy of
    one that starts so.
    """
    parts = list(layer.modules())
    if start.events and all(_is_by(event, parts) for event in start.events):
        return True
    made = use.cell.made
    own = [write.time for write in use.cell.writes if _is_by(write, parts)]
    own += [made.time] if made is not None and _is_by(made, parts) and made.target not in _EMPTY else []
    if not own or not is_recorded(start.steps):
        return False
    return start_of(use, max(own) + 1).steps == start.steps


def _is_by(event: Event, parts: list[nn.Module]) -> bool:
    if event.target in ("torch.Tensor.clone", "torch.Tensor.detach") or event.target in _EMPTY:
        return True
    if event.owner is None:
        return False
    module = event.owner.module()
    return any(module is part or _are_alike(event, module, part) for part in parts)


def _are_alike(event: Event, module: nn.Module | None, part: nn.Module) -> bool:
    """Whether a layer is like the one that a call started; that one may be gone, as what was copied often is."""
    if event.owner is None or event.owner.type is not type(part):
        return False
    return module is None or layer_config(module) == layer_config(part)
