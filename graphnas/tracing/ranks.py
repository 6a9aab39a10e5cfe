"""What depends on how many dimensions a tensor has, as `shape[-1]` does: a graph holds for those that were traced."""

from __future__ import annotations

from types import FrameType
from typing import TYPE_CHECKING

from torch import Tensor

from graphnas.ir.choice import Apply
from graphnas.ir.node import GUARD, Call
from graphnas.ir.source import Source
from graphnas.tracing import sources
from graphnas.tracing.meanings import is_message
from graphnas.tracing.record import ModuleCall, Step, Value

if TYPE_CHECKING:
    from graphnas.tracing.recorder import Recorder

# Functions whose result has more or fewer dimensions by the sizes of what they are given.
_SQUEEZING = ("torch.squeeze", "torch.Tensor.squeeze", "torch.Tensor.squeeze_")


def look(recorder: Recorder, frame: FrameType, dim: int | None = None) -> None:
    """The user's code takes the shape of a tensor, or the size along a dimension.

    Args:
        recorder: what is told if that relies on how many dimensions there are.
        frame: of the code.
        dim: the dimension; None is the whole shape.
    """
    relies = sources.counts_dimensions(frame) if dim is None else dim < 0 and not sources.is_torch(frame.f_code)
    if relies and recorder.ranked is None and not is_message(frame):
        recorder.ranked = sources.source(frame)


def keep(recorder: Recorder, inputs: tuple[Value, ...]) -> None:
    """Guards the dimensions of the inputs, and of what is squeezed, if the run relied on any: others follow from these.

    One guard for each input is less to read than one for each shape, and tells examples of other ranks apart.
    """
    where = recorder.ranked
    if where is None:
        return
    made = {value.step: value for value in recorder.known.values() if value.step is not None}
    _keep_squeezed(recorder.root, made)
    recorder.root.items[:0] = [step for value in inputs for step in _guard(value, where, 0)]


def _keep_squeezed(call: ModuleCall, made: dict[Step, Value]) -> None:
    items: list[Step | ModuleCall] = []
    for item in call.items:
        items.append(item)
        if isinstance(item, ModuleCall):
            _keep_squeezed(item, made)
        elif isinstance(item.op, Call) and item.op.target in _SQUEEZING and item in made:
            items += _guard(made[item], item.source, item.position)
    call.items[:] = items


def _guard(value: Value, where: Source | None, position: int) -> list[Step]:
    """What refuses another number of dimensions than a tensor has."""
    if not isinstance(value.content, Tensor):
        return []
    count = value.content.dim()
    rank = Step(Call("torch.Tensor.dim"), (value,), {}, "dim", position, where)
    claim = Apply("==", (Value(count, rank), count))
    return [rank, Step(Call(GUARD), (claim, str(where)), {}, "guard", position, where)]
