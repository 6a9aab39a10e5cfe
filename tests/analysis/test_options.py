"""Spaces whose numbers do not fit together are told before anything is trained."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from torch import Tensor, nn

import graphnas as gn
from graphnas.analysis.options import check_options
from graphnas.nn import LayerChoice
from tests.nn.networks import NETWORKS, image


class Unfit(nn.Module):
    """Its second layer does not follow the first, or only under another choice."""

    def __init__(self, chosen: bool) -> None:
        super().__init__()
        width = gn.choice("width", (4, 8))
        self.first = nn.Conv2d(3, width, 1)
        straight = nn.Conv2d(4, 3, 1)
        follows = nn.Conv2d(width, 3, 1)
        self.second = LayerChoice({"follows": follows, "straight": straight}) if chosen else straight

    def forward(self, x: Tensor) -> Tensor:
        return self.second(self.first(x))


@pytest.mark.parametrize("name", NETWORKS)
def test_spaces_that_fit_pass(name: str) -> None:
    check_options(gn.trace(NETWORKS[name](), image()))


@pytest.mark.parametrize("chosen", [False, True])
def test_numbers_that_do_not_agree_are_told_with_the_line(chosen: bool) -> None:
    space = gn.trace(Unfit(chosen), image())
    with pytest.raises(gn.GraphError, match=r"width=8.* does not run: node second.*test_options.py:\d+"):
        check_options(space)


def test_a_combination_that_is_forbidden_need_not_run() -> None:
    space = gn.trace(Unfit(chosen=True), image())
    width, second = space.choices["width"], space.choices["second"]
    check_options(dataclasses.replace(space, constraints=(second.equals("straight").implies(width <= 4),)))


def test_a_search_does_not_begin_on_such_a_space(tmp_path: Path) -> None:
    space = gn.trace(Unfit(chosen=False), image())
    with pytest.raises(gn.GraphError, match="does not run"):
        gn.search(space, lambda trial: 0.0, trials=2, directory=tmp_path / "study", executor="inline")
    assert not (tmp_path / "study" / "space.json").exists()
