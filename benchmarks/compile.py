"""What it costs to trace a network, to write a child, and to ask a strategy."""

from __future__ import annotations

import itertools
import random
import warnings
from typing import Any

import torch
from torch import fx, nn

import graphnas as gn
from benchmarks.measuring import Work, cpu_ms, interleaved, ratios, spread
from benchmarks.networks import NETWORKS
from benchmarks.report import Report
from graphnas.ir.graph import Graph
from graphnas.trials.data import key_of

ROUNDS = 15
TRACED = ("resnet18", "resnet50", "mobilenet_v3_small", "vit_b_16", "vit_small", "gpt", "bert")
LIKE_FX = ("mobilenet_v3_small", "vit_b_16", "vit_small")
ALLOWANCE_MS = 30.0  # a trace may cost two forwards and this
CHILDREN = 60
ASKS = 300
STRATEGIES = {"random": gn.Random, "evolution": gn.RegularizedEvolution}


def run() -> Report:
    """Times tracing against a forward, fx and export; writing children; asking strategies."""
    rows: list[dict[str, Any]] = []
    figures: dict[str, float] = {}
    bars: dict[str, float] = {}
    absent: list[str] = []
    for name in TRACED:
        _trace(name, rows, figures, bars, absent)
    space = NETWORKS["mobilenet_v3_small"].activation_space()
    figures["mobilenet_v3_small.choices"] = len(space.choices)
    _whole("vit_b_16", rows, figures, bars)
    _children(space, rows, figures, bars)
    _strategies(space, rows, figures, bars)
    return Report(figures, bars, rows, absent)


def _trace(
    name: str, rows: list[dict[str, Any]], figures: dict[str, float], bars: dict[str, float], absent: list[str]
) -> None:
    model, example = NETWORKS[name].build(), NETWORKS[name].example(1)
    works: dict[str, Work] = {
        "forward": lambda: model(example),
        "trace": lambda: gn.trace(model, example),
        "symbolic_trace": lambda: fx.symbolic_trace(model),
        "export": lambda: _exported(model, example),
    }
    for peer in ("symbolic_trace", "export"):
        try:
            works[peer]()
        except Exception as error:  # whatever keeps a peer from working is reported
            del works[peer]
            absent.append(f"{name}: {peer} fails with {type(error).__name__}")
    with torch.no_grad():
        times = interleaved(works, ROUNDS)
    rows += [spread(found).row(f"{name}: {work}, CPU ms") for work, found in times.items()]
    excess = [trace - 2 * forward for trace, forward in zip(times["trace"], times["forward"], strict=True)]
    compared: dict[str, tuple[list[float], float | None]] = {
        f"{name}.trace_less_two_forwards_ms": (excess, ALLOWANCE_MS)
    }
    if "symbolic_trace" in times:
        bar = 2.0 if name in LIKE_FX else None
        compared[f"{name}.trace_per_symbolic_trace"] = (ratios(times["trace"], times["symbolic_trace"]), bar)
    if "export" in times:
        compared[f"{name}.trace_per_export"] = (ratios(times["trace"], times["export"]), 0.1)
    for figure, (samples, bar) in compared.items():
        found = spread(samples)
        figures[figure] = found.median
        rows.append(found.row(figure))
        if bar is not None:
            bars[figure] = bar


def _exported(model: nn.Module, example: torch.Tensor) -> object:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.export.export(model, (example,))


def _whole(name: str, rows: list[dict[str, Any]], figures: dict[str, float], bars: dict[str, float]) -> None:
    """A graph that has not been written before: nothing of its text is known."""
    model, example = NETWORKS[name].build(), NETWORKS[name].example(1)
    waiting = [gn.trace(model, example) for _ in range(ROUNDS + 3)]
    found = spread(interleaved({"emit": lambda: gn.emit(waiting.pop())}, ROUNDS, warm=3)["emit"])
    figures[f"{name}.emit_ms"] = found.median
    bars[f"{name}.emit_ms"] = 15.0
    rows.append(found.row(f"{name}: emit, CPU ms"))


def _children(space: Graph, rows: list[dict[str, Any]], figures: dict[str, float], bars: dict[str, float]) -> None:
    """A search writes one child after another, none of them twice."""
    seeds = itertools.count()

    def child() -> object:
        return gn.emit(gn.specialize(space, archs[next(seeds)]))

    warm = 20
    archs = [gn.sample(space, seed) for seed in range(CHILDREN + warm)]
    times = interleaved({"child": child}, CHILDREN, warm=warm)["child"]
    found = spread(times)
    figures["mobilenet_v3_small.specialize_and_emit_ms"] = found.median
    bars["mobilenet_v3_small.specialize_and_emit_ms"] = 10.0
    rows.append(found.row("mobilenet_v3_small: specialize and emit, CPU ms"))


def _strategies(space: Graph, rows: list[dict[str, Any]], figures: dict[str, float], bars: dict[str, float]) -> None:
    for name, kind in STRATEGIES.items():
        strategy = kind()
        strategy.start(space, {"score": "maximize"}, seed=0)
        rng = random.Random(0)
        asked: list[Any] = []

        def ask(strategy: gn.Strategy = strategy, asked: list[Any] = asked) -> None:
            arch = strategy.ask()
            asked.append(arch)
            key_of(gn.canonical(space, arch or {}), {})

        times = []
        for _ in range(ASKS):
            times.append(cpu_ms(ask))
            strategy.tell(asked[-1], {"score": rng.random()})
        found = spread(times)
        figures[f"{name}.ask_ms"] = found.median
        bars[f"{name}.ask_ms"] = 0.5
        rows.append(found.row(f"{name}: ask, canonical and key, CPU ms, {ASKS} trials"))
