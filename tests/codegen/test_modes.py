"""Models that do something else in training: writes stay, and values pass between calls in the mode that has them."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

import graphnas as gn

X = torch.randn(3, 8, generator=torch.Generator().manual_seed(1))


class Counting(nn.Module):
    """Counts its calls in training, and uses the count in both modes."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(8, 8)
        self.register_buffer("calls", torch.ones(8))

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            self.calls += 1
        return self.linear(x) * self.calls


class CountingLate(Counting):
    """Reads the old count in evaluation alone."""

    def forward(self, x: Tensor) -> Tensor:
        x = self.linear(x)
        if self.training:
            self.calls += 1
            return x
        return x * self.calls


class Twice(nn.Module):
    """Calls a module that counts two times."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = Counting()

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(self.inner(x))


class Head(nn.Module):
    """Adds what it is given, if anything, and has a second result in training."""

    def __init__(self) -> None:
        super().__init__()
        self.linear, self.extra = nn.Linear(8, 8), nn.Linear(8, 8)

    def forward(self, x: Tensor, given: Tensor | None) -> tuple[Tensor, Tensor | None]:
        x = self.linear(x)
        return (x if given is None else x + given), (self.extra(x) if self.training else None)


class Auxiliary(nn.Module):
    """What one module has in training alone goes to the next, and to the root."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = Head(), Head()

    def forward(self, x: Tensor) -> Tensor:
        given = x * 2 if self.training else None
        x, given = self.first(x, given)
        x, given = self.second(x, given)
        return x if given is None else x + given


@pytest.mark.parametrize("make", [Counting, CountingLate, Twice, Auxiliary])
def test_modes_keep_what_is_theirs(make: type[nn.Module]) -> None:
    torch.manual_seed(0)
    model = make()
    graph = gn.trace(model, X)
    space = gn.mutate(graph, gn.Skip("*linear"))
    held = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    child, supernet = gn.build(graph, held), gn.build(space, held)
    for training in (False, True, True, False):
        expected = model.train(training)(X)
        assert torch.equal(child.train(training)(X), expected)
        assert torch.equal(supernet.train(training)(X, plan=gn.default(space)), expected)
        for name, tensor in model.state_dict().items():
            assert torch.equal(child.state_dict()[name], tensor)
            assert torch.equal(supernet.state_dict()[name], tensor)
