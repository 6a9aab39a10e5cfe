"""Published spaces beside what is published of them: parameters, multiply-adds, sizes; and the time that they take."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

import graphnas as gn
from benchmarks.measuring import interleaved, spread
from benchmarks.report import Report
from graphnas.ir.choice import Option
from graphnas.ir.graph import Graph
from tests.data import data_file, document, table

Row = dict[str, Any]

BUILT = 20  # of each table
ROUNDS = 15
SUPERNET = 1_930_618  # parameters of DARTS' supernet: quark0/darts f276dd3
# Table → its columns of names, parameters and multiply-adds, what reads a name, and what builds the network.
TABLES: dict[str, tuple[tuple[str, str, str], Callable[[str], dict[str, Option]], Callable[[], nn.Module]]] = {
    "nasbench201": (("arch_str", "params_c10", "macs_c10"), gn.spaces.nasbench201_arch, gn.spaces.nasbench201),
    "nasbench_macro": (("arch", "params", "flops"), gn.spaces.nasbench_macro_arch, gn.spaces.nasbench_macro),
}
FILES = {"nasbench201": "nb201_accuracy.csv.gz", "nasbench_macro": "nasbench_macro.csv.gz"}
# Cells and channels of the networks whose times are taken, with the most CPU seconds that each work should take.
TIMED = {"darts_8": (8, 16), "darts_20": (20, 36)}
BARS = {"trace": 20.0, "specialize": 0.5, "emit_child": 4.0, "emit_supernet": 10.0}
PROXYLESS_SIZE_MS = 50.0
TABLE_SECONDS = 60.0


def run() -> Report:
    """Counts what is published, by expressions of the spaces and of children that are built, and takes times.

    A figure that ends in `off` is the difference from what is published, in the digits that are; `wrong` is how many
    networks of a table differ from it.
    """
    figures: dict[str, float] = {}
    bars: dict[str, float] = {}
    rows: list[Row] = []
    absent: list[str] = []
    for name, expected, found in _counts(absent):
        figures[f"{name}.off"] = abs(found - expected)
        bars[f"{name}.off"] = 0.0
        rows.append({"what": name, "expected": expected, "found": found})
    for name in TABLES:
        path = _present(FILES[name], absent)
        if path is not None:
            row = _table(name, path)
            rows.append(row)
            figures |= {f"{name}.{figure}": row[figure] for figure in ("wrong", "wrong_built", "seconds")}
            bars |= {f"{name}.wrong": 0.0, f"{name}.wrong_built": 0.0, f"{name}.seconds": TABLE_SECONDS}
    for name, (cells, channels) in TIMED.items():
        seconds = _times(cells, channels)
        rows.append({"network": name, **{f"{work}, CPU s": value for work, value in seconds.items()}})
        figures |= {f"{name}.{work}_s": value for work, value in seconds.items()}
        bars |= {f"{name}.{work}_s": BARS[work] for work in seconds}
    space = _traced(gn.spaces.proxyless(), 64)
    figures["proxyless.size_ms"] = spread(interleaved({"size": space.size}, ROUNDS)["size"]).median
    bars["proxyless.size_ms"] = PROXYLESS_SIZE_MS
    return Report(figures, bars, rows, absent)


def _traced(network: nn.Module, size: int = 32) -> Graph:
    return gn.trace(network, torch.zeros(2, 3, size, size))


def _parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def _built(space: Graph, arch: Mapping[str, Option]) -> nn.Module:
    return gn.build(gn.specialize(space, arch))


def _present(name: str, absent: list[str]) -> Path | None:
    path = data_file(name)
    if path.exists():
        return path
    absent.append(f"{name} is in no folder that GRAPHNAS_DATA names")
    return None


# ---------------------------------------------------------------- single figures
def _counts(absent: list[str]) -> Iterator[tuple[str, float, float]]:
    """What is counted, what is published of it or follows by hand, and what we find."""
    yield "darts_supernet.params", SUPERNET, _parameters(gn.spaces.darts(8, 16, search=True))
    small = gn.spaces.darts(3, 2)
    yield "darts.size", (180 * 8**8) ** 2, _traced(small, 8).size()  # 180 = 1 · 3 · 6 · 10 pairs of sources
    yield "proxyless.size", 6**6 * 7**15, _traced(gn.spaces.proxyless(), 64).size()
    path = _present("architectures.json", absent)
    if path is not None:
        known = document(path)
        yield from _darts(known["darts_genotypes"])
        yield from _spos(known["spos"])


def _darts(published: Mapping[str, Any]) -> Iterator[tuple[str, float, float]]:
    space = _traced(gn.spaces.darts(20, 36), 8)
    for name, parameters in published["children_cifar10_params_without_auxiliary_head"].items():
        arch = gn.spaces.darts_arch(published[name])
        yield f"{name.lower()}.params", parameters, _parameters(_built(space, arch))


def _spos(published: Mapping[str, Any]) -> Iterator[tuple[str, float, float]]:
    space = _traced(gn.spaces.spos(), 224)
    released = gn.spaces.spos_arch(published["released"])
    macs = gn.cost.macs(space)
    yield "spos_released.params_M", published["params_M"], round(_parameters(_built(space, released)) / 1e6, 2)
    yield "spos_released.macs_M", published["multiply_adds_M"], round(macs(released) / 1e6, 1)
    for number, expected in enumerate(published["all_0_to_3_multiply_adds_M"]):
        yield f"spos_all_{number}.macs_M", expected, round(macs(gn.spaces.spos_arch([number] * 20)) / 1e6, 1)


# ---------------------------------------------------------------- tables
def _table(name: str, path: Path) -> Row:
    """How many networks of a table cost something else by the space's expressions, and how many by being built."""
    (key, params, macs), read, make = TABLES[name]
    known = table(path)
    start = time.perf_counter()
    space = _traced(make())
    parameters, multiply_adds = gn.cost.params(space), gn.cost.macs(space)
    archs = [read(row[key]) for row in known]
    costs = [(parameters(arch), multiply_adds(arch)) for arch in archs]
    seconds = time.perf_counter() - start
    expected = [(int(row[params]), int(row[macs])) for row in known]
    built = random.Random(0).sample(range(len(known)), BUILT)
    children = {place: gn.specialize(space, archs[place]) for place in built}
    counted = {place: (_parameters(gn.build(child)), gn.cost.macs(child)({})) for place, child in children.items()}
    return {
        "table": path.name,
        "networks": len(known),
        "wrong": sum(cost != other for cost, other in zip(costs, expected, strict=True)),
        "built": len(built),
        "wrong_built": sum(counted[place] != expected[place] for place in built),
        "seconds": seconds,
    }


# ---------------------------------------------------------------- times
def _seconds(work: Callable[[], Any]) -> tuple[float, Any]:
    """CPU seconds of one run, and its result."""
    start = time.process_time()
    result = work()
    return time.process_time() - start, result


def _times(cells: int, channels: int) -> dict[str, float]:
    network = gn.spaces.darts(cells, channels)
    found: dict[str, float] = {}
    found["trace"], space = _seconds(lambda: _traced(network))
    arch = gn.sample(space, 0)
    found["specialize"], child = _seconds(lambda: gn.specialize(space, arch))
    found["emit_child"], _ = _seconds(lambda: gn.emit(child))
    found["emit_supernet"], _ = _seconds(lambda: gn.emit(space))
    return found
