"""Tensors that get another shape in place: their sizes are those that they had when somebody asked."""

from __future__ import annotations

from types import FrameType
from typing import TYPE_CHECKING

from torch import Tensor

from graphnas.ir.node import Call, Size
from graphnas.tracing.record import Value
from graphnas.tracing.sizes import bare

if TYPE_CHECKING:
    from graphnas.tracing.recorder import Recorder

FUNCTIONS = frozenset(
    f"torch.Tensor.{name}_"
    for name in (
        "as_strided", "resize", "resize_as", "set", "squeeze", "swapaxes", "swapdims", "t", "transpose", "unsqueeze",
    )
)  # fmt: skip


def keep_sizes(recorder: Recorder, tensor: Tensor, frame: FrameType) -> None:
    """A tensor is about to get another shape: the sizes of it that the model has are those that it has now."""
    value = recorder.read(tensor)
    if value.origin in ("state", "constant"):
        return
    for dim, size in enumerate(bare(tensor.shape)):
        step = recorder.step(Call("torch.Tensor.size"), (value, dim), {}, "size", frame)
        recorder.former[Size(value, dim)] = Value(size, step)  # type: ignore[arg-type]


def check(recorder: Recorder, tensor: Tensor, data: Tensor) -> None:
    """The data of a tensor are about to be set, which must leave it its sizes."""
    if tensor.shape != data.shape:
        raise recorder.refuse("the data of a tensor are set to data of another shape", "Make another tensor of them.")
