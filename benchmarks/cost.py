"""What it takes to know an architecture's multiply-adds, and how many architectures there are."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import torch

import graphnas as gn
from benchmarks.measuring import interleaved, spread
from benchmarks.report import Report
from graphnas.ir.graph import Graph
from graphnas.ir.verify import verify

ROUNDS = 15
ARCHS = 200
SPACES: dict[str, Callable[[], Graph]] = {
    "darts": lambda: gn.trace(gn.spaces.darts(search=True), torch.zeros(2, 3, 32, 32)),
    "proxyless": lambda: gn.trace(gn.spaces.proxyless(), torch.zeros(2, 3, 224, 224)),
}


def run() -> Report:
    """Times finding the costs of a space, evaluating them, and counting its architectures."""
    rows: list[dict[str, Any]] = []
    figures: dict[str, float] = {}
    bars: dict[str, float] = {}
    for name, build in SPACES.items():
        _space(name, build, rows, figures, bars)
    return Report(figures, bars, rows)


def _space(
    name: str, build: Callable[[], Graph], rows: list[dict[str, Any]], figures: dict[str, float], bars: dict[str, float]
) -> None:
    space = build()
    verify(space)
    costs = {"params": gn.cost.params(space), "macs": gn.cost.macs(space)}
    archs = itertools.cycle([gn.sample(space, seed) for seed in range(ARCHS)])
    works = {
        **{f"evaluate_{cost}": lambda cost=cost: costs[cost](next(archs)) for cost in costs},
        "size": space.size,
        "params": lambda: gn.cost.params(space),
        "macs": lambda: gn.cost.macs(space),
    }
    for work, function in works.items():
        is_quick = work.startswith("evaluate")
        times = interleaved({work: function}, ROUNDS, times=ARCHS if is_quick else 1)[work]
        found = spread([time * 1000 for time in times] if is_quick else times)
        unit = "us" if is_quick else "ms"
        figures[f"{name}.{work}_{unit}"] = found.median
        rows.append(found.row(f"{name}: {work}, CPU {unit}"))
    bars |= {f"{name}.evaluate_macs_us": 50.0, f"{name}.size_ms": 50.0}
