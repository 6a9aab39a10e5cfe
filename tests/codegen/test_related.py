"""Blocks drawn at random that are alike but for some steps: whatever classes they get, each does what it did."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any, TypeAlias

import pytest
import torch
from torch import Tensor, nn

from tests.codegen.test_joined import joined
from tests.codegen.test_optional import Net

Steps: TypeAlias = list[tuple[Any, ...]]


class Drawn(nn.Module):
    """Runs steps on two values; a step ("if", test, yes, no, bound) runs one list of steps or the other."""

    def __init__(self, steps: Steps) -> None:
        super().__init__()
        self.steps = steps
        for name in sorted({*_layers(steps)}):
            setattr(self, name, nn.Linear(8, 8))

    def run(self, steps: Steps, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Both values behind the steps."""
        for kind, *rest in steps:
            match kind:
                case "layer":
                    x = torch.tanh(getattr(self, rest[0])(x))
                case "swap":
                    x, y = y, x
                case "add":
                    x = x + y
                case "add in place":
                    x = x.clone()
                    x += y
                case "multiply":
                    x = x * rest[0]
                case "no grad":
                    with torch.no_grad():
                        y = y * 2
                case "if":
                    test, yes, no, bound = rest
                    x, y = self.run(yes if self.decides(test, bound, x) else no, x, y)
        return x, y

    def decides(self, test: str, bound: float, x: Tensor) -> bool:
        """By the mode, the data or a size."""
        if test == "mode":
            return self.training
        return bool(x.abs().max() > bound) if test == "data" else x.shape[0] > bound

    def forward(self, x: Tensor) -> Tensor:
        """The sum of both values."""
        x, y = self.run(self.steps, x, x)
        return x + y


def _layers(steps: Steps) -> Iterator[str]:
    for kind, *rest in steps:
        if kind == "layer":
            yield rest[0]
        elif kind == "if":
            yield from _layers(rest[1])
            yield from _layers(rest[2])


def _drawn(rng: random.Random, depth: int, tests: list[str]) -> Steps:
    steps: Steps = []
    for _ in range(rng.randint(1, 4)):
        draw = rng.random()
        if draw < 0.45:
            steps.append(("layer", rng.choice("abcd")))
        elif draw < 0.55:
            steps.append(("swap",))
        elif draw < 0.65:
            steps.append(("add",))
        elif draw < 0.7:
            steps.append(("add in place",))
        elif draw < 0.78:
            steps.append(("multiply", rng.choice([2, 3])))
        elif draw < 0.81:
            steps.append(("no grad",))
        elif depth:
            test, yes, no = rng.choice(tests), _drawn(rng, depth - 1, tests), _drawn(rng, depth - 1, tests)
            steps.append(("if", test, yes, no if rng.random() < 0.7 else [], rng.choice([0.9, 3])))
    return steps


def _related(rng: random.Random, steps: Steps) -> Steps:
    """The steps with some more or less."""
    steps = list(steps)
    for _ in range(rng.randint(0, 2)):
        draw, place = rng.random(), rng.randint(0, len(steps))
        ifs = [number for number, step in enumerate(steps) if step[0] == "if"]
        if ifs and draw < 0.5:
            number, arm = rng.choice(ifs), rng.choice([2, 3])
            step = list(steps[number])
            step[arm] = _related(rng, step[arm])
            steps[number] = tuple(step)
        elif draw < 0.75:
            steps.insert(place, ("layer", rng.choice("efg")))
        elif steps:
            del steps[rng.randrange(len(steps))]
    return steps


# Of these, a value of one mode was given a second name in both, and a conditional stood inside of another.
TOLD: list[list[Steps]] = [
    [
        [("no grad",), ("if", "mode", [("layer", "c"), ("swap",)], [], 3), *first, ("if", "mode", last, [], 3)]
        for first, last in (
            ([("layer", "a")], [("swap",)]),
            ([("layer", "a")], [("layer", "f"), ("swap",)]),
            ([], [("swap",)]),
        )
    ],
    [
        [("if", "mode", [("layer", "c")], no, 3), ("layer", "a"), ("multiply", 2), ("no grad",)]
        for no in ([], [("layer", "g"), ("layer", "e")])
    ],
]


@pytest.mark.parametrize("kinds", TOLD, ids=["second name", "conditional"])
def test_blocks_that_went_wrong(kinds: list[Steps]) -> None:
    joined(lambda: Net(*map(Drawn, kinds)))


@pytest.mark.parametrize("seed", range(16))
def test_related_blocks(seed: int) -> None:
    rng = random.Random(seed)
    tests = rng.choice([["mode"], ["data"], ["size"], ["mode", "data"], ["mode", "size", "data"]])
    first = _drawn(rng, 2, tests)
    kinds = [first, *(_related(rng, first) for _ in range(rng.randint(1, 4)))]
    joined(lambda: Net(*map(Drawn, kinds)))
