"""The residual network of 20 layers for images of 32 x 32 pixels, in plain PyTorch.

Reference: He et al. 2015, section 4.2, arXiv:1512.03385.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


class Block(nn.Module):
    """Two convolutions beside a shortcut that has no weights (option A of the paper).

    Where the first convolution halves the image and widens it, the shortcut takes every other pixel and fills up the
    channels with zeros.
    """

    def __init__(self, in_channels: int, channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, channels, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.stride = stride
        self.zeros = (channels - in_channels) // 2

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        if self.stride > 1:
            x = x[:, :, :: self.stride, :: self.stride]
            x = F.pad(x, (0, 0, 0, 0, self.zeros, self.zeros))
        return F.relu(y + x)


class ResNet20(nn.Module):
    """A convolution, three stages of blocks at 32, 16 and 8 pixels, and a classifier of what is left on average."""

    def __init__(self, blocks: int = 3, classes: int = 10) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.layer1 = stage(16, 16, blocks, stride=1)
        self.layer2 = stage(16, 32, blocks, stride=2)
        self.layer3 = stage(32, 64, blocks, stride=2)
        self.linear = nn.Linear(64, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.linear(x.mean((2, 3)))


def stage(in_channels: int, channels: int, blocks: int, stride: int) -> nn.Sequential:
    """Blocks of which the first changes the shape."""
    later = (Block(channels, channels, 1) for _ in range(blocks - 1))
    return nn.Sequential(Block(in_channels, channels, stride), *later)
