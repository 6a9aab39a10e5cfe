"""Vision transformer.

Reference: Dosovitskiy et al., "An Image is Worth 16x16 Words", 2021, section 3.1 and table 1, arXiv:2010.11929.
It starts as in the authors' code, but for the head, which is not zero: an untrained network tells its inputs apart.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


class EncoderBlock(nn.Module):
    """Attention and a two-layer perceptron, each normalized before and added to what came in (eqs. 2 and 3)."""

    def __init__(self, width: int, heads: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.ln_1 = nn.LayerNorm(width, eps=1e-6)
        self.self_attention = nn.MultiheadAttention(width, heads, dropout=dropout, batch_first=True)
        self.dropout = nn.Dropout(dropout)
        self.ln_2 = nn.LayerNorm(width, eps=1e-6)
        self.mlp = nn.Sequential(
            nn.Linear(width, hidden), nn.GELU(), nn.Dropout(dropout), nn.Linear(hidden, width), nn.Dropout(dropout)
        )

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.ln_1(tokens)
        x, _ = self.self_attention(x, x, x, need_weights=False)
        x = self.dropout(x)
        x = x + tokens
        y = self.ln_2(x)
        y = self.mlp(y)
        return x + y


class VisionTransformer(nn.Module):
    """A transformer encoder over the patches of an image.

    Args:
        image_size: height and width of the images in pixels.
        patch_size: height and width of a patch in pixels.
        width: features of a token.
        depth: encoder blocks.
        heads: attention heads; they divide `width`.
        hidden: features inside a block's perceptron.
        dropout: after the embedding, the attention and the perceptron's layers.
        num_classes: outputs.
    """

    def __init__(
        self,
        image_size: int = 32,
        patch_size: int = 8,
        width: int = 32,
        depth: int = 3,
        heads: int = 4,
        hidden: int = 64,
        dropout: float = 0.1,
        num_classes: int = 10,
    ) -> None:
        super().__init__()
        patches = (image_size // patch_size) ** 2
        self.conv_proj = nn.Conv2d(3, width, patch_size, patch_size)
        self.class_token = nn.Parameter(torch.zeros(1, 1, width))
        self.pos_embedding = nn.Parameter(torch.empty(1, patches + 1, width).normal_(std=0.02))
        self.dropout = nn.Dropout(dropout)
        self.blocks = nn.Sequential(*(EncoderBlock(width, heads, hidden, dropout) for _ in range(depth)))
        self.ln = nn.LayerNorm(width, eps=1e-6)
        self.head = nn.Linear(width, num_classes)
        self._start()

    def _start(self) -> None:
        fan_in = self.conv_proj.in_channels * self.conv_proj.kernel_size[0] * self.conv_proj.kernel_size[1]
        nn.init.trunc_normal_(self.conv_proj.weight, std=math.sqrt(1 / fan_in))
        nn.init.zeros_(self.conv_proj.bias)
        for block in self.blocks:
            for layer in block.mlp:
                if isinstance(layer, nn.Linear):
                    nn.init.xavier_uniform_(layer.weight)
                    nn.init.normal_(layer.bias, std=1e-6)

    def forward(self, x: Tensor) -> Tensor:
        batch = x.shape[0]
        x = self.conv_proj(x)
        x = x.flatten(2).transpose(1, 2)
        token = self.class_token.expand(batch, -1, -1)
        x = torch.cat([token, x], dim=1)
        x = self.dropout(x + self.pos_embedding)
        x = self.blocks(x)
        x = self.ln(x)
        return self.head(x[:, 0])


def vit_small(num_classes: int = 10) -> VisionTransformer:
    """A ViT for 32-pixel images that runs in milliseconds."""
    return VisionTransformer(num_classes=num_classes)


def vit_b_16(image_size: int = 224, num_classes: int = 1000) -> VisionTransformer:
    """ViT-B/16; its published size at 224 pixels is 86,567,656 parameters."""
    return VisionTransformer(image_size, 16, 768, 12, 12, 3072, 0.0, num_classes)
