"""EfficientNet-B0.

Reference: Tan and Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks", 2019, table 1,
arXiv:1905.11946.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

# Expansion, output channels, blocks, kernel, stride.
B0 = (
    (1, 16, 1, 3, 1),
    (6, 24, 2, 3, 2),
    (6, 40, 2, 5, 2),
    (6, 80, 3, 3, 2),
    (6, 112, 3, 5, 1),
    (6, 192, 4, 5, 2),
    (6, 320, 1, 3, 1),
)


class SqueezeExcite(nn.Module):
    """One weight for each channel."""

    def __init__(self, channels: int, squeezed: int) -> None:
        super().__init__()
        self.reduce = nn.Conv2d(channels, squeezed, 1)
        self.act = nn.SiLU()
        self.expand = nn.Conv2d(squeezed, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        scale = x.mean((2, 3), keepdim=True)
        scale = self.expand(self.act(self.reduce(scale)))
        return x * torch.sigmoid(scale)


class MBConv(nn.Module):
    """An inverted residual with squeeze and excitation."""

    def __init__(self, in_channels: int, out_channels: int, expansion: int, kernel_size: int, stride: int) -> None:
        super().__init__()
        hidden = expansion * in_channels
        if expansion != 1:
            self.expand = nn.Sequential(
                nn.Conv2d(in_channels, hidden, 1, bias=False), nn.BatchNorm2d(hidden), nn.SiLU()
            )
        else:
            self.expand = None
        self.depthwise = nn.Sequential(
            nn.Conv2d(hidden, hidden, kernel_size, stride, kernel_size // 2, groups=hidden, bias=False),
            nn.BatchNorm2d(hidden),
            nn.SiLU(),
        )
        self.se = SqueezeExcite(hidden, in_channels // 4)
        self.project = nn.Sequential(nn.Conv2d(hidden, out_channels, 1, bias=False), nn.BatchNorm2d(out_channels))
        self.use_residual = stride == 1 and in_channels == out_channels

    def forward(self, x: Tensor) -> Tensor:
        out = x
        if self.expand is not None:
            out = self.expand(out)
        out = self.depthwise(out)
        out = self.se(out)
        out = self.project(out)
        if self.use_residual:
            out = out + x
        return out


class EfficientNet(nn.Module):
    """A stem, stages of inverted residuals, and a classifier."""

    def __init__(self, divisor: int, num_classes: int) -> None:
        super().__init__()
        channels = 32 // divisor
        self.stem = nn.Sequential(nn.Conv2d(3, channels, 3, 2, 1, bias=False), nn.BatchNorm2d(channels), nn.SiLU())
        blocks = []
        for expansion, width, depth, kernel_size, stride in B0:
            for place in range(depth):
                blocks.append(MBConv(channels, width // divisor, expansion, kernel_size, 1 if place else stride))
                channels = width // divisor
        self.blocks = nn.Sequential(*blocks)
        self.head = nn.Sequential(
            nn.Conv2d(channels, 4 * channels, 1, bias=False), nn.BatchNorm2d(4 * channels), nn.SiLU()
        )
        self.dropout = nn.Dropout(0.2)
        self.classifier = nn.Linear(4 * channels, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.head(self.blocks(self.stem(x)))
        x = x.mean((2, 3))
        return self.classifier(self.dropout(x))


def efficientnet_b0(divisor: int = 1, num_classes: int = 1000) -> EfficientNet:
    """EfficientNet-B0; its published size is 5,288,548 parameters. Widths are divided by `divisor`."""
    return EfficientNet(divisor, num_classes)
