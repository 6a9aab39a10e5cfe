"""Models whose forwards are made up: they decide on sizes, data, the mode and what they are given, at every depth."""

from __future__ import annotations

import random
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Program: TypeAlias = tuple[Any, ...]
WIDTH = 4


class Block(nn.Module):
    """Runs a program."""

    def __init__(self, program: Program, layers: int) -> None:
        super().__init__()
        self.program = program
        self.layers = nn.ModuleList([nn.Linear(WIDTH, WIDTH) for _ in range(layers)])
        self.register_buffer("count", torch.zeros(1))
        inner = [step for step in steps(program) if step[0] == "module"]
        self.places = {id(step): place for place, step in enumerate(inner)}
        self.blocks = nn.ModuleList([Block(step[1], layers) for step in inner])

    def forward(self, x: Tensor, flag: Tensor, mask: Tensor | None = None, kept: list[Tensor] | None = None) -> Tensor:
        return self.run(self.program, x, flag, mask, [] if kept is None else list(kept))

    def run(self, program: Program, x: Tensor, flag: Tensor, mask: Tensor | None, kept: list[Tensor]) -> Tensor:
        """The value behind some steps."""
        for step in program:
            match step:
                case ("layer", place):
                    x = self.layers[place](x)
                case ("scale", factor):
                    x = x * factor
                case ("if", test, body, other):
                    x = self.run(body if self.holds(test, x, flag, mask) else other, x, flag, mask, kept)
                case ("loop", body):
                    for _ in range(x.shape[0]):
                        x = self.run(body, x, flag, mask, kept)
                case ("length",):
                    x = x / len(x)
                case ("dropout",):
                    x = F.dropout(x, 0.3, self.training)
                case ("noise",):
                    x = x + torch.rand_like(x)
                case ("count",):
                    self.count += 1
                case ("counted",):
                    x = x + self.count
                case ("write",):
                    x = x.clone()
                    x.mul_(0.5)
                case ("activation",):
                    x = F.relu(x + 0.1, inplace=True)
                case ("no_grad", body):
                    with torch.no_grad():
                        y = self.run(body, x, flag, mask, kept)
                    x = x + y
                case ("mask",):
                    x = x if mask is None else x * mask
                case ("keep",):
                    kept.append(x)
                case ("use",):
                    x = x + kept[-1] if kept else x
                case ("module", _):
                    x = self.blocks[self.places[id(step)]](x, flag, mask, kept)
        return x

    def holds(self, test: tuple[Any, ...], x: Tensor, flag: Tensor, mask: Tensor | None) -> bool:
        """A decision."""
        match test:
            case ("size", bound):
                return x.shape[0] > bound
            case ("batch", size):
                return x.shape[0] == size
            case ("all",):
                return bool(flag.all())
            case ("any",):
                return bool(flag.any())
            case ("sum", bound):
                return bool(x.sum() > bound)
            case ("item", bound):
                return x.detach().mean().item() > bound
            case ("given",):
                return mask is not None
        return self.training


def steps(program: Program) -> list[Any]:
    """The steps of a program, those of its branches among them, but for those of inner modules."""
    found = []
    for step in program:
        found.append(step)
        if step[0] != "module":
            for part in step[1:]:
                if isinstance(part, tuple) and (not part or isinstance(part[0], tuple)):
                    found += steps(part)
    return found


PLAIN = (
    *(("layer", 0), ("layer", 1), ("scale", 2.0), ("length",), ("dropout",), ("noise",), ("count",), ("counted",)),
    *(("write",), ("activation",), ("mask",), ("keep",), ("use",)),
)
TESTS = (
    *(("size", 2), ("size", 1), ("batch", 1), ("batch", 3), ("all",), ("any",), ("sum", 0.0), ("item", 0.0)),
    *(("given",), ("training",)),
)


def program(rng: random.Random, depth: int = 0) -> Program:
    """Some steps."""
    steps: list[Any] = []
    for _ in range(rng.randint(1, max(1, 4 - depth))):
        kind = rng.random()
        if kind < 0.5 or depth > 2:
            steps.append(rng.choice(PLAIN))
        elif kind < 0.8:
            steps.append(("if", rng.choice(TESTS), program(rng, depth + 1), program(rng, depth + 1)))
        elif kind < 0.87:
            steps.append(("loop", program(rng, depth + 2)))
        elif kind < 0.93:
            steps.append(("no_grad", program(rng, depth + 1)))
        elif depth < 2:
            steps.append(("module", program(rng, depth + 1)))
    return tuple(steps)


def given(rng: random.Random) -> tuple[tuple[Tensor, Tensor], dict[str, Tensor]]:
    """Arguments of a call."""
    batch = rng.randint(1, 4)
    generator = torch.Generator().manual_seed(rng.randrange(10**6))
    x = torch.randn(batch, WIDTH, generator=generator)
    flag = torch.rand(batch, generator=generator) < rng.choice((0.0, 0.5, 1.1))
    if rng.random() < 0.5:
        return (x, flag), {}
    return (x, flag), {"mask": torch.rand(batch, 1, generator=generator)}
