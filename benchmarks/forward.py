"""What a child's forward costs beside the original's: batch 1, 32 pixels, the same weights."""

from __future__ import annotations

from typing import Any

import torch
from torch.utils import _pytree as pytree

import graphnas as gn
from benchmarks.measuring import balanced, interleaved, ratios, spread
from benchmarks.networks import NETWORKS, Network
from benchmarks.report import Report

ROUNDS = 120
TIMES = 5


def run() -> Report:
    """Times both in turns, checks that they compute the same, and gives the ratio with its 95 % interval."""
    rows: list[dict[str, Any]] = []
    figures: dict[str, float] = {}
    bars: dict[str, float] = {}
    for name, network in NETWORKS.items():
        times, equal = _times(network)
        found = spread(ratios(balanced(times["child"]), balanced(times["original"])))
        rows += [spread(samples).row(f"{name}: {work}, CPU ms") for work, samples in times.items()]
        rows.append(found.row(f"{name}: child per original"))
        figures |= {f"{name}.ratio": found.median, f"{name}.ratio_high_95": found.upper_bound}
        figures[f"{name}.differs"] = float(not equal)
        bars |= {f"{name}.ratio": 1.01, f"{name}.ratio_high_95": 1.03, f"{name}.differs": 0.0}
    return Report(figures, bars, rows)


def _times(network: Network) -> tuple[dict[str, list[float]], bool]:
    """CPU milliseconds of both in every round, and whether they compute the same."""
    model, example = network.build(), network.example(1)
    child = gn.build(gn.trace(model, network.example(2)), weights=model.state_dict()).eval()
    works = {"original": lambda: model(example), "child": lambda: child(example)}
    with torch.no_grad():
        pairs = zip(pytree.tree_leaves(model(example)), pytree.tree_leaves(child(example)), strict=True)
        return interleaved(works, ROUNDS, TIMES, warm=10), all(torch.equal(*pair) for pair in pairs)
