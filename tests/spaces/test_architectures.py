"""Architectures as they are published, and those of a space: there and back, and what is none."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

import graphnas as gn
from graphnas import spaces
from graphnas.errors import ArchError
from graphnas.ir.choice import Option
from tests.data import document
from tests.spaces.networks import SMALL

Data = Callable[[str], Path]

PAIRS = [("skip_connect", 0), ("sep_conv_3x3", 1)] * 4
CELL = "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|none~0|none~1|avg_pool_3x3~2|"
# Name → from a small instance of the space: what reads what is published, and what writes it.
CODES: dict[str, tuple[Callable[[Any], dict[str, Option]], Callable[[Mapping[str, Option]], Any]]] = {
    "darts": (spaces.darts_arch, spaces.darts_genotype),
    "nasbench201": (spaces.nasbench201_arch, spaces.nasbench201_text),
    "nasbench_macro": (spaces.nasbench_macro_arch, spaces.nasbench_macro_text),
    "spos": (spaces.spos_arch, spaces.spos_numbers),
}
WHOLE = {"spos": lambda: spaces.spos(10, (18, 20, 24, 28))}  # what is published has all twenty blocks


@pytest.mark.parametrize("name", CODES)
def test_architecture_is_written_and_read_again(name: str) -> None:
    read, written = CODES[name]
    model = WHOLE[name]() if name in WHOLE else SMALL[name](False)
    space = gn.trace(model, torch.zeros(2, 3, 8, 8))
    rng = random.Random(0)
    for _ in range(20):
        arch = gn.sample(space, rng)
        assert read(written(arch)) == arch


def test_published_genotypes_are_read_and_written(data: Data) -> None:
    published = document(data("architectures.json"))["darts_genotypes"]
    for name in ("DARTS_V1", "DARTS_V2", "PDARTS", "PCDARTS", "PCDARTS_imagenet"):
        genotype = spaces.darts_genotype(spaces.darts_arch(published[name]))
        for kind, edges in genotype.items():
            theirs = [tuple(edge) for edge in published[name][kind]]
            nodes = [slice(start, start + 2) for start in range(0, 8, 2)]
            assert [set(edges[node]) for node in nodes] == [set(theirs[node]) for node in nodes]


def test_arch_of_a_cell_reads_as_published() -> None:
    arch = spaces.nasbench201_arch(CELL)
    assert arch["cell.edges.1_0"] == "nor_conv_3x3"
    assert arch["cell.edges.3_2"] == "avg_pool_3x3"
    assert spaces.nasbench201_text(arch) == CELL


WRONG: dict[str, tuple[Callable[[], object], str]] = {
    "too few edges": (
        lambda: spaces.darts_arch({"normal": PAIRS, "reduce": PAIRS[:6]}),
        "'reduce' has two edges for each of 4 nodes, but 6 in the genotype",
    ),
    "one source twice": (
        lambda: spaces.darts_arch({"normal": [PAIRS[0], PAIRS[0], *PAIRS[2:]], "reduce": PAIRS}),
        "node 2 of 'normal' reads two of those before it, 0 to 1, but got (0, 0)",
    ),
    "a later source": (
        lambda: spaces.darts_arch({"normal": [PAIRS[0], ("none", 3), *PAIRS[2:]], "reduce": PAIRS}),
        "node 2 of 'normal' reads two of those before it, 0 to 1, but got (0, 3)",
    ),
    "an unknown operator": (
        lambda: spaces.darts_arch({"normal": PAIRS, "reduce": [PAIRS[0], ("sep_conv_7x7", 1), *PAIRS[2:]]}),
        "DARTS has no operator 'sep_conv_7x7'",
    ),
    "nodes that are not given": (
        lambda: spaces.darts_arch({"normal": PAIRS, "normal_concat": [2, 3], "reduce": PAIRS}),
        "a cell of DARTS gives its nodes [2, 3, 4, 5], but 'normal_concat' of the genotype is [2, 3]",
    ),
    "an open node": (
        lambda: spaces.darts_genotype({"normal.edges.2_0": "none", "normal.edges.2_1": "none"}),
        "the architecture does not decide 'normal.inputs.3'",
    ),
    "an open edge": (
        lambda: spaces.darts_genotype({"normal.edges.2_0": "none"}),
        "the architecture has no operator for 'normal.edges.2_1', but None",
    ),
    "no cell": (lambda: spaces.nasbench201_arch("nor_conv_3x3"), "is no architecture of NAS-Bench-201"),
    "a cell of two nodes": (
        lambda: spaces.nasbench201_arch(CELL.rpartition("+")[0]),
        "is no architecture of NAS-Bench-201",
    ),
    "a cell with sources out of order": (
        lambda: spaces.nasbench201_arch(CELL.replace("none~0|skip_connect~1", "skip_connect~1|none~0")),
        "is no architecture of NAS-Bench-201",
    ),
    "an operator of another space": (
        lambda: spaces.nasbench201_arch(CELL.replace("avg_pool_3x3", "sep_conv_3x3")),
        "NAS-Bench-201 has no operator 'sep_conv_3x3'",
    ),
    "an open cell": (lambda: spaces.nasbench201_text({}), "the architecture decides nothing for 'cell.edges.1_0'"),
    "no digits": (lambda: spaces.nasbench_macro_arch("0123456a"), "is no architecture of NAS-Bench-Macro"),
    "too few digits": (lambda: spaces.nasbench_macro_arch("0120"), "the space has 8 blocks, but the architecture"),
    "a digit too large": (lambda: spaces.nasbench_macro_arch("01201203"), "block 7 has no option number 3"),
    "an open block": (lambda: spaces.spos_numbers({}), "the architecture decides nothing for 'block.0'"),
    "an unknown block": (
        lambda: spaces.nasbench_macro_text({"block.0": "mb3_7x7"}),
        "label 'block.0' has no option 'mb3_7x7'; options are identity, mb3_3x3, mb6_5x5",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_no_architecture_is_refused(name: str) -> None:
    call, message = WRONG[name]
    with pytest.raises(ArchError) as error:
        call()
    assert message in str(error.value)


REFUSED: dict[str, tuple[Callable[[], object], str]] = {
    "two cells": (lambda: spaces.darts(cells=2), "3 cells are the fewest"),
    "a stem": (lambda: spaces.darts(stem="svhn"), "stem is one of cifar, imagenet, but got 'svhn'"),
    "an operator": (lambda: spaces.darts(operators=("none", "conv")), "but got 'conv'"),
    "a missing stage": (lambda: spaces.proxyless(depths=(1, 1, 1)), "there are 6 stages"),
    "an empty stage": (lambda: spaces.spos(depths=(4, 4, 0, 4)), "there are 4 stages of at least one block"),
    "an odd width": (lambda: spaces.spos(widths=(64, 161, 320, 640)), "widths are even numbers"),
    "a narrower stage": (lambda: spaces.spos(widths=(64, 64, 320, 640)), "each greater than the one before"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_space_that_cannot_be_is_refused(name: str) -> None:
    call, message = REFUSED[name]
    with pytest.raises(ValueError, match=message):
        call()
