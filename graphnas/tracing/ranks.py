"""What depends on how many dimensions a tensor has, as `shape[-1]` does: a graph holds for those of its inputs."""

from __future__ import annotations

from types import FrameType
from typing import TYPE_CHECKING

from torch import Tensor

from graphnas.ir.choice import Apply
from graphnas.ir.node import GUARD, Call
from graphnas.tracing import sources
from graphnas.tracing.meanings import is_message
from graphnas.tracing.record import Step, Value

if TYPE_CHECKING:
    from graphnas.tracing.recorder import Recorder


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
    """Guards the dimensions of the inputs at the beginning, if the run relied on any: all others follow from these.

    One guard for each input is less to read than one for each shape, and tells examples of other ranks apart.
    """
    steps: list[Step] = []
    where = recorder.ranked
    for value in inputs if where else ():
        if isinstance(value.content, Tensor):
            rank = Step(Call("torch.Tensor.dim"), (value,), {}, "dim", 0, where)
            claim = Apply("==", (Value(value.content.dim(), rank), value.content.dim()))
            steps += [rank, Step(Call(GUARD), (claim, str(where)), {}, "guard", 0, where)]
    recorder.root.items[:0] = steps
