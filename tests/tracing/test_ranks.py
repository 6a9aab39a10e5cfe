"""A graph holds for inputs of as many dimensions as were traced, where anything depends on how many there are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import graphnas as gn
from tests.tracing.comparison import same

FLAT, DEEP = torch.rand(4, 3), torch.rand(2, 3, 4)


class Function(nn.Module):
    """Applies a function."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


def star(x: Tensor) -> Tensor:
    """Takes the shape apart into what there is."""
    first, *others = x.shape
    return x.reshape(first, -1) * others[-1]


def taken(x: Tensor) -> Tensor:
    """Takes the shape apart into two."""
    rows, columns = x.size()
    return x.reshape(rows * columns)


RELYING: dict[str, Callable[[Tensor], Tensor]] = {
    "last": lambda x: x * x.shape[-1],
    "size of last": lambda x: x * x.size(-1),
    "length": lambda x: x + 1 if len(x.shape) == 2 else x - 1,
    "slice": lambda x: x.new_ones(x.shape[1:]) * 2,
    "star": star,
    "whole": lambda x: torch.zeros(x.shape),
    "behind": lambda x: (x.sin() + 1).unsqueeze(0) * x.cos().shape[-1],
}
FREE: dict[str, Callable[[Tensor], Tensor]] = {
    "first": lambda x: x * x.shape[0],
    "size of first": lambda x: x * x.size(0),
    "none": lambda x: x.sin(),
}


@pytest.mark.parametrize("function", RELYING.values(), ids=RELYING)
def test_other_ranks_are_refused_or_right(function: Callable[[Tensor], Tensor]) -> None:
    model = Function(function)
    network = gn.build(gn.trace(model, FLAT))
    other = torch.rand(5, 2)
    assert same(network(other), model(other))
    with pytest.raises(ValueError, match=r"another condition: tests/tracing/test_ranks.py:\d+"):
        network(DEEP)


@pytest.mark.parametrize("function", FREE.values(), ids=FREE)
def test_what_is_the_same_at_every_rank_is_not_guarded(function: Callable[[Tensor], Tensor]) -> None:
    model = Function(function)
    graph = gn.trace(model, FLAT)
    assert "_guard" not in gn.emit(graph)
    assert same(gn.build(graph)(DEEP), model(DEEP))


@pytest.mark.parametrize("function", RELYING.values(), ids=RELYING)
def test_examples_of_two_ranks_are_told_apart(function: Callable[[Tensor], Tensor]) -> None:
    model = Function(function)
    network = gn.build(gn.trace(model, gn.example(FLAT), gn.example(DEEP)))
    for x in (FLAT, DEEP, torch.rand(5, 2), torch.rand(3, 2, 2)):
        assert same(network(x), model(x))
    with pytest.raises(ValueError, match="another condition"):
        network(torch.rand(2, 2, 2, 2))


def test_a_shape_that_is_taken_apart_raises_by_itself_in_the_model() -> None:
    graph = gn.trace(Function(taken), FLAT)
    assert "_guard" not in gn.emit(graph)


def test_inputs_that_are_left_out_have_no_rank() -> None:
    class Masked(nn.Module):
        def forward(self, x: Tensor, mask: Tensor | None = None) -> Any:
            return x * x.shape[-1] if mask is None else x * mask * mask.shape[-1]

    model, mask = Masked(), torch.rand(4, 3)
    network = gn.build(gn.trace(model, gn.example(FLAT), gn.example(FLAT, mask)))
    assert same(network(FLAT), model(FLAT))
    assert same(network(FLAT, mask), model(FLAT, mask))
    with pytest.raises(ValueError, match="another condition"):
        network(FLAT, mask[None])


@pytest.mark.parametrize("traced", [1, 2])
@pytest.mark.parametrize(
    "squeeze", [Tensor.squeeze, torch.squeeze, lambda x: x.squeeze(0), lambda x: x.clone().squeeze_()]
)
def test_what_is_squeezed_has_as_many_dimensions_as_when_it_was_traced(
    squeeze: Callable[[Tensor], Tensor], traced: int
) -> None:
    model = Function(lambda x: (y := squeeze(x)) * y.shape[-1])
    network = gn.build(gn.trace(model, torch.rand(traced, 3)))
    for rows in (1, 2, 4):
        x = torch.rand(rows, 3)
        if (rows == 1) == (traced == 1):
            assert same(network(x), model(x))
        else:
            with pytest.raises(ValueError, match="another condition"):
                network(x)
