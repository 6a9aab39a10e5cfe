"""The space of DARTS: cells that are stacked, of two kinds, in which every edge has one of eight operators."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from graphnas.errors import ArchError, nearest
from graphnas.ir.choice import Option
from graphnas.nn import Cell
from graphnas.nn.cell import Edge
from graphnas.spaces.layers import ReLUConvNorm
from graphnas.spaces.operators import OPERATORS, FactorizedReduce

NODES = 4  # of a cell, behind its two inputs
KINDS = ("normal", "reduce")
STEMS = ("cifar", "imagenet")


def darts(
    cells: int = 8,
    channels: int = 16,
    classes: int = 10,
    search: bool = False,
    auxiliary: bool = False,
    stem: str = "cifar",
    operators: Sequence[str] = tuple(OPERATORS),
) -> nn.Module:
    """The network of DARTS, whose two kinds of cell are to be found.

    A cell has four nodes. Each adds up two of its edges, which come from the two cells before and from the nodes
    before it, and each edge has one operator. All normal cells share their decisions, and so do the two reduction
    cells, at a third and two thirds of the depth, which halve the size and double the channels. So an architecture
    that was found in a small network is one of any larger. Published are 8 cells of 16 channels for the search, 20
    cells of 36 channels for CIFAR, and 14 cells of 48 channels with the stem "imagenet".

    Args:
        cells: how many, at least 3.
        channels: of an operator in the first cell; the cell gives four times as many.
        classes: how many logits.
        search: whether normalization in the cells learns no scale and shift, and also stands behind pools.
        auxiliary: whether the network gives in training a pair of logits, the second from the middle of the network.
        stem: "cifar" keeps the size of the images; "imagenet" divides it by eight.
        operators: which of them an edge has, by their published names; the first is the one before any search.

    Raises:
        ValueError: an argument is none of these.

    Reference: Liu et al. 2019, arXiv:1806.09055.
    """
    if cells < 3:
        raise ValueError(f"3 cells are the fewest that have both kinds, but got {cells=}")
    if stem not in STEMS:
        raise ValueError(f"stem is one of {', '.join(STEMS)}, but got {stem!r}")
    odd = [name for name in operators if name not in OPERATORS]
    if odd:
        raise ValueError(f"operators are {', '.join(OPERATORS)}, but got {odd[0]!r}")
    return DARTS(cells, channels, classes, search, auxiliary, stem, operators)


class DARTS(nn.Module):
    """The network; `darts` tells what it is given."""

    def __init__(
        self,
        cells: int,
        channels: int,
        classes: int,
        search: bool,
        auxiliary: bool,
        stem: str,
        operators: Sequence[str],
    ) -> None:
        super().__init__()
        imagenet = stem == "imagenet"
        self.stem = ImageNetStem(channels) if imagenet else CIFARStem(3 * channels)
        before = previous = channels if imagenet else 3 * channels
        shrunk = imagenet
        self.cells = nn.ModuleList()
        for number in range(cells):
            reduction = number in (cells // 3, 2 * cells // 3)
            channels *= 2 if reduction else 1
            self.cells.append(DARTSCell((before, previous), channels, reduction, shrunk, search, operators))
            before, previous, shrunk = previous, NODES * channels, reduction
        self.middle = 2 * cells // 3
        self.auxiliary = AuxiliaryHead(NODES * channels, classes, 2 if imagenet else 3) if auxiliary else None
        self.head = nn.Linear(previous, classes)

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """The logits; in training, with an auxiliary head, also its own."""
        before, x = self.stem(x)
        middle = x
        for number, cell in enumerate(self.cells):
            before, x = x, cell(before, x)
            if number == self.middle:
                middle = x
        logits: Tensor = self.head(x.mean((2, 3)))
        if self.auxiliary is not None and self.training:
            return logits, self.auxiliary(middle)
        return logits


class DARTSCell(nn.Module):
    """A cell with what brings its two inputs to its number of channels."""

    def __init__(
        self,
        in_channels: tuple[int, int],
        channels: int,
        reduction: bool,
        shrunk: bool,
        search: bool,
        operators: Sequence[str],
    ) -> None:
        super().__init__()
        before, previous = in_channels
        shape = FactorizedReduce if shrunk else ReLUConvNorm
        self.before = shape(before, channels, affine=not search)
        self.previous = ReLUConvNorm(previous, channels, affine=not search)
        makers = {name: functools.partial(_operator, name, channels, reduction, search) for name in operators}
        self.nodes = Cell(makers, NODES, take=2, label=KINDS[reduction])

    def forward(self, before: Tensor, previous: Tensor) -> Tensor:
        """What its nodes give, one behind the other."""
        joined: Tensor = self.nodes(self.before(before), self.previous(previous))
        return joined


def _operator(name: str, channels: int, reduction: bool, search: bool, edge: Edge) -> nn.Module:
    """The operator of an edge; in a reduction cell those that read its inputs have stride 2."""
    return OPERATORS[name](channels, 2 if reduction and edge.source < 2 else 1, search)


class CIFARStem(nn.Module):
    """Gives both inputs of the first cell, which are one."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, channels, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The image in more channels, twice."""
        x = self.norm(self.conv(x))
        return x, x


class ImageNetStem(nn.Module):
    """Gives both inputs of the first cell: an image a quarter, and one an eighth as high and wide."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.quarter = nn.Sequential(
            nn.Conv2d(3, channels // 2, 3, 2, 1, bias=False),
            nn.BatchNorm2d(channels // 2),
            ReLUConvNorm(channels // 2, channels, 3, 2),
        )
        self.eighth = ReLUConvNorm(channels, channels, 3, 2)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The larger, and the smaller."""
        x = self.quarter(x)
        return x, self.eighth(x)


class AuxiliaryHead(nn.Sequential):
    """Logits from the middle of the network, by which training is eased."""

    def __init__(self, channels: int, classes: int, stride: int) -> None:
        super().__init__(
            nn.ReLU(),
            nn.AvgPool2d(5, stride, count_include_pad=False),
            nn.Conv2d(channels, 128, 1, bias=False),
            nn.BatchNorm2d(128),
            nn.ReLU(),
            nn.Conv2d(128, 768, 2, bias=False),
            nn.BatchNorm2d(768),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(768, classes),
        )


# ---------------------------------------------------------------- architectures as they are published
def darts_arch(genotype: Mapping[str, Sequence[Any]]) -> dict[str, Option]:
    """The architecture of a genotype.

    Args:
        genotype: "normal" and "reduce" → two pairs of an operator and its source for each of the nodes 2 to 5, where 0
            and 1 are the inputs of the cell. Whatever else it has says which nodes a cell gives: all. A published
            named tuple is such a mapping by its `_asdict()`.

    Raises:
        ArchError: it is no architecture of the space.
    """
    nodes = range(2, 2 + NODES)
    for name, given in genotype.items():
        if name not in KINDS and [*given] != [*nodes]:
            raise ArchError(f"a cell of DARTS gives its nodes {[*nodes]}, but {name!r} of the genotype is {[*given]}")
    arch: dict[str, Option] = {}
    for kind in KINDS:
        pairs = [(operator, source) for operator, source in genotype.get(kind, ())]
        if len(pairs) != 2 * NODES:
            raise ArchError(f"{kind!r} has two edges for each of {NODES} nodes, but {len(pairs)} in the genotype")
        for node, edges in zip(nodes, zip(pairs[::2], pairs[1::2], strict=True), strict=True):
            arch |= _decided(kind, node, edges)
    return arch


def _decided(kind: str, node: int, edges: Sequence[tuple[str, int]]) -> dict[str, Option]:
    sources = tuple(sorted(source for _, source in edges))
    if sources not in [*itertools.combinations(range(node), 2)]:
        raise ArchError(f"node {node} of {kind!r} reads two of those before it, 0 to {node - 1}, but got {sources}")
    odd = [operator for operator, _ in edges if operator not in OPERATORS]
    if odd:
        raise ArchError(f"DARTS has no operator {odd[0]!r}; it has {', '.join(OPERATORS)}.{nearest(odd[0], OPERATORS)}")
    found: dict[str, Option] = {f"{kind}.edges.{node}_{source}": operator for operator, source in edges}
    return found if len(sources) == node else found | {f"{kind}.inputs.{node}": sources}


def darts_genotype(arch: Mapping[str, Option]) -> dict[str, list[tuple[str, int]]]:
    """The genotype of an architecture: what `darts_arch` takes, the two edges of a node in the order of their sources.

    Raises:
        ArchError: it leaves a node open.
    """
    return {kind: [edge for node in range(2, 2 + NODES) for edge in _edges(arch, kind, node)] for kind in KINDS}


def _edges(arch: Mapping[str, Option], kind: str, node: int) -> list[tuple[str, int]]:
    sources = (0, 1) if node == 2 else arch.get(f"{kind}.inputs.{node}")
    if not isinstance(sources, tuple):
        raise ArchError(f"the architecture does not decide '{kind}.inputs.{node}'")
    labels = {source: f"{kind}.edges.{node}_{source}" for source in sources}
    for label in labels.values():
        if arch.get(label) not in OPERATORS:
            raise ArchError(f"the architecture has no operator for {label!r}, but {arch.get(label)!r}")
    return [(str(arch[label]), source) for source, label in labels.items()]
