"""Blocks that a stage builds from one argument have buffers of their own."""

from __future__ import annotations

import torch
from torch import Tensor, nn

import graphnas as gn


class Counting(nn.Module):
    """Writes to a buffer in every call."""

    count: Tensor

    def __init__(self, start: list[float]) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 4)
        self.register_buffer("count", torch.tensor(start), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        self.count += 1.0
        return self.linear(x) * self.count.sum()


class Stage(nn.Module):
    """Several blocks that start alike."""

    def __init__(self, start: list[float]) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(Counting(start) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        for block in self.blocks:
            x = block(x)
        return x


def test_blocks_of_a_stage_do_not_share_the_buffer_that_it_is_given() -> None:
    model = nn.Sequential(Stage([1.0, 3.0]), Stage([2.0, 5.0, 7.0]))
    x = torch.randn(2, 4)
    child = gn.build(gn.trace(model, x), weights=model.state_dict())
    assert torch.equal(child(x), model(x))
    assert torch.equal(child(x), model(x))
    assert [name for name, _ in child.named_buffers()] == [name for name, _ in model.named_buffers()]
