"""Costs of published spaces against arithmetic by hand, and what a budget makes of a space."""

from __future__ import annotations

import functools
from dataclasses import replace

import pytest
import torch

import graphnas as gn
from graphnas import spaces
from graphnas.ir.counting import Estimate
from graphnas.ir.graph import Graph

# Of every stage of ProxylessNAS: the incoming channels, the width, the blocks, the stride, and the size of its result.
STAGES = (
    (16, 24, 4, 2, 56), (24, 40, 4, 2, 28), (40, 80, 4, 2, 14), (80, 96, 4, 1, 14), (96, 192, 4, 2, 7),
    (192, 320, 1, 1, 7),
)  # fmt: skip
BUDGET = 300_000_000


@functools.cache
def _proxyless() -> Graph:
    return gn.trace(spaces.proxyless(), torch.zeros(2, 3, 224, 224))


@functools.cache
def _bounded() -> Graph:
    space = _proxyless()
    return replace(space, constraints=(gn.cost.macs(space) <= BUDGET,))


def test_proxyless_costs_what_arithmetic_says() -> None:
    space = _proxyless()
    expected = 3 * 32 * 9 * 112**2 + 32 * 9 * 112**2 + 32 * 16 * 112**2 + 320 * 1280 * 7**2 + 1280 * 1000
    for incoming, width, blocks, stride, size in STAGES:
        for number in range(blocks):
            given, larger = (incoming, size * stride) if number == 0 else (width, size)
            expected += 3 * given * (given * larger**2 + 25 * size**2 + width * size**2)
    assert gn.cost.macs(space)(dict.fromkeys(space.choices, "mb3_5x5")) == expected


def test_a_budget_is_a_valid_constraint() -> None:
    bounded = _bounded()
    gn.verify(bounded)
    assert gn.from_json(gn.to_json(bounded)) == bounded
    cost = gn.cost.macs(_proxyless())
    assert all(cost(gn.sample(bounded, seed)) <= BUDGET for seed in range(20))


def test_a_broken_budget_says_what_was_compared() -> None:
    arch = dict.fromkeys(_bounded().choices, "mb6_7x7")
    cost = gn.cost.macs(_proxyless())(arch)
    with pytest.raises(gn.ConstraintError, match=rf"{cost} <= {BUDGET}") as error:
        gn.specialize(_bounded(), arch)
    assert len(str(error.value)) < 2000


def test_the_size_within_a_budget_is_only_estimated() -> None:
    with pytest.raises(gn.GraphError, match=r"size\(estimate=True\)"):
        _bounded().size()
    found = _bounded().size(estimate=True)
    assert isinstance(found, Estimate)
    assert 0 < found.value < 6**6 * 7**15


def test_an_estimated_size_covers_the_one_that_is_listed() -> None:
    space = gn.trace(spaces.nasbench_macro(), torch.zeros(2, 3, 32, 32))
    cost = gn.cost.macs(space)
    listed = sorted(map(cost, gn.enumerate_archs(space)))
    budget = listed[len(listed) // 3]
    within = replace(space, constraints=(cost <= budget,))
    true = sum(spent <= budget for spent in listed)
    found = within.size(estimate=True)
    assert 0 < true < len(listed) == 6561
    assert within.size() == true
    assert isinstance(found, Estimate)
    assert abs(found.value - true) < 3 * found.standard_error
