"""The layers that generated spaces are made of: those of vectors and those of images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from graphnas.ir.node import Arg

# Type and config of a layer.
LayerOf: TypeAlias = tuple[str, dict[str, Arg]]


@dataclass(frozen=True)
class Kit:
    """The layers of one kind of value.

    Attributes:
        shape: of a value, without the batch.
        mix: (incoming, outgoing channels) → a layer with weights.
        norm: a normalization.
    """

    shape: tuple[int, ...]
    mix: Callable[[Arg, Arg], LayerOf]
    norm: LayerOf

    @property
    def channels(self) -> int:
        """The extent of dimension 1."""
        return self.shape[0]

    @property
    def scale(self) -> tuple[int, ...]:
        """The shape of a parameter that scales each channel."""
        return (self.channels, *[1] * (len(self.shape) - 1))


def linear(incoming: Arg, outgoing: Arg) -> LayerOf:
    """A linear layer."""
    return "torch.nn.Linear", {"in_features": incoming, "out_features": outgoing, "bias": True}


def convolution(incoming: Arg, outgoing: Arg, kernel: Arg = 1, padding: Arg = 0) -> LayerOf:
    """A convolution of images."""
    config = {"in_channels": incoming, "out_channels": outgoing, "kernel_size": kernel, "stride": 1, "padding": padding}
    return "torch.nn.Conv2d", {**config, "dilation": 1, "groups": 1, "bias": True, "padding_mode": "zeros"}


LAYER_NORM = ("torch.nn.LayerNorm", {"normalized_shape": (8,), "eps": 1e-5, "elementwise_affine": True, "bias": True})
BATCH_NORM = (
    "torch.nn.BatchNorm2d",
    {"num_features": 4, "eps": 1e-5, "momentum": 0.1, "affine": True, "track_running_stats": True},
)
VECTORS = Kit((8,), linear, LAYER_NORM)
IMAGES = Kit((4, 5, 5), convolution, BATCH_NORM)

# Layers that fit any value.
RELU: LayerOf = ("torch.nn.ReLU", {"inplace": False})
RELU_IN_PLACE: LayerOf = ("torch.nn.ReLU", {"inplace": True})
TANH: LayerOf = ("torch.nn.Tanh", {})
IDENTITY: LayerOf = ("torch.nn.Identity", {})
DROPOUT: LayerOf = ("torch.nn.Dropout", {"p": 0.5, "inplace": False})
