"""The operators on the edges of DARTS' cells."""

from __future__ import annotations

import functools
from collections.abc import Callable

import torch
from torch import Tensor, nn

from graphnas.spaces.layers import Zero


class FactorizedReduce(nn.Module):
    """Half the height and width: half of the channels from the even places, half from the odd ones."""

    def __init__(self, in_channels: int, out_channels: int, affine: bool = True) -> None:
        super().__init__()
        self.relu = nn.ReLU()
        self.even = nn.Conv2d(in_channels, out_channels // 2, 1, 2, bias=False)
        self.odd = nn.Conv2d(in_channels, out_channels // 2, 1, 2, bias=False)
        self.norm = nn.BatchNorm2d(out_channels, affine=affine)

    def forward(self, x: Tensor) -> Tensor:
        """The smaller image."""
        x = self.relu(x)
        smaller: Tensor = self.norm(torch.cat((self.even(x), self.odd(x[:, :, 1:, 1:])), 1))
        return smaller


class DepthwiseSeparableConv(nn.Sequential):
    """ReLU, a convolution of every channel by itself, one that mixes the channels, and normalization."""

    def __init__(self, channels: int, kernel_size: int, stride: int, dilation: int, affine: bool) -> None:
        padding = dilation * (kernel_size // 2)
        super().__init__(
            nn.ReLU(),
            nn.Conv2d(channels, channels, kernel_size, stride, padding, dilation, groups=channels, bias=False),
            nn.Conv2d(channels, channels, 1, bias=False),
            nn.BatchNorm2d(channels, affine=affine),
        )


def _separable(kernel_size: int, channels: int, stride: int, search: bool) -> nn.Module:
    return nn.Sequential(
        DepthwiseSeparableConv(channels, kernel_size, stride, 1, not search),
        DepthwiseSeparableConv(channels, kernel_size, 1, 1, not search),
    )


def _dilated(kernel_size: int, channels: int, stride: int, search: bool) -> nn.Module:
    return DepthwiseSeparableConv(channels, kernel_size, stride, 2, not search)


def _pool(kind: Callable[[int], nn.Module], channels: int, stride: int, search: bool) -> nn.Module:
    return nn.Sequential(kind(stride), nn.BatchNorm2d(channels, affine=False)) if search else kind(stride)


def _skip(channels: int, stride: int, search: bool) -> nn.Module:
    return nn.Identity() if stride == 1 else FactorizedReduce(channels, channels, not search)


# Published name → what makes the operator of a number of channels, a stride, and whether it is for the search.
OPERATORS: dict[str, Callable[[int, int, bool], nn.Module]] = {
    "none": lambda channels, stride, search: Zero(stride),
    "max_pool_3x3": functools.partial(_pool, lambda stride: nn.MaxPool2d(3, stride, 1)),
    "avg_pool_3x3": functools.partial(_pool, lambda stride: nn.AvgPool2d(3, stride, 1, count_include_pad=False)),
    "skip_connect": _skip,
    "sep_conv_3x3": functools.partial(_separable, 3),
    "sep_conv_5x5": functools.partial(_separable, 5),
    "dil_conv_3x3": functools.partial(_dilated, 3),
    "dil_conv_5x5": functools.partial(_dilated, 5),
}
