"""How near a child built without weights starts to its original, in standard errors; the lines of its file."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

import graphnas as gn
from benchmarks.networks import NETWORKS
from benchmarks.report import Report
from graphnas.ir.graph import Graph

SEEDS = 20
NAMES = ("resnet50", "mobilenet_v3_small", "vit_b_16", "gpt")
BAR = 5.0  # hundreds of tensors, two figures each: by chance about one in a thousand runs comes so far


@dataclass
class Moments:
    """Sums of powers of all values that a tensor has had."""

    count: int = 0
    sums: tuple[float, ...] = (0.0, 0.0, 0.0, 0.0)

    def add(self, tensor: Tensor) -> None:
        """Enters the values of a tensor."""
        values = tensor.detach().double()
        powers = (values, values**2, values**3, values**4)
        self.count += tensor.numel()
        self.sums = tuple(total + power.sum().item() for total, power in zip(self.sums, powers))

    @property
    def mean(self) -> float:
        """The mean of all values."""
        return self.sums[0] / self.count

    @property
    def variance(self) -> float:
        """Their variance; 0 where rounding would make it less."""
        return max(self.sums[1] / self.count - self.mean**2, 0.0)

    @property
    def errors(self) -> tuple[float, float]:
        """The variances of the mean and of the variance, as estimates."""
        first, second, third, fourth = (total / self.count for total in self.sums)
        central = fourth - 4 * first * third + 6 * first**2 * second - 3 * first**4
        return self.variance / self.count, max(central - self.variance**2, 0.0) / self.count


def moments(models: Iterable[nn.Module]) -> dict[str, Moments]:
    """What the parameters and buffers of models that are built alike start with."""
    found: dict[str, Moments] = {}
    for model in models:
        for name, tensor in model.state_dict().items():
            if tensor.is_floating_point():
                found.setdefault(name, Moments()).add(tensor)
    return found


def deviation(first: Moments, second: Moments) -> float:
    """By how many standard errors means or variances differ, whichever differ more."""
    pairs = ((first.mean, second.mean), (first.variance, second.variance))
    found = []
    for (one, other), error, other_error in zip(pairs, first.errors, second.errors):
        spread = math.sqrt(error + other_error)
        same = math.isclose(one, other, rel_tol=1e-6, abs_tol=1e-12)
        found.append(0.0 if same else abs(one - other) / spread if spread else math.inf)
    return max(found)


def seeded(build: Callable[[], nn.Module], seeds: Iterable[int]) -> Iterable[nn.Module]:
    """A network for each seed."""
    for seed in seeds:
        torch.manual_seed(seed)
        yield build()


def recorded(factory: Callable[[], nn.Module], example: Tensor) -> Graph:
    """The graph of a network whose building was recorded."""
    with gn.recording():
        model = factory()
    return gn.trace(model, example)


def compared(factory: Callable[[], nn.Module], example: Tensor, seeds: int = SEEDS) -> dict[str, float]:
    """Tensor → the deviation between originals and children built without weights, each from its own seeds."""
    graph = recorded(factory, example)
    originals = moments(seeded(factory, range(seeds)))
    children = moments(seeded(lambda: gn.build(graph), range(seeds, 2 * seeds)))
    assert originals.keys() == children.keys()
    return {name: deviation(originals[name], children[name]) for name in originals}


def run(names: Iterable[str] = NAMES, seeds: int = SEEDS) -> Report:
    """Builds originals and children from many seeds, and compares means and variances of every tensor."""
    rows: list[dict[str, Any]] = []
    figures: dict[str, float] = {}
    bars: dict[str, float] = {}
    for name in names:
        network = NETWORKS[name]
        found = compared(network.factory, network.example(2), seeds)
        worst = max(found, key=lambda tensor: found[tensor])
        figures[f"{name}.worst_deviation"] = found[worst]
        bars[f"{name}.worst_deviation"] = BAR
        figures[f"{name}.lines"] = len(gn.emit(recorded(network.factory, network.example(2))).splitlines())
        rows.append({"network": name, "tensors": len(found), "seeds": seeds, "worst": worst, "deviation": found[worst]})
    return Report(figures, bars, rows)
