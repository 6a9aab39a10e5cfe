"""How a child inherits weights: by path, cut where it is narrower."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from graphnas.errors import EmitError


class SizesError(EmitError):
    """No options of a layer give each of its tensors the largest shape, so that a supernet has none to cut from.

    Attributes:
        labels: of the choices that decide the layer.
    """

    def __init__(self, labels: tuple[str, ...], largest: Mapping[str, tuple[int, ...]]) -> None:
        shapes = ", ".join(f"{name} {shape}" for name, shape in largest.items())
        super().__init__(
            f"no options of {', '.join(map(repr, labels))} give all tensors of the layer their largest shapes: {shapes}"
        )
        self.labels = labels


def slice_like(tensor: Tensor, shape: tuple[int, ...]) -> Tensor:
    """The part of a tensor that a smaller layer inherits: a view.

    The first two dimensions (channels out and in, features) give their leading part; those behind them, a convolution's
    kernel, give the middle (Cai et al. 2020, arXiv:1908.09791, section 3.2).

    Args:
        tensor: of the larger layer.
        shape: wanted, in no dimension larger.

    Raises:
        EmitError: another number of dimensions, or one is larger than the tensor's.
    """
    if tuple(tensor.shape) == shape:
        return tensor
    if tensor.dim() != len(shape) or any(want > have for want, have in zip(shape, tensor.shape)):
        raise EmitError(f"a tensor of shape {tuple(tensor.shape)} cannot be cut to {shape}")
    starts = [0 if dim < 2 else (have - want) // 2 for dim, (want, have) in enumerate(zip(shape, tensor.shape))]
    return tensor[tuple(slice(start, start + want) for start, want in zip(starts, shape))]
