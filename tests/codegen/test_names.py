"""Names of the user's that emitted files also have a use for."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import graphnas as gn

X = torch.randn(3, 4, generator=torch.Generator().manual_seed(1))


class Dropping(nn.Module):
    """Differs from others of its class in an argument that is called as every module's mode."""

    def __init__(self, rate: float, always: bool) -> None:
        super().__init__()
        self.linear, self.p = nn.Linear(4, 4), nn.Linear(4, 4)
        self.rate, self.always = rate, always

    def forward(self, x: Tensor) -> Tensor:
        return self.p(F.dropout(self.linear(x), p=self.rate, training=self.always))


class Scaling(nn.Module):
    """Differs from others of its class in numbers, and has layers that are called as their arguments would be."""

    def __init__(self, factor: float, dim: int) -> None:
        super().__init__()
        self.mul_1, self.dim = nn.Linear(4, 4), nn.Linear(4, 4)
        self.register_buffer("mul_1_2", torch.ones(4))
        self.factor, self.axis = factor, dim

    def forward(self, x: Tensor) -> Tensor:
        return (self.dim(self.mul_1(x)) * self.factor + self.mul_1_2).softmax(dim=self.axis)


class Calling(nn.Module):
    """Has a layer that is called as a second `forward` would be."""

    def __init__(self, activation: nn.Module) -> None:
        super().__init__()
        self.forward_1, self.nn = nn.Linear(4, 4), activation
        self.last = nn.Linear(4, 4)

    def forward(self, x: Tensor, factor: float) -> Tensor:
        return self.last(self.nn(self.forward_1(x))) * factor


class Net(nn.Module):
    """Two modules of one class, each called twice."""

    def __init__(self, first: nn.Module, second: nn.Module, *rest: float) -> None:
        super().__init__()
        self.first, self.second, self.rest = first, second, rest

    def forward(self, x: Tensor) -> Tensor:
        x = self.second(self.first(x, *self.rest[:1]), *self.rest[:1])
        return self.second(self.first(x, *self.rest[1:]), *self.rest[1:])


NETS: tuple[Callable[[], nn.Module], ...] = (
    lambda: Net(Dropping(0.5, True), Dropping(0.25, False)),
    lambda: Net(Scaling(1.5, 0), Scaling(2.5, 1)),
    lambda: Net(Calling(nn.ReLU()), Calling(nn.SiLU()), 2.0, 3.0),
)


def check(model: nn.Module) -> None:
    """The emitted network computes what the model does, in both modes."""
    network = gn.build(gn.trace(model, X), model.state_dict())
    for training in (False, True):
        torch.manual_seed(1)
        expected = model.train(training)(X)
        torch.manual_seed(1)
        assert torch.equal(network.train(training)(X), expected)


@pytest.mark.parametrize("make", NETS)
def test_attributes_and_arguments_do_not_meet(make: Callable[[], nn.Module]) -> None:
    torch.manual_seed(0)
    check(make())


@pytest.mark.parametrize("name", ["F", "nn", "torch", "build", "range", "super"])
def test_classes_are_not_called_as_what_the_file_needs(name: str) -> None:
    made = type(name, (nn.Sequential,), {"forward": lambda self, x: F.gelu(self[0](x))})
    check(nn.Sequential(made(nn.Linear(4, 4)), *(nn.Linear(4, 4) for _ in range(4))))
    check(made(nn.Linear(4, 4)))
