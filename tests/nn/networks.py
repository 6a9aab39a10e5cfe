"""Networks written with words, for the tests of words and the laws that they keep."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

import graphnas as gn
from graphnas.nn import Cell, InputChoice, LayerChoice, Repeat


class Conv(nn.Sequential):
    """A convolution that keeps the size, normalized."""

    def __init__(self, channels: int, kernel: int) -> None:
        super().__init__(
            nn.Conv2d(channels, channels, kernel, padding=kernel // 2, bias=False), nn.BatchNorm2d(channels)
        )


class Words(nn.Module):
    """One word of each kind after the other."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, padding=1)
        self.act = LayerChoice({"relu": nn.ReLU(inplace=True), "gelu": nn.GELU(), "conv": Conv(4, 3)})
        self.stage = Repeat(lambda number: nn.Sequential(Conv(4, 1), nn.ReLU()), depth=(0, 2))
        self.pick = InputChoice(["stage", "act"], take=None, merge="mean", label="picked")

    def forward(self, x: Tensor) -> Tensor:
        act = self.act(self.stem(x))
        return self.pick(self.stage(act), act)


class Nested(nn.Module):
    """Words in words: a repeat of choices of repeats, labels shared, a module called twice."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 1)
        self.blocks = Repeat([self._block(number) for number in range(2)], depth=(1, 2), label="depth")
        self.shared = LayerChoice([Conv(4, 1), nn.Dropout(0.5)])

    @staticmethod
    def _block(number: int) -> nn.Module:
        inner = Repeat([Conv(4, 1), nn.Tanh()], label="inner")
        return LayerChoice({"conv": Conv(4, 3), "deep": inner, "skip": nn.Identity()}, label=f"block.{number}")

    def forward(self, x: Tensor) -> Tensor:
        x = self.blocks(self.stem(x))
        return self.shared(torch.relu(self.shared(x)))


def _operators(channels: int) -> dict[str, Callable[..., nn.Module]]:
    return {
        "conv": lambda edge: Conv(channels, 3),
        "skip": lambda edge: nn.Identity(),
        "pool": lambda edge: nn.AvgPool2d(3, 1, 1),
    }


class Cells(nn.Module):
    """Two cells of one label, and what joins them."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind
        self.first, self.second = self._cell(), self._cell()
        self.between = nn.Conv2d(12 if kind == "edges" else 4, 4, 1)
        self.stem = nn.Conv2d(3, 4, 1)

    def _cell(self) -> Cell:
        match self.kind:
            case "edges":
                return Cell(_operators(4), 3, take=2, label="cell")
            case "all":
                return Cell(_operators(4), 3, inputs=1, output="last", merge="mean", label="cell")
        return Cell(
            _operators(4), 2, branches=2, output="loose", label="cell",
            project=lambda node: nn.Conv2d(4, 4, 1, bias=False),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        if self.kind == "all":
            return self.second(self.between(self.first(x)))
        between = self.between(self.first(x, x))
        return self.second([x, between])


class Widths(nn.Module):
    """Numbers that are chosen, and expressions of them, in constructors and in forward."""

    def __init__(self) -> None:
        super().__init__()
        width, ratio = gn.choice("width", (8, 4, 16)), gn.choice("ratio", (2, 1))
        kernel = gn.choice("kernel", (3, 5, 1))
        self.groups = gn.choice("groups", (2, 4))
        self.stem = nn.Conv2d(3, width, kernel, padding=kernel // 2)
        self.norm = nn.BatchNorm2d(width)
        self.wide = nn.Conv2d(width, width * ratio, 1)
        self.pool = nn.MaxPool2d(gn.choice("pool", (1, 2)))
        self.narrow = nn.Linear(ratio * width, 8)
        self.drop = nn.Dropout(gn.choice("drop", (0.1, 0.5)))

    def forward(self, x: Tensor) -> Tensor:
        x = self.wide(self.norm(self.stem(x)).relu())
        x = self.pool(x).mean((2, 3))
        return self.drop(self.narrow(x)).view(x.shape[0], self.groups, 8 // self.groups).sum(1).mean(1)


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "words": Words,
    "nested": Nested,
    "cells of edges": lambda: Cells("edges"),
    "cells of all edges": lambda: Cells("all"),
    "cells of branches": lambda: Cells("branches"),
    "widths": Widths,
}


def image(batch: int = 2) -> Tensor:
    """An input of theirs."""
    return torch.randn(batch, 3, 8, 8, generator=torch.Generator().manual_seed(batch))
