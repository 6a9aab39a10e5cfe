"""Loops over the parts of a tensor: one example fixes how many rounds there are, of several each has its own number."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import graphnas as gn
from tests.laws.networks import assert_same, run, same


class Sum(nn.Module):
    """Adds up what it is given."""

    def forward(self, parts: tuple[Tensor, ...] | list[float], x: Tensor) -> Tensor:
        total = x.sum(0)
        for part in parts:
            total = total.sin() + part
        return total


class First(nn.Module):
    """Takes the second part too where there are two rows."""

    def forward(self, parts: tuple[Tensor, ...], x: Tensor) -> Tensor:
        return parts[0] + parts[1] if x.shape[0] == 2 else parts[0]


class Cut(nn.Module):
    """Cuts a tensor into rows."""

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        return x.split(1)


class Looping(nn.Module):
    """A forward given as a function, and modules that cut and loop."""

    def __init__(self, function: Callable[..., Tensor]) -> None:
        super().__init__()
        self.function = function
        self.add, self.cut, self.first = Sum(), Cut(), First()

    def forward(self, x: Tensor) -> Tensor:
        return self.function(self, x)


def over_rows(self: Any, x: Tensor) -> Tensor:
    total = x.new_zeros(x.shape[1])
    for row in x:
        total = total.sin() + row
    return total


def over_parts(self: Any, x: Tensor) -> Tensor:
    total = x.new_zeros(x.shape[1])
    for part in x.split(1):
        total = total.sin() + part.sum(0)
    return total


def looked_at_later(self: Any, x: Tensor) -> Tensor:
    parts = x.split(1)
    mean = x.cos().mean()
    return torch.stack([part * mean for part in parts])


def decided_before(self: Any, x: Tensor) -> Tensor:
    scale = 2.0 if x.shape[0] == 2 else 3.0
    return over_rows(self, x) * scale


def written_to(self: Any, x: Tensor) -> Tensor:
    x = x.clone()
    for part in x.split(1):
        part += 1
    return x


def written_to_and_read(self: Any, x: Tensor) -> Tensor:
    x = x.clone()
    total = x.new_zeros(())
    for part in x.split(1):
        part += 1
        total = total + part.sum()
    return x * total


def last(self: Any, x: Tensor) -> Tensor:
    found = x[0]
    for row in x:
        found = row
    return found * 2


def starred(self: Any, x: Tensor) -> Tensor:
    first, *others = x
    return first - sum(others)  # type: ignore[no-any-return]


def joined(self: Any, x: Tensor) -> Tensor:
    others = (x * 2,)
    return torch.cat(x.split(1) + others).sum(0)


def joined_behind(self: Any, x: Tensor) -> Tensor:
    return torch.cat(sum([(x,), x.split(1)], start=())).sum(0)


def repeated(self: Any, x: Tensor) -> Tensor:
    parts = [x]
    parts += x.split(1)
    return torch.cat(parts).sum(0) + torch.cat(x.split(1) * 2).sum(0)


def given_to_a_module(self: Any, x: Tensor) -> Tensor:
    return self.add(x.unbind(0), x)  # type: ignore[no-any-return]


def returned_by_a_module(self: Any, x: Tensor) -> Tensor:
    return self.add(self.cut(x * 2), x)  # type: ignore[no-any-return]


def listed(self: Any, x: Tensor) -> Tensor:
    numbers = (x[:, 0] * 5).round().tolist()
    return torch.stack([x.mean(0) * number for number in numbers])


def listed_for_a_module(self: Any, x: Tensor) -> Tensor:
    return self.add((x[:, 0] * 5).round().tolist(), x)  # type: ignore[no-any-return]


def listed_twice(self: Any, x: Tensor) -> Tensor:
    return x * sum(sum(numbers) for numbers in (x[:, :2] * 5).round().tolist())


LOOPS = [
    over_rows, over_parts, looked_at_later, decided_before, written_to, written_to_and_read, last, starred,
    joined, joined_behind, repeated,
    given_to_a_module, returned_by_a_module, listed, listed_for_a_module, listed_twice,
]  # fmt: skip
REFUSED = r"^the network was traced under another condition: tests/tracing/test_parts\.py:\d+$"
OUT_OF_RANGE = "^tuple index out of range$"


def drawn(batch: int) -> Tensor:
    """Rows of values."""
    return torch.randn(batch, 4, generator=torch.Generator().manual_seed(batch))


def build(model: nn.Module, *batches: int) -> nn.Module:
    """The network that is traced on batches."""
    graph = gn.Tracer(opaque="error").trace(model, *(gn.example(drawn(batch)) for batch in batches))
    gn.verify(graph)
    return gn.build(graph)


@pytest.mark.parametrize("batches", [(2, 3), (3, 2), (1, 2, 4)], ids=str)
@pytest.mark.parametrize("function", LOOPS)
def test_each_example_has_its_number_of_parts(function: Callable[..., Tensor], batches: tuple[int, ...]) -> None:
    model = Looping(function)
    network = build(model, *batches)
    for batch in batches:
        assert_same(*(run(each, {}, drawn(batch), training=False) for each in (model, network)))
    returned = function is returned_by_a_module  # what it returns is taken out before anybody counts
    for batch in {3, 5, 6} - set(batches):
        with pytest.raises((ValueError, IndexError), match=f"{REFUSED}|{OUT_OF_RANGE}" if returned else REFUSED):
            network(drawn(batch))


@pytest.mark.parametrize("function", [loop for loop in LOOPS if loop not in (given_to_a_module, returned_by_a_module)])
def test_one_example_fixes_how_often_a_loop_runs(function: Callable[..., Tensor]) -> None:
    model = Looping(function)
    network = build(model, 2)
    assert_same(*(run(each, {}, drawn(2), training=False) for each in (model, network)))
    for batch in (3, 5) if function is decided_before else (1, 3, 5):
        with pytest.raises(ValueError, match=REFUSED):
            network(drawn(batch))


@pytest.mark.parametrize("rows", [2, 4])
def test_part_that_is_missing_is_a_decision(rows: int) -> None:
    def forward(self: Any, x: Tensor) -> Tensor:
        parts = x.unbind(0)
        try:
            return parts[2]
        except IndexError:
            return parts[0] * 10

    model = Looping(forward)
    network = build(model, rows)
    assert torch.equal(network(drawn(rows)), model(drawn(rows)))
    with pytest.raises((ValueError, IndexError), match=f"{REFUSED}|{OUT_OF_RANGE}"):
        network(drawn(6 - rows))


def test_parts_of_given_sizes_are_always_there() -> None:
    model = Looping(lambda self, x: self.first(x.split([1, x.shape[0] - 1]), x))
    network = build(model, 2, 3)
    for batch in (1, 2, 3, 5):
        assert_same(*(run(each, {}, drawn(batch), training=False) for each in (model, network)))


@pytest.mark.parametrize("batches", [(2, 3), (3, 1, 2)], ids=str)
def test_space_of_several_numbers_of_parts_runs_as_its_children_do(batches: tuple[int, ...]) -> None:
    def forward(self: Any, x: Tensor) -> Tensor:
        total = self.add(x.unbind(0), x)
        for part in self.act(x).split(1):
            total = total + self.act(part)
        return total  # type: ignore[no-any-return]

    model = Looping(forward)
    model.act = nn.ReLU()
    graph = gn.trace(model, *(gn.example(drawn(batch)) for batch in batches))
    space = gn.mutate(graph, gn.Swap(nn.ReLU, {"silu": nn.SiLU}, label="{node}"))
    network = gn.build(space)
    for seed in range(4):
        arch = gn.sample(space, seed)
        child = gn.build(gn.specialize(space, arch))
        for batch in batches:
            assert torch.equal(network(drawn(batch), plan=arch), child(drawn(batch)))
        for each in (child, functools.partial(network, plan=arch)):
            with pytest.raises(ValueError, match="another condition"):
                each(drawn(5))


def test_what_the_user_unpacks_is_unpacked() -> None:
    def forward(self: Any, x: Tensor) -> Tensor:
        first, second = x.split(width, dim=1)
        return first - second

    width = 2
    text = gn.emit(gn.trace(Looping(forward), drawn(2)))
    assert "first, second = x.split(2, dim=1)" in text
    assert "_guard" not in text


class Giving(nn.Module):
    """Gives the parts that it cuts as they are."""

    def forward(self, x: Tensor) -> dict[str, Any]:
        return {"parts": x.split(2), "whole": x.sin()}


class Passing(nn.Module):
    """Gives what an inner module gives."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = Giving()

    def forward(self, x: Tensor) -> Any:
        return self.inner(x * 2)["parts"]


@pytest.mark.parametrize("model", [Giving(), Passing()])
def test_parts_that_a_model_gives_are_counted(model: nn.Module) -> None:
    network = gn.build(gn.trace(model, torch.rand(6, 2)))
    for rows in (6, 5):
        x = torch.rand(rows, 2)
        assert same(network(x), model(x))
    with pytest.raises(ValueError, match=r"another condition: .*test_parts.py:\d+"):
        network(torch.rand(9, 2))
