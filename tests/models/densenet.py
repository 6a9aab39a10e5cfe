"""DenseNet-121.

Reference: Huang et al., "Densely Connected Convolutional Networks", 2017, table 1, arXiv:1608.06993.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class DenseLayer(nn.Module):
    """A bottleneck of which the result is `growth` further channels."""

    def __init__(self, in_channels: int, growth: int) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(in_channels)
        self.relu1 = nn.ReLU(inplace=True)
        self.conv1 = nn.Conv2d(in_channels, 4 * growth, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(4 * growth)
        self.relu2 = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(4 * growth, growth, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        out = self.conv1(self.relu1(self.norm1(x)))
        return self.conv2(self.relu2(self.norm2(out)))


class DenseBlock(nn.Module):
    """Layers of which each is given the results of all before it."""

    def __init__(self, depth: int, in_channels: int, growth: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(DenseLayer(in_channels + place * growth, growth) for place in range(depth))

    def forward(self, x: Tensor) -> Tensor:
        features = [x]
        for layer in self.layers:
            features.append(layer(torch.cat(features, 1)))
        return torch.cat(features, 1)


class Transition(nn.Sequential):
    """Halves channels, height and width."""

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(in_channels)
        self.relu = nn.ReLU(inplace=True)
        self.conv = nn.Conv2d(in_channels, in_channels // 2, 1, bias=False)
        self.pool = nn.AvgPool2d(2, 2)


class DenseNet(nn.Module):
    """Dense blocks with transitions between them."""

    def __init__(self, growth: int, depths: tuple[int, ...], num_classes: int) -> None:
        super().__init__()
        channels = 2 * growth
        self.conv0 = nn.Conv2d(3, channels, 7, stride=2, padding=3, bias=False)
        self.norm0 = nn.BatchNorm2d(channels)
        self.relu0 = nn.ReLU(inplace=True)
        self.pool0 = nn.MaxPool2d(3, stride=2, padding=1)
        blocks: list[nn.Module] = []
        for place, depth in enumerate(depths):
            blocks.append(DenseBlock(depth, channels, growth))
            channels += depth * growth
            if place < len(depths) - 1:
                blocks.append(Transition(channels))
                channels //= 2
        self.blocks = nn.Sequential(*blocks)
        self.norm5 = nn.BatchNorm2d(channels)
        self.relu5 = nn.ReLU(inplace=True)
        self.classifier = nn.Linear(channels, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool0(self.relu0(self.norm0(self.conv0(x))))
        x = self.relu5(self.norm5(self.blocks(x)))
        return self.classifier(x.mean((2, 3)))


def densenet121(growth: int = 32, num_classes: int = 1000) -> DenseNet:
    """DenseNet-121; its published size is 7,978,856 parameters."""
    return DenseNet(growth, (6, 12, 24, 16), num_classes)
