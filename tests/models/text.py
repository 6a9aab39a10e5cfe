"""An encoder of padded texts, with the ways in which libraries treat the padding."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Attention(nn.Module):
    """Self-attention; without a mask it takes the kernel that needs none."""

    def __init__(self, width: int, heads: int, causal: bool) -> None:
        super().__init__()
        self.heads, self.causal = heads, causal
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        batch, length, width = x.shape
        parts = self.qkv(x).view(batch, length, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        query, key, value = parts[0], parts[1], parts[2]
        is_causal = self.causal and mask is None and length > 1
        if mask is not None and self.causal and length > 1:
            mask = mask & torch.ones(length, length, dtype=torch.bool).tril()
        x = F.scaled_dot_product_attention(query, key, value, attn_mask=mask, is_causal=is_causal)
        return self.out(x.transpose(1, 2).reshape(batch, length, width))


class TextEncoder(nn.Module):
    """Embeds tokens, attends to those that are no padding, and classifies.

    Args:
        causal: whether a token sees those before it alone.
        fast: whether a mask that hides nothing is dropped.
        trimmed: whether columns that are padding in every text are cut off.
        pooled: whether the mean over a text is classified, else its first token.
        depth: blocks.
        dropout: behind each block.
    """

    def __init__(
        self,
        causal: bool = False,
        fast: bool = True,
        trimmed: bool = False,
        pooled: bool = True,
        depth: int = 2,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        self.fast, self.trimmed, self.pooled, self.dropout = fast, trimmed, pooled, dropout
        self.tokens = nn.Embedding(50, 16)
        self.positions = nn.Embedding(32, 16)
        self.blocks = nn.ModuleList([Attention(16, 2, causal) for _ in range(depth)])
        self.norm = nn.LayerNorm(16)
        self.head = nn.Linear(16, 3)

    def forward(self, ids: Tensor, mask: Tensor | None = None) -> Tensor:
        if mask is not None and self.trimmed:
            longest = mask.sum(1).max().item()
            ids, mask = ids[:, :longest], mask[:, :longest]
        x = self.tokens(ids) + self.positions(torch.arange(ids.shape[1]))
        attended = None
        if mask is not None and not (self.fast and mask.all()):
            attended = mask[:, None, None, :]
        for block in self.blocks:
            x = x + F.dropout(block(x, attended), self.dropout, self.training)
        x = self.norm(x)
        if not self.pooled:
            return self.head(x[:, 0])
        if mask is None:
            return self.head(x.mean(1))
        weights = mask[..., None].to(x.dtype)
        return self.head((x * weights).sum(1) / weights.sum(1).clamp(min=1.0))


def texts(batch: int, length: int, padding: int = 0) -> tuple[Tensor, Tensor]:
    """Tokens, and a mask that hides the last ones of every text but the first."""
    ids = torch.randint(0, 50, (batch, length), generator=torch.Generator().manual_seed(batch + 7 * length))
    mask = torch.ones(batch, length, dtype=torch.bool)
    if padding:
        mask[1:, length - padding :] = False
    return ids, mask
