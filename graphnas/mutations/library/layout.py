"""Where the channels of a site are, and modules for one layout that stand in another."""

from __future__ import annotations

from torch import Tensor, nn

from graphnas.errors import GraphError
from graphnas.mutations.sites import Site

# Classes and functions that are known by their names, whoever wrote them.
_CHANNELS_LAST = (
    "Linear", "Bilinear", "LayerNorm", "RMSNorm", "MultiheadAttention", "linear", "layer_norm", "rms_norm",
)  # fmt: skip
_CHANNELS_FIRST = ("GroupNorm", "group_norm", "batch_norm", "instance_norm")
_OF_IMAGES = ("1d", "2d", "3d")  # as their names end


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

    Many layers and functions are known by their names. Of all else, three dimensions are (batch, tokens, channels), and
    of four or five the sizes are taken for those that are equal: an image is square.

    Raises:
        GraphError: nothing tells.
    """
    name = site.type.rpartition(".")[2]
    given, result = site.input_shape, site.output_shape
    normalized = site.config.get("normalized_shape")
    if name in _CHANNELS_LAST and not (isinstance(normalized, tuple) and len(normalized) > 1):
        return True
    if name in _CHANNELS_FIRST or name.endswith(_OF_IMAGES):
        return False
    if len(given) < 4 or len(result) < 4:
        return len(given) == 3
    first = all(shape[-2] == shape[-1] for shape in (given, result))
    last = all(shape[-3] == shape[-2] for shape in (given, result))
    if first == last:
        raise GraphError(
            f"nothing tells where in {given} the channels are; trace the model on square images that are not as large "
            "as there are channels, or swap a layer inside it"
        )
    return last


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
