"""Repeated modules as loops, in constructors and in what is computed."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

import graphnas as gn
from tests.laws.networks import assert_same, run


class Layer(nn.Module):
    """A layer that is given all that came before."""

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(in_features)
        self.linear = nn.Linear(in_features, out_features)

    def forward(self, x: Tensor) -> Tensor:
        """Normalized first."""
        return torch.relu(self.linear(self.norm(x)))


class Dense(nn.Module):
    """Layers whose results are gathered; `kind` says how they are read."""

    def __init__(self, depth: int, in_features: int = 4, growth: int = 3, kind: str = "cat") -> None:
        super().__init__()
        self.layers = nn.ModuleList(Layer(in_features + growth * place, growth) for place in range(depth))
        self.kind = kind

    def forward(self, x: Tensor) -> Tensor:
        """All results in one."""
        features = [x]
        for layer in self.layers:
            features.append(layer(torch.cat(features, 1)))
        if self.kind == "last":
            return features[-1]
        if self.kind == "one":
            return torch.cat(features, 1) + features[1].mean()
        if self.kind == "some":
            return torch.cat(features[1:], 1)
        return torch.cat(features, 1) * (torch.cat(features, 1) if self.kind == "twice" else 1)


def source_of(model: nn.Module) -> str:
    """What is emitted for a network that is then equal to it."""
    graph = gn.trace(model, torch.ones(2, 4))
    weights = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    network = gn.build(graph, weights)
    assert list(network.state_dict()) == list(weights)
    x = torch.randn(3, 4, generator=torch.Generator().manual_seed(1))
    for training in (False, True):
        assert_same(run(model, weights, x, training=training), run(network, weights, x, training=training))
    return gn.emit(graph)


GATHERED = """
        features = [x]
        for layer in self.layers:
            features.append(layer(torch.cat(features, 1)))
"""


@pytest.mark.parametrize("kind", ["cat", "twice"])
def test_results_that_are_read_together_are_gathered_in_a_list(kind: str) -> None:
    source = source_of(Dense(5, kind=kind))
    assert GATHERED in source
    assert "nn.ModuleList(Layer(4 + 3 * place) for place in range(5))" in source


@pytest.mark.parametrize("kind", ["last", "one", "some"])
def test_results_that_are_read_one_by_one_are_not(kind: str) -> None:
    assert "for layer in" not in source_of(Dense(4, kind=kind))


def test_blocks_of_different_depths_share_a_class() -> None:
    source = source_of(nn.Sequential(Dense(3), Dense(4, 13), Dense(6, 25)))
    assert source.count("\nclass ") == 3
    assert "Dense(4, 3), Dense(13, 4), Dense(25, 6)" in source


class Stack(nn.Module):
    """Equal layers in a row."""

    def __init__(self, depth: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(*(Layer(4, 4) for _ in range(depth)))
        self.last = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        """All in turn."""
        return x + self.last(self.layers(x))


def test_rows_of_different_lengths_share_a_class() -> None:
    source = source_of(nn.Sequential(Stack(3), Stack(5), Stack(4)))
    assert "nn.Sequential(*(Layer() for _ in range(depth)))" in source
    assert "Stack(3), Stack(5), Stack(4)" in source


class Widths(nn.Module):
    """Layers of widths that do not rise by equal steps, or by steps of one."""

    def __init__(self, widths: tuple[int, ...]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(Layer(width, 4) for width in widths)

    def forward(self, x: Tensor) -> Tensor:
        """The sum of what each makes of the first features."""
        out = x
        for layer in self.layers:
            out = out + layer(torch.cat([x, x, x], 1)[:, : layer.norm.normalized_shape[0]])
        return out


def test_only_equal_steps_become_a_loop() -> None:
    assert "place" not in source_of(Widths((4, 6, 7, 12)))
    assert "Layer(4 + place) for place in range(4)" in source_of(Widths((4, 5, 6, 7)))
    assert "place" not in source_of(Widths((7, 6, 5, 4)))


class Moved(nn.Module):
    """Layers that are all given what a layer returned before: its name must outlast the loop."""

    def __init__(self) -> None:
        super().__init__()
        self.position = nn.Linear(4, 4)
        self.layers = nn.ModuleList(Shift() for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        """Nobody needs `x` any more when the loop begins, but for what took its name."""
        y = torch.tanh(x)
        moved = self.position(x)
        for layer in self.layers:
            y = layer(y, moved)
        return y


class Shift(nn.Module):
    """A layer of two arguments."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 4)

    def forward(self, query: Tensor, moved: Tensor) -> Tensor:
        """Their order counts."""
        return torch.relu(self.linear(query)) - moved


def test_what_every_round_is_given_keeps_its_name_through_the_loop() -> None:
    torch.manual_seed(0)
    assert "for layer in self.layers:" in source_of(Moved())
