"""The space of Single Path One-Shot: twenty blocks that shuffle channels, each of which is one of four."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from graphnas.ir.choice import Option
from graphnas.nn import LayerChoice
from graphnas.spaces.chains import chain_arch, chain_label, chain_numbers
from graphnas.spaces.layers import ConvNorm

BLOCKS = ("shuffle_3x3", "shuffle_5x5", "shuffle_7x7", "xception")
DEPTHS = (4, 4, 8, 4)
STEM = 16  # channels


def spos(
    classes: int = 1000,
    widths: Sequence[int] = (64, 160, 320, 640),
    depths: Sequence[int] = DEPTHS,
    search: bool = False,
) -> nn.Module:
    """The network of Single Path One-Shot for ImageNet, whose 20 blocks are to be found.

    Args:
        classes: how many logits.
        widths: channels of the four stages, even numbers that grow.
        depths: blocks of the four stages.
        search: whether normalization learns no scale and shift.

    Raises:
        ValueError: there are not four widths and depths, a width is odd or no greater than the one before, or a stage
            has no block.

    Reference: Guo et al. 2020, arXiv:1904.00420.
    """
    if len(widths) != len(DEPTHS) or len(depths) != len(DEPTHS) or min(depths) < 1:
        raise ValueError(f"there are {len(DEPTHS)} stages of at least one block each, but got {widths=} and {depths=}")
    if any(width % 2 for width in widths) or any(low >= high for low, high in itertools.pairwise((STEM, *widths))):
        raise ValueError(
            f"widths are even numbers, each greater than the one before, from {STEM} on, but got {widths=}"
        )
    return SPOS(classes, widths, depths, search)


class SPOS(nn.Module):
    """The network; `spos` tells what it is given."""

    def __init__(self, classes: int, widths: Sequence[int], depths: Sequence[int], search: bool) -> None:
        super().__init__()
        affine = not search
        self.stem = ConvNorm(3, STEM, 3, 2, affine=affine)
        channels = STEM
        blocks: list[nn.Module] = []
        for width, depth in zip(widths, depths, strict=True):
            for stride in (2, *[1] * (depth - 1)):
                blocks.append(_block(channels, width, stride, affine, chain_label(len(blocks))))
                channels = width
        self.blocks = nn.ModuleList(blocks)
        self.mix = ConvNorm(channels, 1024, affine=affine)
        self.dropout = nn.Dropout(0.1)
        self.head = nn.Linear(1024, classes, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """The logits."""
        x = self.stem(x)
        for block in self.blocks:
            x = block(x)
        logits: Tensor = self.head(self.dropout(self.mix(x).mean((2, 3))))
        return logits


class ShuffleBlock(nn.Module):
    """The channels at even places, and behind them what a branch makes of those at odd ones."""

    def __init__(self, branch: nn.Module) -> None:
        super().__init__()
        self.branch = branch

    def forward(self, x: Tensor) -> Tensor:
        """The channels, in another order."""
        return torch.cat((x[:, ::2], self.branch(x[:, 1::2])), 1)


class ShuffleReduction(nn.Module):
    """Half the height and width: what a projection makes of all channels, and behind it what a branch does."""

    def __init__(self, branch: nn.Module, channels: int, kernel_size: int, affine: bool) -> None:
        super().__init__()
        self.projection = nn.Sequential(
            DepthwiseConvNorm(channels, kernel_size, 2, affine), ConvNorm(channels, channels, affine=affine)
        )
        self.branch = branch

    def forward(self, x: Tensor) -> Tensor:
        """The smaller image."""
        return torch.cat((self.projection(x), self.branch(x)), 1)


class ShuffleBranch(nn.Sequential):
    """One convolution of every channel by itself, between two that mix channels."""

    def __init__(
        self, in_channels: int, width: int, out_channels: int, kernel_size: int, stride: int, affine: bool
    ) -> None:
        super().__init__(
            ConvNorm(in_channels, width, affine=affine),
            DepthwiseConvNorm(width, kernel_size, stride, affine),
            ConvNorm(width, out_channels, affine=affine),
        )


class XceptionBranch(nn.Sequential):
    """Three times a convolution of every channel by itself and one that mixes channels."""

    def __init__(self, in_channels: int, width: int, out_channels: int, stride: int, affine: bool) -> None:
        super().__init__(
            DepthwiseConvNorm(in_channels, 3, stride, affine),
            ConvNorm(in_channels, width, affine=affine),
            DepthwiseConvNorm(width, 3, 1, affine),
            ConvNorm(width, width, affine=affine),
            DepthwiseConvNorm(width, 3, 1, affine),
            ConvNorm(width, out_channels, affine=affine),
        )


class DepthwiseConvNorm(ConvNorm):
    """A convolution of every channel by itself, normalized."""

    def __init__(self, channels: int, kernel_size: int, stride: int, affine: bool) -> None:
        super().__init__(channels, channels, kernel_size, stride, channels, activation=None, affine=affine)


def _block(in_channels: int, out_channels: int, stride: int, affine: bool, label: str) -> LayerChoice:
    width = out_channels // 2
    made: dict[str, nn.Module] = {}
    for option in BLOCKS:
        kernel_size = 3 if option == "xception" else int(option[-1])
        given, wanted = (in_channels, out_channels - in_channels) if stride == 2 else (width, width)
        branch = (
            XceptionBranch(given, width, wanted, stride, affine)
            if option == "xception"
            else ShuffleBranch(given, width, wanted, kernel_size, stride, affine)
        )
        made[option] = (
            ShuffleReduction(branch, in_channels, kernel_size, affine) if stride == 2 else ShuffleBlock(branch)
        )
    return LayerChoice(made, label)


# ---------------------------------------------------------------- architectures as they are published
def spos_arch(numbers: Sequence[int]) -> dict[str, Option]:
    """The architecture that twenty numbers from 0 to 3 stand for.

    Raises:
        ArchError: there are more or fewer, or other numbers.
    """
    return chain_arch(numbers, BLOCKS, sum(DEPTHS))


def spos_numbers(arch: Mapping[str, Option]) -> tuple[int, ...]:
    """The numbers that an architecture is published as.

    Raises:
        ArchError: it decides nothing for a block, or what is no option.
    """
    return chain_numbers(arch, BLOCKS, sum(DEPTHS))
