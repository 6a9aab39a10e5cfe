"""What published spaces cost and how large they are, held against the figures and tables that are published."""

from __future__ import annotations

import functools
import random
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import torch
from torch import nn

import graphnas as gn
from graphnas import spaces
from graphnas.ir.choice import Option
from graphnas.ir.graph import Graph
from graphnas.spaces.operators import OPERATORS
from tests.data import document, table

Data = Callable[[str], Path]

GENOTYPES = ("DARTS_V1", "DARTS_V2", "PDARTS", "PCDARTS")
BUILT = 20
# Table → its columns of names, parameters and multiply-adds, and what reads a name and builds the network.
TABLES: dict[str, tuple[tuple[str, str, str], Callable[[str], dict[str, Option]], Callable[[], nn.Module]]] = {
    "nb201_accuracy.csv.gz": (
        ("arch_str", "params_c10", "macs_c10"), spaces.nasbench201_arch, spaces.nasbench201,
    ),
    "nasbench_macro.csv.gz": (("arch", "params", "flops"), spaces.nasbench_macro_arch, spaces.nasbench_macro),
}  # fmt: skip


@functools.cache
def _traced(factory: Callable[[], nn.Module], size: int = 32) -> Graph:
    return gn.trace(factory(), torch.zeros(2, 3, size, size))


def _parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def _child(space: Graph, arch: Mapping[str, Option]) -> nn.Module:
    return gn.build(gn.specialize(space, arch))


def darts_cifar() -> nn.Module:
    return spaces.darts(cells=20, channels=36)


def test_darts_supernet_has_the_published_number_of_parameters() -> None:
    assert _parameters(spaces.darts(cells=8, channels=16, search=True)) == 1_930_618


@pytest.mark.parametrize("name", GENOTYPES)
def test_darts_child_has_the_published_number_of_parameters(name: str, data: Data) -> None:
    published = document(data("architectures.json"))["darts_genotypes"]
    space = _traced(darts_cifar, 8)  # parameters are the same for smaller images
    arch = spaces.darts_arch(published[name])
    child = gn.specialize(space, arch)
    counted = published["children_cifar10_params_without_auxiliary_head"][name]
    assert _parameters(gn.build(child)) == counted
    assert gn.cost.params(child)({}) == counted
    assert gn.canonical(space, arch) == arch


def test_darts_architecture_carries_over_to_a_deeper_and_wider_network() -> None:
    operators = ("none", "skip_connect", "sep_conv_3x3")
    search = _traced(functools.partial(spaces.darts, 5, 4, search=True, operators=operators), 8)
    final = _traced(functools.partial(spaces.darts, 7, 8, auxiliary=True, operators=operators))
    assert search.choices == final.choices
    for seed in range(5):
        arch = gn.sample(search, seed)
        assert gn.canonical(final, arch) == arch
        child = _child(final, arch)
        logits, auxiliary = child.train()(torch.zeros(2, 3, 32, 32))
        assert logits.shape == auxiliary.shape == child.eval()(torch.zeros(2, 3, 32, 32)).shape == (2, 10)


def test_darts_for_imagenet_has_the_published_size(data: Data) -> None:
    published = document(data("architectures.json"))["darts_genotypes"]["DARTS_V2"]
    operators = ("max_pool_3x3", "skip_connect", "sep_conv_3x3", "dil_conv_3x3")  # those of the genotype
    space = _traced(functools.partial(spaces.darts, 14, 48, 1000, stem="imagenet", operators=operators), 64)
    parameters = _parameters(_child(space, spaces.darts_arch(published)))
    assert round(parameters / 1e6, 1) == 4.7


@pytest.mark.parametrize("operators", [(*OPERATORS,), (*OPERATORS,)[1:]], ids=["all", "without none"])
def test_darts_has_as_many_architectures_as_one_counts_by_hand(operators: tuple[str, ...]) -> None:
    space = _traced(functools.partial(spaces.darts, 3, 2, operators=operators), 8)
    pairs_of_sources = 1 * 3 * 6 * 10  # of the nodes with 2, 3, 4 and 5
    assert space.size() == (pairs_of_sources * len(operators) ** 8) ** 2


def test_proxyless_has_as_many_architectures_as_one_counts_by_hand() -> None:
    space = _traced(spaces.proxyless, 64)
    assert len(space.choices) == 21
    assert space.size() == 6**6 * 7**15  # six blocks change the shape, and cannot be left out


def test_spos_costs_what_is_published(data: Data) -> None:
    published = document(data("architectures.json"))["spos"]
    space = _traced(spaces.spos, 224)
    parameters, multiply_adds = gn.cost.params(space), gn.cost.macs(space)
    released = spaces.spos_arch(published["released"])
    assert round(multiply_adds(released) / 1e6, 1) == published["multiply_adds_M"]
    assert round(parameters(released) / 1e6, 2) == published["params_M"]
    assert _parameters(_child(space, released)) == parameters(released)
    uniform = [spaces.spos_arch([number] * 20) for number in range(4)]
    assert [round(multiply_adds(arch) / 1e6, 1) for arch in uniform] == published["all_0_to_3_multiply_adds_M"]
    assert space.size() == 4**20


@pytest.mark.parametrize("name", TABLES)
def test_every_network_of_a_table_costs_what_the_table_says(name: str, data: Data) -> None:
    (key, params, macs), read, factory = TABLES[name]
    rows = table(data(name))
    space = _traced(factory)
    parameters, multiply_adds = gn.cost.params(space), gn.cost.macs(space)
    assert space.size() == len({row[key] for row in rows}) == len(rows)
    for row in rows:
        arch = read(row[key])
        assert (parameters(arch), multiply_adds(arch)) == (int(row[params]), int(row[macs])), row[key]
    for row in random.Random(0).sample(rows, BUILT):
        child = gn.specialize(space, read(row[key]))
        assert _parameters(gn.build(child)) == int(row[params])
        assert gn.cost.macs(child)({}) == int(row[macs])
