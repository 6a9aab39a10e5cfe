"""Supernets of networks in which what runs depends on the plan in ways that no published network shows."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import graphnas as gn


class Backbone(nn.Module):
    """Two results, one behind a BatchNorm that only it needs; counts its calls."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(6, 6)
        self.norm = nn.BatchNorm1d(6)
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        self.calls += 1
        x = self.first(x)
        return x, self.norm(x)


class Sum(nn.Module):
    """Of both results."""

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        return first + second


class First(nn.Module):
    """Of two results the first."""

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        return torch.tanh(first)


class Branching(nn.Module):
    """A backbone of which some architectures want one result."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = Backbone()
        self.head = Sum()

    def forward(self, x: Tensor) -> Tensor:
        return self.head(*self.backbone(x))


class Around(nn.Module):
    """Calls the sum one module deeper."""

    def __init__(self) -> None:
        super().__init__()
        self.head = Sum()
        self.last = nn.Linear(6, 3)

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        return self.last(self.head(first, second))


class Deeper(nn.Module):
    """What only some architectures want is an argument of a module in which the choice stands."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(6)
        self.around = Around()

    def forward(self, x: Tensor) -> Tensor:
        return self.around(x, self.norm(x))


class Frozen(nn.Module):
    """A part that is not differentiated, with an activation in it."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(6, 6)
        self.activation = nn.ReLU()
        self.head = Sum()

    def forward(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            x = self.first(x)
            hidden = self.activation(x)
        return self.head(x, hidden * 2)


class Residual(nn.Module):
    """An activation whose input is read again behind it."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(6, 6)
        self.activation = nn.ReLU()
        self.second = nn.Linear(6, 6)

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        return self.second(self.activation(x)) + x.view(-1, 6)


class Counting(nn.Module):
    """All that it does itself is to count, in training."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(6, 6), nn.ReLU())
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            self.calls.add_(1)
        return self.body(x)


class InPlace(nn.Module):
    """An alternative that writes into what it is given, several times."""

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(F.dropout(x, 0.5, self.training, inplace=True), inplace=True)


class Averaging(nn.Module):
    """Keeps a running mean, updated by two writes in a row, and uses it; counts unread."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(6, 6), nn.ReLU())
        self.register_buffer("mean", torch.zeros(6))
        self.register_buffer("total", torch.zeros(6))

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            self.mean.mul_(0.9).add_(x.detach().mean(0) * 0.1)
        self.total.mul_(0.5).add_(1)
        return self.body(x) - self.mean


FIRST = gn.Swap(Sum, {"first": lambda _: First()})
IN_PLACE = gn.Swap(nn.ReLU, {"in_place": lambda _: InPlace(), "silu": nn.SiLU(inplace=True)})
CASES = [
    (Branching, (FIRST,)),
    (Deeper, (FIRST,)),
    (Frozen, (gn.Swap(nn.ReLU, {"tanh": nn.Tanh}), FIRST)),
    (Residual, (IN_PLACE,)),
    (Residual, (IN_PLACE, gn.Skip("second"))),
    (Residual, (gn.Skip("first"), IN_PLACE)),
    (Counting, (gn.Swap(nn.ReLU, {"tanh": nn.Tanh}),)),
    (Averaging, (gn.Swap(nn.ReLU, {"tanh": nn.Tanh}), gn.Skip("body"))),
]


@pytest.mark.parametrize("training", [False, True], ids=["eval", "train"])
@pytest.mark.parametrize(("make", "rules"), CASES)
def test_supernet_equals_its_children(make: Callable[[], nn.Module], rules: tuple[object, ...], training: bool) -> None:
    torch.manual_seed(0)
    model, x = make(), torch.randn(4, 6)
    space = gn.mutate(gn.trace(model, x), *rules)
    supernet = gn.build(space, model.state_dict()).train(training)
    start = copy.deepcopy(supernet.state_dict())
    archs = list(gn.enumerate_archs(space))
    assert len(archs) == space.size() > 1
    for arch in archs:
        supernet.load_state_dict(start)
        supernet.zero_grad()
        child = gn.build(gn.specialize(space, arch), start).train(training)
        found, expected = _step(supernet, x, plan=arch), _step(child, x)
        assert torch.equal(found, expected), arch
        state = supernet.state_dict()
        for name, tensor in {**start, **child.state_dict()}.items():
            assert torch.equal(state[name], tensor), (name, arch)
        gradients = {name: parameter.grad for name, parameter in child.named_parameters()}
        for name, parameter in supernet.named_parameters():
            gradient = gradients.get(name)
            assert (parameter.grad is None) == (gradient is None), (name, arch)
            assert gradient is None or torch.equal(parameter.grad, gradient), (name, arch)


def _step(network: nn.Module, x: Tensor, **kwargs: object) -> Tensor:
    torch.manual_seed(1)
    output: Tensor = network(x.clone(), **kwargs)
    if output.requires_grad:
        output.square().sum().backward()
    return output.detach()


def test_two_writes_in_a_row_are_one_update() -> None:
    torch.manual_seed(0)
    model, x = Averaging(), torch.randn(4, 6)
    network = gn.build(gn.trace(model, x), model.state_dict())
    for training in (True, False, True):
        assert torch.equal(network.train(training)(x), model.train(training)(x))
        assert all(map(torch.equal, network.state_dict().values(), model.state_dict().values()))


def test_the_model_itself_counts_in_training_alone() -> None:
    model, x = Counting(), torch.randn(4, 6)
    network = gn.build(gn.trace(model, x), model.state_dict())
    for training, calls in ((False, 0), (True, 1), (False, 1)):
        network.train(training)(x)
        assert network.calls.item() == calls
