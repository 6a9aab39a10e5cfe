"""The space of NAS-Bench-201: one kind of cell, in which each of six edges has one of five operators."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from torch import Tensor, nn

from graphnas.errors import ArchError
from graphnas.ir.choice import Option
from graphnas.nn import Cell
from graphnas.nn.cell import Edge
from graphnas.spaces.layers import ReLUConvNorm, Zero

NODES = 3  # of a cell, behind its input
OPERATORS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")


def nasbench201(channels: int = 16, cells: int = 5, classes: int = 10, search: bool = False) -> nn.Module:
    """The network of NAS-Bench-201, whose cell is to be found.

    A cell has three nodes behind its input. Each adds up what comes over the edges from all before it, and each edge
    has one operator; all cells share their decisions. There are 15,625 architectures.

    Args:
        channels: of the first of three stages; the others have two and four times as many.
        cells: how many there are in a stage.
        classes: how many logits.
        search: whether normalization in the cells learns no scale and shift.

    Reference: Dong and Yang 2020, arXiv:2001.00326.
    """
    return NASBench201(channels, cells, classes, search)


class NASBench201(nn.Module):
    """The network; `nasbench201` tells what it is given."""

    def __init__(self, channels: int, cells: int, classes: int, search: bool) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels))
        stages: list[nn.Module] = []
        for stage in range(3):
            if stage > 0:
                stages.append(ReductionBlock(channels, 2 * channels))
                channels *= 2
            stages += [_cell(channels, search) for _ in range(cells)]
        self.stages = nn.Sequential(*stages)
        self.norm = nn.Sequential(nn.BatchNorm2d(channels), nn.ReLU())
        self.head = nn.Linear(channels, classes)

    def forward(self, x: Tensor) -> Tensor:
        """The logits."""
        x = self.norm(self.stages(self.stem(x)))
        logits: Tensor = self.head(x.mean((2, 3)))
        return logits


class ReductionBlock(nn.Module):
    """A residual block that halves the height and width."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.convs = nn.Sequential(
            ReLUConvNorm(in_channels, out_channels, 3, 2), ReLUConvNorm(out_channels, out_channels, 3)
        )
        self.shortcut = nn.Sequential(nn.AvgPool2d(2), nn.Conv2d(in_channels, out_channels, 1, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        """The smaller image."""
        smaller: Tensor = self.shortcut(x) + self.convs(x)
        return smaller


def _cell(channels: int, search: bool) -> Cell:
    makers: dict[str, Callable[[Edge], nn.Module]] = {
        "none": lambda edge: Zero(),
        "skip_connect": lambda edge: nn.Identity(),
        "nor_conv_1x1": lambda edge: ReLUConvNorm(channels, channels, affine=not search),
        "nor_conv_3x3": lambda edge: ReLUConvNorm(channels, channels, 3, affine=not search),
        "avg_pool_3x3": lambda edge: nn.AvgPool2d(3, 1, 1, count_include_pad=False),
    }
    return Cell(makers, NODES, inputs=1, output="last", label="cell")


# ---------------------------------------------------------------- architectures as they are published
def nasbench201_arch(text: str) -> dict[str, Option]:
    """The architecture that `|nor_conv_3x3~0|+|none~0|skip_connect~1|+|...|` stands for.

    Raises:
        ArchError: the text is no architecture of the space.
    """
    nodes = text.split("+")
    arch: dict[str, Option] = {}
    for number, node in enumerate(nodes, 1):
        edges = re.fullmatch(r"\|(?:\w+~\d\|)+", node) and re.findall(r"(\w+)~(\d)", node)
        if not edges or len(nodes) != NODES or [source for _, source in edges] != [*map(str, range(number))]:
            raise ArchError(
                f"{text!r} is no architecture of NAS-Bench-201; one reads like "
                "'|nor_conv_3x3~0|+|none~0|skip_connect~1|+|none~0|none~1|avg_pool_3x3~2|'"
            )
        for name, source in edges:
            if name not in OPERATORS:
                raise ArchError(f"NAS-Bench-201 has no operator {name!r}; it has {', '.join(OPERATORS)}\n  in {text!r}")
            arch[_label(number, int(source))] = name
    return arch


def nasbench201_text(arch: Mapping[str, Option]) -> str:
    """The published form of an architecture, `|nor_conv_3x3~0|+|none~0|skip_connect~1|+|...|`.

    Raises:
        ArchError: an edge has no operator.
    """
    rows = [[(_label(number, source), source) for source in range(number)] for number in range(1, NODES + 1)]
    missing = [label for row in rows for label, _ in row if label not in arch]
    if missing:
        raise ArchError(f"the architecture decides nothing for {missing[0]!r}")
    return "+".join("|" + "".join(f"{arch[label]}~{source}|" for label, source in row) for row in rows)


def _label(node: int, source: int) -> str:
    return f"cell.edges.{node}_{source}"
