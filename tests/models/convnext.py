"""ConvNeXt-Tiny.

Reference: Liu et al., "A ConvNet for the 2020s", 2022, figure 4 and table 9, arXiv:2201.03545.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn


class Block(nn.Module):
    """A depthwise convolution and a perceptron over the channels, scaled and added to what came in."""

    def __init__(self, width: int, scale: float = 1e-6) -> None:
        super().__init__()
        self.dwconv = nn.Conv2d(width, width, 7, padding=3, groups=width)
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.pwconv1 = nn.Linear(width, 4 * width)
        self.act = nn.GELU()
        self.pwconv2 = nn.Linear(4 * width, width)
        self.gamma = nn.Parameter(scale * torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        out = self.dwconv(x)
        out = out.permute(0, 2, 3, 1)
        out = self.norm(out)
        out = self.pwconv2(self.act(self.pwconv1(out)))
        out = self.gamma * out
        out = out.permute(0, 3, 1, 2)
        return x + out


class LayerNorm2d(nn.Module):
    """Layer normalization over the channels of an image."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width, eps=1e-6)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class ConvNeXt(nn.Module):
    """Four stages of blocks, with a convolution before each that makes the image smaller."""

    def __init__(self, depths: tuple[int, ...], widths: tuple[int, ...], num_classes: int) -> None:
        super().__init__()
        self.downsample_layers = nn.ModuleList([nn.Sequential(nn.Conv2d(3, widths[0], 4, 4), LayerNorm2d(widths[0]))])
        for before, after in pairwise(widths):
            self.downsample_layers.append(nn.Sequential(LayerNorm2d(before), nn.Conv2d(before, after, 2, 2)))
        self.stages = nn.ModuleList()
        for depth, width in zip(depths, widths, strict=True):
            self.stages.append(nn.Sequential(*(Block(width) for _ in range(depth))))
        self.norm = nn.LayerNorm(widths[-1], eps=1e-6)
        self.head = nn.Linear(widths[-1], num_classes)

    def forward(self, x: Tensor) -> Tensor:
        for downsample, stage in zip(self.downsample_layers, self.stages, strict=True):
            x = stage(downsample(x))
        x = x.mean((2, 3))
        return self.head(self.norm(x))


def convnext_tiny(width: int = 96, num_classes: int = 1000) -> ConvNeXt:
    """ConvNeXt-T; its published size is 28,589,128 parameters."""
    return ConvNeXt((3, 3, 9, 3), (width, 2 * width, 4 * width, 8 * width), num_classes)
