"""Files of children of published spaces: `pytest tests/spaces/test_emitted.py --update-golden` writes them anew."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import torch
from torch import nn

import graphnas as gn
from graphnas import spaces
from graphnas.ir.choice import Option

GALLERY = Path(__file__).parents[2] / "docs" / "gallery"
DARTS_V2 = {
    "normal": [
        ("sep_conv_3x3", 0), ("sep_conv_3x3", 1), ("sep_conv_3x3", 0), ("sep_conv_3x3", 1),
        ("sep_conv_3x3", 1), ("skip_connect", 0), ("skip_connect", 0), ("dil_conv_3x3", 2),
    ],
    "reduce": [
        ("max_pool_3x3", 0), ("max_pool_3x3", 1), ("skip_connect", 2), ("max_pool_3x3", 1),
        ("max_pool_3x3", 0), ("skip_connect", 2), ("skip_connect", 2), ("max_pool_3x3", 1),
    ],
}  # fmt: skip
USED = ("max_pool_3x3", "skip_connect", "sep_conv_3x3", "dil_conv_3x3")  # the child is the same, and traced sooner
CELL = "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|skip_connect~0|nor_conv_3x3~1|nor_conv_3x3~2|"
# File → the network, the architecture, and the most lines and classes that the file may have.
CHILDREN: dict[str, tuple[Callable[[], nn.Module], Mapping[str, Option], int, int]] = {
    "darts_v2": (lambda: spaces.darts(20, 36, auxiliary=True, operators=USED), spaces.darts_arch(DARTS_V2), 240, 10),
    "nasbench201_cell": (spaces.nasbench201, spaces.nasbench201_arch(CELL), 82, 4),
}


@pytest.mark.parametrize("name", CHILDREN)
def test_child_is_up_to_date_and_readable(name: str, golden: Callable[[Path, str], None]) -> None:
    make, arch, lines, classes = CHILDREN[name]
    text = gn.emit(gn.specialize(gn.trace(make(), torch.zeros(2, 3, 32, 32)), arch))
    golden(GALLERY / f"{name}.py", text)
    assert text.count("\n") <= lines
    assert text.count("\nclass ") <= classes
    assert max(map(len, text.splitlines())) <= 99
