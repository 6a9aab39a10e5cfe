"""Sizes that are read often are read off one shape, where they are read whatever happens."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
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


class Named(nn.Module):
    """Takes shapes apart as people do: of what it is given, and of what it computes."""

    def __init__(self) -> None:
        super().__init__()
        self.proj = nn.Linear(6, 8)

    def forward(self, x: Tensor) -> Tensor:
        B, T, _ = x.shape
        y = self.proj(x).view(B, T, 2, 4).transpose(1, 2)
        batch, heads, length, _ = y.size()
        return y.reshape(batch * heads, length, -1).sum(-1).view(batch, heads, length) / T


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


def test_sizes_are_called_as_in_the_users_code(tmp_path: Path) -> None:
    model = Named()
    graph = gn.trace(model, torch.randn(2, 3, 6))
    text = gn.emit(graph)
    assert "B, T, _ = x.size()" in text
    assert "batch, heads, length, _ = y.size()" in text
    gn.save(graph, tmp_path / "graph.json")
    assert gn.emit(gn.load(tmp_path / "graph.json")) == text
    x = torch.randn(5, 4, 6)
    assert same(gn.build(graph, model.state_dict())(x), model(x))


def test_names_of_sizes_are_no_part_of_what_a_graph_says() -> None:
    graph = gn.trace(Named(), torch.randn(2, 3, 6))
    data = json.loads(gn.to_json(graph))
    for node in data["nodes"]:
        node.pop("sizes", None)
    bare = gn.from_json(json.dumps(data))
    assert bare == graph
    assert "shape = x.size()" not in gn.emit(bare)
    assert "B, T" not in gn.emit(bare)


@pytest.mark.parametrize(("names", "message"), [(["1 = 2"], "no name of a variable"), ([["B"]] * 9, "not as many")])
def test_names_of_sizes_from_others_are_checked(names: list[object], message: str) -> None:
    data = json.loads(gn.to_json(gn.trace(Named(), torch.randn(2, 3, 6))))
    node = next(node for node in data["nodes"] if "sizes" in node)
    node["sizes"] = [names if isinstance(names[0], str) else names[0]] * len(names)
    with pytest.raises(gn.GraphError, match=message):
        gn.from_json(json.dumps(data))
