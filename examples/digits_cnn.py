"""A small convolutional network for images of 8 x 8 pixels, in plain PyTorch."""

from __future__ import annotations

from torch import Tensor, nn


class Block(nn.Module):
    """Two convolutions, each with its activation."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.act1 = nn.ReLU()
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)
        self.act2 = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        x = self.act1(self.conv1(x))
        return self.act2(self.conv2(x))


class DigitsCNN(nn.Module):
    """A stem, a block at 8 x 8, a block at 4 x 4, and a classifier."""

    def __init__(self, channels: int = 12, classes: int = 10) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, channels, 3, padding=1)
        self.block1 = Block(channels)
        self.down = nn.Conv2d(channels, 2 * channels, 2, stride=2)
        self.block2 = Block(2 * channels)
        self.drop = nn.Dropout(0.3)
        self.head = nn.Linear(2 * channels * 4 * 4, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.block1(self.stem(x))
        x = self.block2(self.down(x))
        return self.head(self.drop(x.flatten(1)))
