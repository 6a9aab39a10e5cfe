"""`int(x)`, `float(x)` and `len(x)` of sizes and data are followed where the user's file only calls the names."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import graphnas as gn
from tests.laws.networks import assert_same, run
from tests.tracing.whole import Choosy


class Counting(nn.Module):
    """Makes numbers of sizes and of data."""

    def __init__(self) -> None:
        super().__init__()
        self.lin = nn.Linear(4, 4)

    def forward(self, x: Tensor, groups: Tensor) -> dict[str, Any]:
        count = int(groups.max()) + 1
        sums = torch.zeros(count, 4).index_add_(0, groups, self.lin(x))
        half: int = int(0.5 * len(x))
        assert isinstance(half, int)
        assert isinstance(float(half), int | float)
        share = float(half) / float(x.sum())
        return {"sums": sums * share, "half": x[:half], "count": count, "plain": int("7") + int("11", 2) + len("abc")}


class Strict(nn.Module):
    """Gives a number to a module of another file that takes plain ones alone."""

    def __init__(self) -> None:
        super().__init__()
        self.choosy = Choosy()

    def forward(self, x: Tensor) -> Tensor:
        return self.choosy(x, int(x.shape[0]))


class Raising(nn.Module):
    """Raises behind a number."""

    def forward(self, x: Tensor) -> Tensor:
        raise ValueError(f"no network for {int(0.5 * x.shape[0])}")


class Decided(nn.Module):
    """Python decides by whether any value is negative."""

    def forward(self, x: Tensor) -> Tensor:
        return x * int((x < 0).any())


def given(rows: int, groups: int) -> tuple[Tensor, Tensor]:
    """Rows, of which each is in a group."""
    return torch.randn(rows, 4, generator=torch.Generator().manual_seed(rows)), torch.arange(rows) % groups


def written(folder: Path, text: str) -> ModuleType:
    """A file of a user's."""
    path = folder / "written.py"
    path.write_text(text)
    found = importlib.util.spec_from_file_location("written", path)
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


def test_numbers_made_of_sizes_and_data_are_followed() -> None:
    model = Counting()
    graph = gn.trace(model, *given(6, 3))
    assert "guard" not in str(graph)
    network = gn.build(graph, model.state_dict())
    weights = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    for rows, groups in ((6, 3), (5, 2), (9, 9), (2, 1)):
        assert_same(*(run(each, weights, *given(rows, groups), training=True) for each in (model, network)))


def test_names_are_afterwards_those_of_python() -> None:
    gn.trace(Counting(), *given(6, 3))
    with pytest.raises(gn.TraceError, match="no network for 3"):
        gn.trace(Raising(), torch.ones(6, 2))
    assert not {"int", "float", "len"} & vars(sys.modules[__name__]).keys()


def test_number_that_another_file_wants_plain_is_relied_on() -> None:
    graph = gn.Tracer(opaque="error").trace(Strict(), torch.ones(6, 2))
    network = gn.build(graph)
    assert torch.equal(network(torch.ones(6, 2)), torch.ones(6, 2) / 6)
    with pytest.raises(ValueError, match=r"another condition: tests/tracing/test_conversions\.py:\d+"):
        network(torch.ones(5, 2))


def test_truth_of_data_is_relied_on() -> None:
    network = gn.build(gn.trace(Decided(), torch.ones(2)))
    assert torch.equal(network(torch.ones(3)), torch.zeros(3))
    with pytest.raises(ValueError, match="another condition"):
        network(-torch.ones(3))


USES = {
    "type(size) is int": "    assert type(size) is int",
    "size.__class__ is int": "    assert size.__class__ is int",
    "dict of kinds": "    assert {int: True}[type(size)]",
    "attribute": "    size = int.__add__(size, 0)",
    "name of its own": "    take = int\n        size = take(size)",
}


@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_file_that_uses_the_name_for_more_sees_that_of_python(use: str, tmp_path: Path) -> None:
    text = (
        "from torch import nn\n\n\nclass Net(nn.Module):\n    def forward(self, x):\n"
        f"        size = int(0.5 * x.shape[0])\n    {use}\n        return x * size\n"
    )
    network = gn.build(gn.trace(written(tmp_path, text).Net(), torch.ones(6, 2)))
    assert torch.equal(network(torch.ones(7, 2)), torch.full((7, 2), 3.0))
    with pytest.raises(ValueError, match=r"another condition: written\.py:6"):
        network(torch.ones(8, 2))


def test_name_that_the_file_has_for_something_else_stays_that(tmp_path: Path) -> None:
    text = (
        "from torch import nn\n\n\ndef int(x):\n    return x + 1\n\n\nclass Net(nn.Module):\n"
        "    def forward(self, x):\n        return x * int(x.shape[0])\n"
    )
    network = gn.build(gn.trace(written(tmp_path, text).Net(), torch.ones(6, 2)))
    assert torch.equal(network(torch.ones(7, 2)), torch.full((7, 2), 8.0))
