"""Networks of images whose size decides: windows that need padding, and positions that are interpolated.

Reference: Liu et al., "Swin Transformer", 2021, section 3.2, arXiv:2103.14030; Dosovitskiy et al., "An Image is Worth
16x16 Words", 2021, section 3.2, arXiv:2010.11929.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class WindowBlock(nn.Module):
    """Attention within windows, which are shifted where more than one fits; what does not fill a window is padded."""

    def __init__(self, width: int, window: int, shift: int) -> None:
        super().__init__()
        self.window, self.shift = window, shift
        self.norm = nn.LayerNorm(width)
        self.attention = nn.MultiheadAttention(width, 2, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        batch, height, width, channels = x.shape
        window, shift = self.window, self.shift
        y = self.norm(x)
        bottom, right = -height % window, -width % window
        if bottom or right:
            y = F.pad(y, (0, 0, 0, right, 0, bottom))
        rows, columns = (height + bottom) // window, (width + right) // window
        if rows == 1 and columns == 1:
            shift = 0
        if shift > 0:
            y = torch.roll(y, (-shift, -shift), (1, 2))
        y = y.view(batch, rows, window, columns, window, channels).transpose(2, 3)
        y = y.reshape(-1, window * window, channels)
        y, _ = self.attention(y, y, y, need_weights=False)
        y = y.view(batch, rows, columns, window, window, channels).transpose(2, 3)
        y = y.reshape(batch, height + bottom, width + right, channels)
        if shift > 0:
            y = torch.roll(y, (shift, shift), (1, 2))
        if bottom or right:
            y = y[:, :height, :width].contiguous()
        return x + y


class WindowNetwork(nn.Module):
    """Blocks over the patches of an image."""

    def __init__(self, depth: int = 2) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 8, 2, 2)
        self.blocks = nn.Sequential(*(WindowBlock(8, 4, 2 * (place % 2)) for place in range(depth)))
        self.head = nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patches(x).permute(0, 2, 3, 1)
        return self.head(self.blocks(x).mean((1, 2)))


class Positions(nn.Module):
    """A small vision transformer whose positions are interpolated for images of another size."""

    def __init__(self, image_size: int = 16, patch_size: int = 4) -> None:
        super().__init__()
        self.patch_size, self.grid = patch_size, image_size // patch_size
        self.patches = nn.Conv2d(3, 8, patch_size, patch_size)
        self.positions = nn.Parameter(torch.randn(1, self.grid * self.grid, 8))
        self.block = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
        self.head = nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patches(x)
        height, width = x.shape[2], x.shape[3]
        return self.head(self.encode(x.flatten(2).transpose(1, 2), height, width).mean(1))

    def encode(self, x: Tensor, height: int, width: int) -> Tensor:
        """The tokens with their places, attended to."""
        positions = self.positions
        if x.shape[1] != positions.shape[1] or height != width:
            grid = positions.reshape(1, self.grid, self.grid, -1).permute(0, 3, 1, 2)
            grid = F.interpolate(grid, size=(height, width), mode="bicubic", align_corners=False)
            positions = grid.permute(0, 2, 3, 1).reshape(1, height * width, -1)
        return self.block(x + positions)
