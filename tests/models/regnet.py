"""RegNetY-400MF.

Reference: Radosavovic et al., "Designing Network Design Spaces", 2020, table 4 and figure 4, arXiv:2003.13678.
"""

from __future__ import annotations

from torch import Tensor, nn


class SE(nn.Module):
    """One weight for each channel."""

    def __init__(self, channels: int, squeezed: int) -> None:
        super().__init__()
        self.fc1 = nn.Conv2d(channels, squeezed, 1)
        self.relu = nn.ReLU(inplace=True)
        self.fc2 = nn.Conv2d(squeezed, channels, 1)
        self.sigmoid = nn.Sigmoid()

    def forward(self, x: Tensor) -> Tensor:
        scale = x.mean((2, 3), keepdim=True)
        scale = self.sigmoid(self.fc2(self.relu(self.fc1(scale))))
        return x * scale


class YBlock(nn.Module):
    """A bottleneck of grouped convolutions with squeeze and excitation."""

    def __init__(self, in_channels: int, out_channels: int, stride: int, group_width: int) -> None:
        super().__init__()
        groups = out_channels // group_width
        self.conv1 = nn.Conv2d(in_channels, out_channels, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, stride, 1, groups=groups, bias=False)
        self.bn2 = nn.BatchNorm2d(out_channels)
        self.se = SE(out_channels, in_channels // 4)
        self.conv3 = nn.Conv2d(out_channels, out_channels, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(out_channels)
        self.relu = nn.ReLU(inplace=True)
        if stride != 1 or in_channels != out_channels:
            self.downsample = nn.Sequential(
                nn.Conv2d(in_channels, out_channels, 1, stride, bias=False), nn.BatchNorm2d(out_channels)
            )
        else:
            self.downsample = nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.relu(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(self.se(out)))
        return self.relu(out + self.downsample(x))


class RegNet(nn.Module):
    """A stem, four stages and a classifier."""

    def __init__(self, depths: tuple[int, ...], widths: tuple[int, ...], group_width: int, num_classes: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 32, 3, 2, 1, bias=False), nn.BatchNorm2d(32), nn.ReLU(inplace=True))
        stages = []
        channels = 32
        for depth, width in zip(depths, widths, strict=True):
            blocks = []
            for place in range(depth):
                blocks.append(YBlock(channels, width, 1 if place else 2, group_width))
                channels = width
            stages.append(nn.Sequential(*blocks))
        self.trunk = nn.Sequential(*stages)
        self.fc = nn.Linear(channels, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.trunk(self.stem(x))
        return self.fc(x.mean((2, 3)))


def regnet_y_400mf(group_width: int = 8, num_classes: int = 1000) -> RegNet:
    """RegNetY-400MF; its published size is 4,344,144 parameters."""
    widths = (6 * group_width, 13 * group_width, 26 * group_width, 55 * group_width)
    return RegNet((1, 3, 6, 6), widths, group_width, num_classes)
