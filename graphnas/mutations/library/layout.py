"""Where the channels of a site are, and modules for one layout that stand in another."""

from __future__ import annotations

from torch import Tensor, nn

from graphnas.errors import GraphError
from graphnas.mutations.sites import Site

_CHANNELS_LAST = ("Linear", "Bilinear", "LayerNorm", "RMSNorm", "MultiheadAttention")
_CHANNELS_FIRST = ("Conv", "MaxPool", "AvgPool", "BatchNorm", "GroupNorm", "InstanceNorm")


class ChannelsFirst(nn.Module):
    """A layer that takes channels in dimension 1, where they come last."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        """From and to (batch, ..., channels)."""
        return self.layer(x.movedim(-1, 1)).movedim(1, -1)  # type: ignore[no-any-return]


class ChannelsLast(nn.Module):
    """A layer that takes channels last, where they are in dimension 1."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        """From and to (batch, channels, ...)."""
        return self.layer(x.movedim(1, -1)).movedim(-1, 1)  # type: ignore[no-any-return]


def channels_last(site: Site) -> bool:
    """Whether the last dimension holds the channels, and not dimension 1.

    Layers of torch are known by their class. Of all else, three dimensions are (batch, tokens, channels), and more of
    them (batch, channels, height, width).
    """
    name = site.type.removeprefix("torch.nn.") if site.kind == "layer" else ""
    if name in _CHANNELS_LAST:
        return True
    return len(site.input_shape) == 3 and not name.startswith(_CHANNELS_FIRST)


def check_one_input(site: Site) -> None:
    """Make sure that a site reads one tensor.

    Raises:
        GraphError: it reads several.
    """
    if len(site.inputs) != 1:
        given = ", ".join(map(str, site.input_shapes))
        raise GraphError(
            f"it reads {len(site.inputs)} tensors ({given}), and this alternative reads one; swap something inside it"
        )
