"""MLP-Mixer.

Reference: Tolstikhin et al., "MLP-Mixer: An all-MLP Architecture for Vision", 2021, equation 1 and appendix E,
arXiv:2105.01601.
"""

from __future__ import annotations

from torch import Tensor, nn


class MLP(nn.Sequential):
    """Two linear layers."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__(nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, width))


class MixerBlock(nn.Module):
    """Mixes tokens, then channels."""

    def __init__(self, tokens: int, width: int, token_hidden: int, channel_hidden: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.token_mixing = MLP(tokens, token_hidden)
        self.norm2 = nn.LayerNorm(width)
        self.channel_mixing = MLP(width, channel_hidden)

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm1(x).transpose(1, 2)
        y = self.token_mixing(y).transpose(1, 2)
        x = x + y
        return x + self.channel_mixing(self.norm2(x))


class Mixer(nn.Module):
    """Mixer blocks over the patches of an image."""

    def __init__(self, image_size: int, patch_size: int, width: int, depth: int, num_classes: int) -> None:
        super().__init__()
        tokens = (image_size // patch_size) ** 2
        self.stem = nn.Conv2d(3, width, patch_size, patch_size)
        self.blocks = nn.Sequential(*(MixerBlock(tokens, width, width // 2, 4 * width) for _ in range(depth)))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        x = x.flatten(2).transpose(1, 2)
        x = self.blocks(x)
        x = self.norm(x)
        x = x.mean(1)
        return self.head(x)


def mixer_b_16(image_size: int = 224, width: int = 768, num_classes: int = 1000) -> Mixer:
    """Mixer-B/16; its published size at 224 pixels is 59,880,472 parameters."""
    return Mixer(image_size, 16, width, 12, num_classes)
