"""Sizes of a tensor that gets another shape in place are those that it had when they were asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import graphnas as gn


class Net(nn.Module):
    """A forward given as a function, and an activation."""

    def __init__(self, function: Callable[[Any, Tensor], Any]) -> None:
        super().__init__()
        self.function = function
        self.act = nn.ReLU()

    def forward(self, x: Tensor) -> Any:
        return self.function(self, x)


def turned(self: Any, x: Tensor) -> Any:
    x = self.act(x) + 1
    rows, columns = x.shape
    x.t_()
    return x * rows + columns * 100, x.shape[0], rows


def turned_twice(self: Any, x: Tensor) -> Any:
    x = x.clone()
    first = x.shape[0]
    x.transpose_(0, 1)
    second = x.shape[0]
    x.transpose_(0, 1)
    return self.act(x) * first + second * 100 + x.size(0)


def given(self: Any, x: Tensor) -> Any:
    rows, columns = x.shape
    x.unsqueeze_(1)
    return nn.functional.avg_pool1d(x, 2).view(rows, columns // 2) * columns + x.shape[1], x


def looped(self: Any, x: Tensor) -> Any:
    x = x + 0
    while x.dim() < 4:
        rows = x.shape[0]
        x.unsqueeze_(0)
        x = x * rows
    return self.act(x)


def decided(self: Any, x: Tensor) -> Any:
    x = x + 0
    rows = x.shape[0]
    x.t_()
    return x * rows if rows > 1 else x


@pytest.mark.parametrize("function", [turned, turned_twice, given, looped, decided])
def test_size_of_before(function: Callable[[Any, Tensor], Any]) -> None:
    model = Net(function)
    graph = gn.trace(model, torch.randn(5, 4))
    network = gn.build(graph)
    for shape in ((5, 4), (2, 8), (3, 6)):
        x = torch.randn(shape)
        mine, theirs = x.clone(), x.clone()
        torch.testing.assert_close(network(mine), model(theirs), rtol=0, atol=0)
        torch.testing.assert_close(mine, theirs, rtol=0, atol=0)


def test_children_read_the_size_of_before() -> None:
    space = gn.mutate(gn.trace(Net(turned), torch.randn(5, 4)), gn.Swap(nn.ReLU, {"silu": nn.SiLU}))
    network, x = gn.build(space), torch.randn(3, 6)
    for arch in gn.enumerate_archs(space):
        child = gn.build(gn.specialize(space, arch))
        model = Net(turned)
        model.act = nn.SiLU() if arch["act"] == "silu" else nn.ReLU()
        for each in (child(x.clone()), network(x.clone(), plan=arch)):
            torch.testing.assert_close(each, model(x.clone()), rtol=0, atol=0)


def test_data_of_another_shape_are_refused() -> None:
    def forward(self: Any, x: Tensor) -> Tensor:
        x = x + 0
        x.data = x.data.t()
        return x * x.shape[0]

    with pytest.raises(gn.TraceError, match=r"data of another shape\n  at .*test_reshaping\.py:\d+"):
        gn.trace(Net(forward), torch.randn(5, 4))
