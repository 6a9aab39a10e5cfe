"""How the tensors of a model start, put into the rows of its module table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from torch import Tensor, nn

from graphnas.ir.frozen import FrozenDict
from graphnas.ir.initial import Steps, is_recorded, unrecorded
from graphnas.ir.node import Entry
from graphnas.tracing.constructors import tensors_of
from graphnas.tracing.history import Use
from graphnas.tracing.modules import Registry
from graphnas.tracing.recording import HISTORY
from graphnas.tracing.starts import Start, is_own, start_of


@dataclass(frozen=True)
class _Held:
    """A tensor of a row: its name there, its memory if that is known, and the layer of torch's that holds it."""

    row: str
    name: str
    use: Use | None
    layer: nn.Module | None

    @property
    def path(self) -> str:
        return f"{self.row}.{self.name}" if self.name else self.row


def with_starts(rows: tuple[Entry, ...], registry: Registry, prefix: str = "") -> tuple[Entry, ...]:
    """The rows, each with how its tensors start where that was recorded and torch's layer would not do the same.

    Args:
        rows: the module table of a model.
        registry: of the model.
        prefix: where the model stands.
    """
    if not HISTORY:
        return rows
    held = list(_held(rows, registry, prefix))
    if all(item.use is None for item in held):
        return rows
    found: dict[str, dict[str, Steps]] = {}
    for item, steps in _starts(held):
        found.setdefault(item.row, {})[item.name] = steps
    return tuple(replace(row, initial=FrozenDict(found[row.path])) if row.path in found else row for row in rows)


def _held(rows: Iterable[Entry], registry: Registry, prefix: str) -> Iterator[_Held]:
    modules = dict(registry.model.named_modules(remove_duplicate=False))
    for row in rows:
        path = row.path.removeprefix(prefix).removeprefix(".")
        if row.kind == "layer":
            layer = modules[path]
            for name, tensor in tensors_of(layer):
                yield _Held(row.path, name, HISTORY.find(tensor), layer)
        elif row.kind == "parameter" or (row.kind == "buffer" and "value" not in row.config):
            above, _, name = path.rpartition(".")
            owner = modules.get(above)
            found = None if owner is None else _tensor(owner, name)
            if found is not None and (owner is None or registry.layer(owner) is None):
                yield _Held(row.path, "", HISTORY.find(found), None)


def _tensor(module: nn.Module, name: str) -> Tensor | None:
    found = module._parameters.get(name)
    return module._buffers.get(name) if found is None else found


def _starts(held: list[_Held]) -> Iterator[tuple[_Held, Steps]]:
    """How those tensors start that do not start as torch's layer starts them."""
    starts = {item.path: _start(item) for item in held}
    own = {
        item.path
        for item in held
        if item.layer is not None and item.use is not None and is_own(item.use, starts[item.path], item.layer)
    }
    drawn = _first_draws([item for item in held if item.path in own], starts, {})
    for item in held:
        if item.path in own:
            continue
        start = starts[item.path]
        earlier = next((path for event in start.draws if (path := drawn.get(event.time))), None)
        if earlier is not None and not _is_tied(item, earlier, held) and is_recorded(start.steps):
            source = next(event.source for event in start.draws if event.time in drawn)
            yield item, unrecorded(f"it shares random values with {earlier}", str(source))
            continue
        _first_draws([item], starts, drawn)
        yield item, start.steps


def _start(item: _Held) -> Start:
    if item.use is None:
        return Start(unrecorded("it was made where the recording does not see", "an unknown line"))
    return start_of(item.use)


def _first_draws(held: Iterable[_Held], starts: Mapping[str, Start], found: dict[int, str]) -> dict[int, str]:
    """When random numbers were drawn → the tensor that has them."""
    for item in held:
        for event in starts[item.path].draws:
            found.setdefault(event.time, item.path)
    return found


def _is_tied(item: _Held, path: str, held: Iterable[_Held]) -> bool:
    """Whether two paths are one tensor."""
    other = next(known for known in held if known.path == path)
    if item.use is None or other.use is None:
        return False
    return item.use.cell is other.use.cell and item.use.view == other.use.view
