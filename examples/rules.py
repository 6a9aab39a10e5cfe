"""A search space over a network that knows nothing of it: every rule, what it takes, and a child.

`python -m examples.rules`
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

import graphnas as gn


class Block(nn.Module):
    """Two convolutions and a shortcut (He et al. 2015)."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU()
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.shortcut = nn.Identity() if inputs == outputs else nn.Conv2d(inputs, outputs, 1, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        y = self.relu(self.bn1(self.conv1(x)))
        return self.relu(self.bn2(self.conv2(y)) + self.shortcut(x))


class Net(nn.Module):
    """A stem, two stages of three blocks, and a classifier."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 3, padding=1)
        self.layer1 = nn.Sequential(Block(16, 16), Block(16, 16), Block(16, 16))
        self.layer2 = nn.Sequential(Block(16, 32, 2), Block(32, 32), Block(32, 32))
        self.head = nn.Linear(32, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.layer2(self.layer1(self.stem(x))).mean((2, 3)))


conv, norm = gn.op(nn.Conv2d, kernel_size=3), gn.op(nn.BatchNorm2d)
inner = gn.where("layer*") & gn.kind(nn.Conv2d, kernel_size=3, stride=1)

RULES = (
    gn.Value("stem", "kernel_size", (5, 7), also={"padding": lambda kernel: kernel // 2}),
    gn.Swap(inner - gn.where("layer2.*"), {"separable": gn.library.separable(kernel_size=5)}, label="{node}.kind"),
    gn.Pattern(lambda x: norm(conv(x)), {"average": gn.library.average_pool()}, where="layer2.[12].conv2*"),
    gn.Swap("*.relu", gn.library.activations("silu", "hardswish"), label="activation"),
    gn.Depth("layer[12]"),
    gn.Inputs("layer2.2", "layer2.0", take=None),
    gn.Skip("layer1.0.conv2"),
    gn.Constraint(lambda choice: choice["activation"].equals("hardswish").implies(choice["layer1.depth"] <= 2)),
)


def main() -> None:
    """Explains every rule, and prints what the space has and one of its children."""
    space = gn.trace(Net(), torch.zeros(2, 3, 32, 32))
    for rule in RULES:
        print(rule.explain(space), end="\n\n")  # type: ignore[attr-defined]
        space = gn.mutate(space, rule)
    macs, params = gn.cost.macs(space), gn.cost.params(space)
    arch = gn.sample(gn.mutate(space, gn.Constraint(macs <= 9_000_000)), seed=3)
    print(f"{len(space.choices)} decisions; one child: {macs(arch):,} multiply-adds, {params(arch):,} parameters\n")
    print(gn.emit(gn.specialize(space, arch), arch=arch))


if __name__ == "__main__":
    main()
