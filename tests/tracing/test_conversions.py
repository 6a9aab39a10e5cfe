"""`int(x)`, `float(x)`, `len(x)` and `range(x)` of sizes and data are followed where the file only calls the names."""

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
    assert not {"int", "float", "len", "range"} & vars(sys.modules[__name__]).keys()


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


# ---------------------------------------------------------------- ranges
def chunks(x: Tensor) -> Tensor:
    return torch.stack([x[:, start : start + 4].sum(1) for start in range(1, x.shape[1], 4)])


def numbered(x: Tensor) -> Tensor:
    starts = enumerate(reversed(range(0, x.shape[1], 4)))
    return torch.stack([x[:, start : start + 4].sum(1) * place for place, start in starts])


def paired(x: Tensor) -> Tensor:
    bounds = zip(range(0, x.shape[1], 4), range(4, x.shape[1] + 4, 4))
    return torch.stack([x[:, start:stop].sum(1) for start, stop in bounds])


# Name, function, sizes of the second dimension admitted when traced at 11, and sizes refused.
RANGES: list[tuple[str, Any, tuple[int, ...], tuple[int, ...]]] = [
    ("chunks", chunks, (10, 13), (9, 14)),
    ("reversed, numbered", numbered, (9, 12), (8, 13)),
    ("zipped", paired, (9, 12), (8, 13)),
    ("every size", lambda x: torch.stack([x[:, place] for place in range(x.shape[1])]), (), (10, 12)),
    ("behind the first", lambda x: torch.stack([x[:, place] for place in range(1, x.shape[1])]), (), (10, 12)),
    ("downwards", lambda x: torch.stack([x[:, :end].sum(1) for end in range(x.shape[1], 2, -3)]), (9, 10), (8, 12)),
    ("down to the first", lambda x: x * sum(place**2 for place in range(x.shape[1] - 1, -1, -1)), (), (10, 12)),
    ("moving", lambda x: x * sum(place**2 for place in range(x.shape[1], x.shape[1] + 3)), (1, 10, 40), ()),
    ("slice", lambda x: x * sum(range(0, x.shape[1], 4)[1:]), (9, 12), (8, 13)),
    ("slice of one that moves", lambda x: x * sum(range(x.shape[1], 0, -4)[::2]), (9, 12), (8, 13)),
    ("last element", lambda x: x * range(0, x.shape[1], 4)[-1], (9, 12), (8, 13)),
    ("list of one that moves", lambda x: x.sum() * torch.tensor(list(range(x.shape[1], 0, -4))), (9, 12), (8, 13)),
    ("length", lambda x: x * len(range(1, x.shape[1], 4)), (2, 9, 40), (1,)),
    ("truth", lambda x: x * 2 if range(2, x.shape[1], 4) else -x, (3, 12, 40), (1, 2)),
    ("member", lambda x: x * 2 if 8 in range(0, x.shape[1], 4) else -x, (9, 12, 40), (8,)),
    ("member downwards", lambda x: x * 2 if 8 in range(x.shape[1], 2, -3) else -x, (8, 14), (7, 12)),
    ("indices", lambda x: x[:, range(0, x.shape[1], 4)], (9, 12), (8, 13)),
    ("indices that move", lambda x: x[:, range(x.shape[1] - 1, 0, -4)], (10, 13), (9, 14)),
    ("none", lambda x: x * (1 + sum(range(20, x.shape[1], 9))), (3, 10), (21,)),
    ("compared", lambda x: x * 2 if range(0, x.shape[1], 4) == range(0, 11, 4) else -x, (), (10, 12)),
    ("kind", lambda x: x * 2 if isinstance(range(0, x.shape[1], 4), range) else -x, (1, 40), ()),
    ("text", lambda x: x * len(f"{range(0, x.shape[1], 4)}"), (), (12,)),
    ("place", lambda x: x * range(0, x.shape[1], 4).index(8), (), (12,)),
]


class Ranging(nn.Module):
    """A forward given as a function."""

    def __init__(self, function: Any) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)  # type: ignore[no-any-return]


def columns(size: int) -> Tensor:
    """So many columns of whole numbers, which all orders of summing add up alike."""
    return torch.arange(2.0 * size).reshape(2, size)


@pytest.mark.parametrize(("function", "admitted", "refused"), [r[1:] for r in RANGES], ids=[r[0] for r in RANGES])
def test_range_relies_on_the_number_of_its_steps(
    function: Any, admitted: tuple[int, ...], refused: tuple[int, ...]
) -> None:
    model = Ranging(function)
    network = gn.build(gn.Tracer(opaque="error").trace(model, columns(11)))
    for size in (11, *admitted):
        assert_same(*(run(each, {}, columns(size), training=False) for each in (model, network)))
    for size in refused:
        with pytest.raises(ValueError, match=r"another condition: tests/tracing/test_conversions\.py:\d+"):
            network(columns(size))


def test_step_of_a_range_is_followed() -> None:
    model = Ranging(lambda x: x * len([*range(0, 12, x.shape[1])]))
    network = gn.build(gn.trace(model, columns(4)))
    assert torch.equal(network(columns(5)), 3 * columns(5))
    with pytest.raises(ValueError, match="another condition"):
        network(columns(3))


def test_each_example_has_its_number_of_steps() -> None:
    model = Ranging(chunks)
    network = gn.build(gn.trace(model, gn.example(columns(5)), gn.example(columns(11))))
    for size in (2, 5, 10, 11, 13):
        assert_same(*(run(each, {}, columns(size), training=False) for each in (model, network)))
    for size in (6, 14):
        with pytest.raises(ValueError, match="another condition"):
            network(columns(size))
