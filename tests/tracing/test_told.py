"""What a graph leaves out of a model, and a warning tells."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

import graphnas as gn
from graphnas.errors import TraceWarning
from tests.laws.networks import assert_same, run


class Noting(nn.Module):
    """Notes the last mean in a buffer that is made on the way, and reads it nowhere."""

    def __init__(self, slot: bool) -> None:
        super().__init__()
        self.lin = nn.Linear(4, 4)
        if slot:
            self.register_buffer("mean", None)

    def forward(self, x: Tensor) -> Tensor:
        x = self.lin(x)
        if "mean" in self._buffers:
            self.mean = x.detach().mean(0)
        else:
            self.register_buffer("mean", x.detach().mean(0))
        return x


class Checkpointed(nn.Module):
    """Computes a part anew in the backward pass."""

    def __init__(self) -> None:
        super().__init__()
        self.block = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Dropout(0.3))
        self.head = nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = checkpoint(self.block, x, use_reentrant=False) if self.training else self.block(x)
        return self.head(x)  # type: ignore[no-any-return]


def assert_does_the_same(model: nn.Module, graph: Any, batch: int) -> None:
    network = gn.build(graph, model.state_dict())
    weights = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    x = torch.randn(batch, 4)
    for training in (False, True):
        assert_same(*(run(each, weights, x, training=training) for each in (model, network)))


@pytest.mark.parametrize("slot", [False, True])
def test_buffer_that_forward_makes(slot: bool) -> None:
    model, x = Noting(slot), torch.randn(3, 4)
    with pytest.warns(TraceWarning, match="the buffer 'mean' of Noting is made in forward"):
        graph = gn.trace(model, x)
    network = gn.build(graph, model.state_dict())
    assert torch.equal(network(x), model(x))
    assert "mean" in model.state_dict()
    assert "mean" not in network.state_dict()


def test_checkpoint() -> None:
    torch.manual_seed(0)
    model = Checkpointed()
    with pytest.warns(TraceWarning, match="a checkpoint is no part of the graph"):
        graph = gn.trace(model, torch.randn(2, 4))
    assert_does_the_same(model, graph, 3)


def test_tensors_that_do_not_lie_row_by_row() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3))
    gn.trace(model, torch.randn(2, 3, 6, 6))
    with pytest.warns(TraceWarning, match=r"tensors of Sequential do not lie row by row .* such as '0\.weight'"):
        gn.trace(model.to(memory_format=torch.channels_last), torch.randn(2, 3, 6, 6))


def test_hooks_on_the_gradients_of_parameters() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.ReLU())
    assert_does_the_same(model, gn.trace(model, torch.randn(2, 4)), 3)
    model[0].weight.register_hook(lambda gradient: gradient * 2)
    model[0].bias.register_post_accumulate_grad_hook(lambda parameter: None)
    with pytest.warns(TraceWarning, match=r"the hooks on the backward pass of '0\.weight', '0\.bias' are no part"):
        gn.trace(model, torch.randn(2, 4))
