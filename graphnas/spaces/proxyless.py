"""The space of ProxylessNAS: inverted bottlenecks of three kernels and two widths, some of which may be left out."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from graphnas.nn import LayerChoice
from graphnas.spaces.chains import chain_label
from graphnas.spaces.layers import ConvNorm, InvertedBottleneck

STRIDES = (2, 2, 2, 1, 2, 1)
KERNELS = (3, 5, 7)
EXPANSIONS = (3, 6)
EPS = 1e-3  # of the published normalization


def proxyless(
    classes: int = 1000,
    widths: Sequence[int] = (24, 40, 80, 96, 192, 320),
    depths: Sequence[int] = (4, 4, 4, 4, 4, 1),
    search: bool = False,
) -> nn.Module:
    """The network of ProxylessNAS for ImageNet, whose 21 blocks are to be found.

    A block is an inverted bottleneck with a kernel of 3, 5 or 7 and three or six times as many channels inside. One
    that keeps the shape may be left out, so that the depth of a stage is decided too.

    Args:
        classes: how many logits.
        widths: channels of the six stages.
        depths: blocks of the six stages.
        search: whether normalization in the blocks learns no scale and shift. In the published search it does.

    Raises:
        ValueError: there are not six widths and depths, or a stage has no block.

    Reference: Cai et al. 2019, arXiv:1812.00332.
    """
    if len(widths) != len(STRIDES) or len(depths) != len(STRIDES) or min(depths) < 1:
        raise ValueError(f"there are {len(STRIDES)} stages of at least one block each, but got {widths=} and {depths=}")
    return ProxylessNAS(classes, widths, depths, search)


class ProxylessNAS(nn.Module):
    """The network; `proxyless` tells what it is given."""

    def __init__(self, classes: int, widths: Sequence[int], depths: Sequence[int], search: bool) -> None:
        super().__init__()
        self.stem = ConvNorm(3, 32, 3, 2, activation=nn.ReLU6, eps=EPS)
        self.first = InvertedBottleneck(32, 16, 3, 1, eps=EPS)
        channels = 16
        blocks: list[nn.Module] = []
        for width, depth, first_stride in zip(widths, depths, STRIDES, strict=True):
            for stride in (first_stride, *[1] * (depth - 1)):
                blocks.append(_block(channels, width, stride, not search, chain_label(len(blocks))))
                channels = width
        self.blocks = nn.ModuleList(blocks)
        self.mix = ConvNorm(channels, 1280, activation=nn.ReLU6, eps=EPS)
        self.head = nn.Linear(1280, classes)

    def forward(self, x: Tensor) -> Tensor:
        """The logits."""
        x = self.first(self.stem(x))
        for block in self.blocks:
            x = block(x)
        logits: Tensor = self.head(self.mix(x).mean((2, 3)))
        return logits


def _block(in_channels: int, out_channels: int, stride: int, affine: bool, label: str) -> LayerChoice:
    made: dict[str, nn.Module] = {
        f"mb{expansion}_{kernel}x{kernel}": InvertedBottleneck(
            in_channels, out_channels, kernel, expansion, stride, affine=affine, eps=EPS
        )
        for kernel in KERNELS
        for expansion in EXPANSIONS
    }
    if stride == 1 and in_channels == out_channels:
        made["skip"] = nn.Identity()
    return LayerChoice(made, label)
