"""GoogLeNet with batch normalization, without the auxiliary classifiers.

Reference: Szegedy et al., "Going Deeper with Convolutions", 2015, table 1, arXiv:1409.4842; normalized as in Ioffe and
Szegedy 2015, arXiv:1502.03167.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class ConvBlock(nn.Module):
    """A convolution, normalized and rectified."""

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, kernel_size, stride, kernel_size // 2, bias=False)
        self.bn = nn.BatchNorm2d(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.bn(self.conv(x)), inplace=True)


class Inception(nn.Module):
    """Four branches, of which the results are put together."""

    def __init__(self, in_channels: int, widths: tuple[int, ...]) -> None:
        super().__init__()
        one, three_reduced, three, five_reduced, five, pooled = widths
        self.branch1 = ConvBlock(in_channels, one, 1)
        self.branch2 = nn.Sequential(ConvBlock(in_channels, three_reduced, 1), ConvBlock(three_reduced, three, 3))
        self.branch3 = nn.Sequential(ConvBlock(in_channels, five_reduced, 1), ConvBlock(five_reduced, five, 5))
        self.branch4 = nn.Sequential(nn.MaxPool2d(3, stride=1, padding=1), ConvBlock(in_channels, pooled, 1))

    def forward(self, x: Tensor) -> Tensor:
        branch1 = self.branch1(x)
        branch2 = self.branch2(x)
        branch3 = self.branch3(x)
        branch4 = self.branch4(x)
        return torch.cat([branch1, branch2, branch3, branch4], 1)


class GoogLeNet(nn.Module):
    """Nine inception blocks."""

    def __init__(self, divisor: int, num_classes: int) -> None:
        super().__init__()

        def block(in_channels: int, *widths: int) -> Inception:
            return Inception(in_channels // divisor, tuple(width // divisor for width in widths))

        self.conv1 = ConvBlock(3, 64 // divisor, 7, 2)
        self.maxpool1 = nn.MaxPool2d(3, stride=2, padding=1)
        self.conv2 = ConvBlock(64 // divisor, 64 // divisor, 1)
        self.conv3 = ConvBlock(64 // divisor, 192 // divisor, 3)
        self.maxpool2 = nn.MaxPool2d(3, stride=2, padding=1)
        self.inception3a = block(192, 64, 96, 128, 16, 32, 32)
        self.inception3b = block(256, 128, 128, 192, 32, 96, 64)
        self.maxpool3 = nn.MaxPool2d(3, stride=2, padding=1)
        self.inception4a = block(480, 192, 96, 208, 16, 48, 64)
        self.inception4b = block(512, 160, 112, 224, 24, 64, 64)
        self.inception4c = block(512, 128, 128, 256, 24, 64, 64)
        self.inception4d = block(512, 112, 144, 288, 32, 64, 64)
        self.inception4e = block(528, 256, 160, 320, 32, 128, 128)
        self.maxpool4 = nn.MaxPool2d(3, stride=2, padding=1)
        self.inception5a = block(832, 256, 160, 320, 32, 128, 128)
        self.inception5b = block(832, 384, 192, 384, 48, 128, 128)
        self.dropout = nn.Dropout(0.4)
        self.fc = nn.Linear(1024 // divisor, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.maxpool1(self.conv1(x))
        x = self.maxpool2(self.conv3(self.conv2(x)))
        x = self.inception3a(x)
        x = self.inception3b(x)
        x = self.maxpool3(x)
        x = self.inception4a(x)
        x = self.inception4b(x)
        x = self.inception4c(x)
        x = self.inception4d(x)
        x = self.inception4e(x)
        x = self.maxpool4(x)
        x = self.inception5a(x)
        x = self.inception5b(x)
        x = x.mean((2, 3))
        return self.fc(self.dropout(x))


def googlenet(divisor: int = 1, num_classes: int = 1000) -> GoogLeNet:
    """GoogLeNet; widths are divided by `divisor`, which divides 16."""
    return GoogLeNet(divisor, num_classes)
