"""A network written for a search: every word, in words of its own, and two children.

`python -m examples.words`
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

import graphnas as gn
from graphnas.nn import Cell, InputChoice, LayerChoice, Repeat


def mixer(width: int) -> nn.Module:
    """A choice between two ways to look around, of which one has a depth of its own."""
    local = nn.Conv2d(width, width, 3, padding=1, groups=width)
    deep = Repeat([nn.Sequential(nn.Conv2d(width, width, 3, padding=1), nn.ReLU()) for _ in range(2)])
    return LayerChoice({"local": local, "deep": deep, "none": nn.Identity()})


class Net(nn.Module):
    """A stem of chosen width, mixers of chosen depth, a cell, and a head that chooses what it reads."""

    def __init__(self) -> None:
        super().__init__()
        width = gn.choice("width", (16, 8, 24))
        self.stem = nn.Conv2d(3, width, 3, padding=1)
        self.stage = Repeat(lambda number: mixer(width), depth=(1, 3))
        operators = {
            "conv": lambda edge: nn.Conv2d(width, width, 1),
            "pool": lambda edge: nn.AvgPool2d(3, 1, 1),
            "skip": lambda edge: nn.Identity(),
        }
        self.cell = Cell(operators, nodes=2, inputs=2, take=1, output="last")
        self.pick = InputChoice(["cell", "stage", "stem"], take=None, merge="mean")
        self.act = LayerChoice({"relu": nn.ReLU(), "gelu": nn.GELU()}, label="activation")
        self.drop = nn.Dropout(gn.choice("drop", (0.0, 0.2)))
        self.head = nn.Linear(width, 10)

    def forward(self, x: Tensor) -> Tensor:
        stem = self.act(self.stem(x))
        stage = self.stage(stem)
        x = self.pick(self.cell(stem, stage), stage, stem)
        return self.head(self.drop(self.act(x).mean((2, 3))))


def main() -> None:
    """Traces the network, and prints its decisions and two children."""
    torch.manual_seed(0)
    model, example = Net(), torch.zeros(2, 3, 16, 16)
    print("before any search:", tuple(model(example).shape))
    space = gn.trace(model, example)
    for label, choice in space.choices.items():
        print(f"  {label}: {', '.join(map(str, choice.options))}")
    print(f"{space.size():,} architectures\n")
    for seed in (0, 1):
        arch = gn.sample(space, seed)
        print(gn.emit(gn.specialize(space, arch), arch=arch))


if __name__ == "__main__":
    main()
