"""The space of NAS-Bench-Macro: eight layers, each of which has one of three blocks."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from graphnas.errors import ArchError
from graphnas.ir.choice import Option
from graphnas.nn import LayerChoice
from graphnas.spaces.chains import chain_arch, chain_label, chain_numbers
from graphnas.spaces.layers import ConvNorm, InvertedBottleneck

BLOCKS = ("identity", "mb3_3x3", "mb6_5x5")
STAGES = (2, 3, 3)


def nasbench_macro(channels: int = 32, classes: int = 10, search: bool = False) -> nn.Module:
    """The network of NAS-Bench-Macro, whose eight blocks are to be found: 6,561 architectures.

    Args:
        channels: of the stem; the three stages have two, four and eight times as many.
        classes: how many logits.
        search: whether normalization in the blocks learns no scale and shift.

    Reference: Su et al. 2021, arXiv:2103.11922.
    """
    return NASBenchMacro(channels, classes, search)


class NASBenchMacro(nn.Module):
    """The network; `nasbench_macro` tells what it is given."""

    def __init__(self, channels: int, classes: int, search: bool) -> None:
        super().__init__()
        self.stem = ConvNorm(3, channels, 3)
        blocks: list[nn.Module] = []
        for depth in STAGES:
            for stride in (2, *[1] * (depth - 1)):
                blocks.append(_block(channels, channels * stride, stride, not search, chain_label(len(blocks))))
                channels *= stride
        self.blocks = nn.ModuleList(blocks)
        self.mix = ConvNorm(channels, 1280)
        self.head = nn.Linear(1280, classes)

    def forward(self, x: Tensor) -> Tensor:
        """The logits."""
        x = self.stem(x)
        for block in self.blocks:
            x = block(x)
        logits: Tensor = self.head(self.mix(x).mean((2, 3)))
        return logits


def _block(in_channels: int, out_channels: int, stride: int, affine: bool, label: str) -> LayerChoice:
    same = stride == 1 and in_channels == out_channels
    made: tuple[nn.Module, ...] = (
        nn.Identity() if same else ConvNorm(in_channels, out_channels, 1, stride, activation=None, affine=affine),
        InvertedBottleneck(in_channels, out_channels, 3, 3, stride, nn.ReLU, affine),
        InvertedBottleneck(in_channels, out_channels, 5, 6, stride, nn.ReLU, affine),
    )
    return LayerChoice(dict(zip(BLOCKS, made, strict=True)), label)


# ---------------------------------------------------------------- architectures as they are published
def nasbench_macro_arch(text: str) -> dict[str, Option]:
    """The architecture that eight digits stand for, such as "22212220".

    Raises:
        ArchError: the text is no architecture of the space.
    """
    if not text.isdecimal():
        raise ArchError(f"{text!r} is no architecture of NAS-Bench-Macro; one has {sum(STAGES)} digits from 0 to 2")
    return chain_arch([int(digit) for digit in text], BLOCKS, sum(STAGES))


def nasbench_macro_text(arch: Mapping[str, Option]) -> str:
    """The digits that an architecture is published as.

    Raises:
        ArchError: it decides nothing for a block, or what is no option.
    """
    return "".join(map(str, chain_numbers(arch, BLOCKS, sum(STAGES))))
