"""Sizes and costs of published spaces, against arithmetic by hand and published figures."""

from __future__ import annotations

import csv
import gzip
import json
import math
import os
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import graphnas as gn
from graphnas.errors import ConstraintError, GraphError
from graphnas.ir.counting import Estimate
from graphnas.ir.graph import Graph
from graphnas.ir.storing import from_json, to_json
from graphnas.ir.verify import verify
from tests.published.spaces import darts, nasbench201, nasbench_macro, proxyless

DATA = Path(os.environ.get("GRAPHNAS_DATA", Path(__file__).parents[2] / "data"))


def _rows(name: str) -> Iterator[dict[str, str]]:
    if not (DATA / name).exists():
        pytest.skip(f"{name} is not in {DATA}; GRAPHNAS_DATA names another directory")
    with gzip.open(DATA / name, "rt", encoding="utf-8") as file:
        yield from csv.DictReader(file)


# Of every stage: the incoming channels, the width, how many blocks, the stride and the size of its result.
STAGES = ((16, 24, 4, 2, 56), (24, 40, 4, 2, 28), (40, 80, 4, 2, 14), (80, 96, 4, 1, 14), (96, 192, 4, 2, 7))
STAGES += ((192, 320, 1, 1, 7),)


def test_proxyless_costs_what_arithmetic_says() -> None:
    space = proxyless()
    cost = gn.cost.macs(space)
    arch = {label: "k5_e3" for label in space.choices}
    expected = 3 * 32 * 9 * 112**2 + 32 * 9 * 112**2 + 32 * 16 * 112**2 + 320 * 1280 * 7**2 + 1280 * 1000
    for incoming, width, blocks, stride, size in STAGES:
        for number in range(blocks):
            given, larger = (incoming, size * stride) if number == 0 else (width, size)
            expected += 3 * given * (given * larger**2 + 25 * size**2 + width * size**2)
    assert cost(arch) == expected


def test_proxyless_has_as_many_architectures_as_arithmetic_says() -> None:
    # Six sizes of 21 blocks, and none in those of equal width and stride 1: all but the first of each stage.
    assert proxyless().size() == 6**6 * 7**15


def test_darts_has_as_many_architectures_as_arithmetic_says() -> None:
    space = darts(cells=8, channels=4, size=8)
    verify(space)
    start = time.process_time()
    size = space.size()
    assert time.process_time() - start < 0.5  # the benchmark `cost` has the bar of 50 ms
    assert size == math.prod(math.comb(2 + node, 2) * 8**2 for node in range(4)) ** 2


GENOTYPES = {
    "DARTS_V1": (3_169_414, "s1 s0 k0 s1 k0 s1 s0 k2", "m0 m1 k2 m0 m0 k2 k2 a0"),
    "DARTS_V2": (3_349_342, "s0 s1 s0 s1 s1 k0 k0 d2", "m0 m1 k2 m1 m0 k2 k2 m1"),
}
OPERATORS = {
    "s": "sep_conv_3x3",
    "k": "skip_connect",
    "d": "dil_conv_3x3",
    "m": "max_pool_3x3",
    "a": "avg_pool_3x3",
}


def _arch(normal: str, reduce: str) -> dict[str, Any]:
    arch: dict[str, Any] = {}
    for kind, edges in (("normal", normal.split()), ("reduce", reduce.split())):
        for node in range(4):
            pair = edges[2 * node : 2 * node + 2]
            arch[f"{kind}.{node + 2}.edges"] = tuple(sorted(source for _, source in pair))
            arch |= {f"{kind}.{node + 2}.{source}": OPERATORS[operator] for operator, source in pair}
    return arch


def test_darts_children_have_the_published_numbers_of_parameters() -> None:
    space = darts(cells=20, channels=36)
    cost = gn.cost.params(space)
    for params, *cells in GENOTYPES.values():
        assert cost(gn.canonical(space, _arch(*cells))) == params


def test_every_cell_of_nasbench201_costs_what_the_table_says() -> None:
    space = nasbench201()
    params, macs = gn.cost.params(space), gn.cost.macs(space)
    wrong = []
    for row in _rows("nb201_accuracy.csv.gz"):
        edges = [node.strip("|").split("|") for node in row["arch_str"].split("+")]
        arch = {
            f"{node}_{source}": operator
            for node, arms in enumerate(edges, 1)
            for operator, source in (arm.split("~") for arm in arms)
        }
        if (params(arch), macs(arch)) != (int(row["params_c10"]), int(row["macs_c10"])):
            wrong.append(row["arch_str"])
    assert not wrong


def test_every_network_of_nasbench_macro_costs_what_the_table_says() -> None:
    space = nasbench_macro()
    params, macs = gn.cost.params(space), gn.cost.macs(space)
    rows = list(_rows("nasbench_macro.csv.gz"))
    archs = [{f"layers.{place}": option for place, option in enumerate(row["arch"])} for row in rows]
    assert [params(arch) for arch in archs] == [int(row["params"]) for row in rows]
    assert [macs(arch) for arch in archs] == [int(row["flops"]) for row in rows]


# ---------------------------------------------------------------- budgets
@pytest.fixture(scope="module")
def bounded() -> Graph:
    """ProxylessNAS within 300 million multiply-adds."""
    space = proxyless()
    return replace(space, constraints=(gn.cost.macs(space) <= 300e6,))


def test_a_budget_is_a_valid_constraint(bounded: Graph) -> None:
    verify(bounded)
    assert from_json(to_json(bounded)) == bounded
    cost = gn.cost.macs(replace(bounded, constraints=()))
    assert all(cost(gn.sample(bounded, seed)) <= 300e6 for seed in range(20))


def test_a_broken_budget_says_what_was_compared(bounded: Graph) -> None:
    arch = {label: "k7_e6" for label in bounded.choices}
    cost = gn.cost.macs(replace(bounded, constraints=()))(arch)
    with pytest.raises(ConstraintError, match=rf"{cost} <= 300000000") as error:
        gn.specialize(bounded, arch)
    assert len(str(error.value)) < 2000


def test_the_size_within_a_budget_is_only_estimated(bounded: Graph) -> None:
    with pytest.raises(GraphError, match=r"size\(estimate=True\)"):
        bounded.size()
    found = bounded.size(estimate=True)
    assert isinstance(found, Estimate)
    assert 0 < found.value < proxyless().size()


def test_an_estimated_size_covers_the_one_that_is_listed() -> None:
    space = nasbench_macro()
    cost = gn.cost.macs(space)
    within = replace(space, constraints=(cost <= 60e6,))
    true = sum(cost(arch) <= 60e6 for arch in gn.enumerate_archs(space))
    found = within.size(estimate=True)
    assert 0 < true < 6561
    assert within.size() == true
    assert abs(found.value - true) < 3 * found.standard_error


def test_published_genotypes_are_those_of_the_data() -> None:
    path = DATA / "architectures.json"
    if not path.exists():
        pytest.skip(f"{path} is not there; GRAPHNAS_DATA names another directory")
    published = json.loads(path.read_text(encoding="utf-8"))["darts_genotypes"]
    for name, (params, *cells) in GENOTYPES.items():
        assert published["children_cifar10_params_without_auxiliary_head"][name] == params
        written = [
            " ".join(f"{operator[0]}{source}" for operator, source in published[name][kind])
            for kind in ("normal", "reduce")
        ]
        own = [" ".join(f"{OPERATORS[edge[0]][0]}{edge[1]}" for edge in cell.split()) for cell in cells]
        assert written == own
