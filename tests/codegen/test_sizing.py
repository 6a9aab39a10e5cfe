"""Sizes that are read often are read off one shape, where they are read whatever happens."""

from __future__ import annotations

import torch
from torch import Tensor, nn

import graphnas as gn
from tests.tracing.comparison import same


class Often(nn.Module):
    """Reads five sizes of what it is given, two of them in training alone where asked to."""

    def __init__(self, conditional: bool = False) -> None:
        super().__init__()
        self.conditional = conditional

    def forward(self, x: Tensor) -> Tensor:
        y = x.reshape(x.shape[0] * x.shape[1], x.shape[2]) / x.size(-1)
        if not self.conditional:
            return y * x.shape[0]
        return y * x.shape[0] if self.training else y + x.shape[1]


def _net(conditional: bool) -> nn.Module:
    return nn.Sequential(Often(conditional), nn.Tanh())


def _checked(conditional: bool) -> str:
    model = _net(conditional)
    graph = gn.trace(model, torch.randn(2, 3, 4))
    network = gn.build(graph)
    x = torch.randn(5, 2, 7)
    for training in (False, True):
        assert same(network.train(training)(x), model.train(training)(x))
    return gn.emit(graph)


def test_sizes_read_often_are_read_off_one_shape() -> None:
    text = _checked(conditional=False)
    assert "shape = x.size()" in text
    assert "x.shape" not in text


def test_sizes_read_in_one_mode_stay_where_they_are() -> None:
    assert "x.size()" not in _checked(conditional=True)


def test_supernets_read_sizes_where_they_need_them() -> None:
    space = gn.mutate(gn.trace(_net(conditional=False), torch.randn(2, 3, 4)), gn.Swap(nn.Tanh, {"relu": nn.ReLU}))
    x = torch.randn(5, 2, 7)
    supernet = gn.build(space)
    for option in ("original", "relu"):
        assert same(supernet(x, plan={"1": option}), gn.build(gn.specialize(space, {"1": option}))(x))
