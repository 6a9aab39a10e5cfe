"""A child that is built without weights starts as its original would: every tensor has that mean and deviation."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

import graphnas as gn
from benchmarks.starts import BAR, SEEDS, Moments, compared, deviation
from tests.laws.networks import NETWORKS, Network


class Own(nn.Module):
    """Parameters of its own, started in several ways."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.randn(40, 30) * 0.3 + 0.1)
        self.mask = nn.Parameter(torch.rand(40, 30).sub_(0.5).clamp_(min=0))
        self.fused = nn.Parameter(torch.empty(40, 30))
        self.words = nn.Embedding(30, 30, padding_idx=3)
        with torch.no_grad():
            nn.init.xavier_uniform_(self.fused[:10])
            self.fused[10:].normal_(0.5, 0.01)
            self.words.weight.mul_(0.1)

    def forward(self, x: Tensor) -> Tensor:
        return x @ (self.table + self.mask + self.fused).T + self.words(torch.zeros(1, dtype=torch.long)).sum()


@pytest.mark.parametrize("network", NETWORKS, ids=repr)
def test_child_without_weights_starts_as_its_original(network: Network) -> None:
    found = compared(network.factory, network.example(*network.traced))
    assert max(found.values()) < BAR, max(found, key=lambda name: found[name])


def test_bare_parameters_start_as_those_of_the_original() -> None:
    found = compared(Own, torch.zeros(2, 30), 3 * SEEDS)
    assert max(found.values()) < BAR, found


@pytest.mark.parametrize("network", NETWORKS, ids=repr)
def test_every_seed_gives_other_draws(network: Network) -> None:
    with gn.recording():
        model = network.factory()
    graph = gn.trace(model, network.example(*network.traced))
    states = []
    for seed in (1, 2, 1):
        torch.manual_seed(seed)
        states.append(gn.build(graph).state_dict())
    drawn = [name for name, tensor in model.state_dict().items() if tensor.is_floating_point() and tensor.std() > 0]
    assert drawn
    assert not [name for name in drawn if torch.equal(states[0][name], states[1][name])]
    assert all(torch.equal(states[0][name], states[2][name]) for name in drawn)


def test_deviation_sees_another_distribution() -> None:
    torch.manual_seed(0)
    samples = [torch.randn(2000), torch.randn(2000), torch.randn(2000) * 1.2, torch.randn(2000) + 0.2, torch.ones(5)]
    found = []
    for sample in samples:
        found.append(Moments())
        found[-1].add(sample)
    assert deviation(found[0], found[1]) < BAR
    assert all(deviation(found[0], other) > BAR for other in found[2:4])
    assert deviation(found[4], found[4]) == 0
