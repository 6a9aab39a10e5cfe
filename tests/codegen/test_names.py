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


class Held(nn.Module):
    """Tensors and layers under names that are no identifiers, of sizes that differ between instances."""

    def __init__(self, size: int) -> None:
        super().__init__()
        linear = nn.Linear(4, 4)
        self.terms = nn.ParameterList([nn.Parameter(torch.randn(size))])
        self.register_parameter("if", nn.Parameter(torch.randn(size)))
        self.register_buffer("a-b", torch.arange(size) ** 2)
        self.add_module("l-1", linear)
        self.add_module("l-2", linear)
        self.plain = nn.Module()
        self.plain.linear = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.get_submodule("l-2")(self.get_submodule("l-1")(x)) + self.get_buffer("a-b").sum()
        y: Tensor = self.plain.linear(x) * self.terms[0].sum() + self.get_parameter("if").sum()
        return y


def test_names_that_are_no_identifiers_are_spelled() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(Held(3), Held(5))
    check(model)
    assert list(gn.build(gn.trace(model, X), model.state_dict()).state_dict()) == list(model.state_dict())


class Inner(nn.Module):
    """Is given what it calls by names of functions."""

    def forward(self, max: Tensor, torch: Tensor, slice: Tensor) -> Tensor:
        y: Tensor = F.softmax(max[0 : torch.shape[0]], -1).mul(torch)[..., 1:] - slice.clamp(-float("inf"), 1.0)
        return y


class Outer(nn.Module):
    """Its parameters are called as what a file has a use for, if not here."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = Inner()

    def forward(self, plan: Tensor) -> Tensor:
        y: Tensor = self.inner(plan, plan * 2, plan[:, 1:])
        return y


class Hiding(nn.Module):
    """Its parameter hides a module that `forward` needs."""

    def forward(self, torch: Tensor) -> Tensor:
        y: Tensor = torch.sigmoid() + F.softplus(torch).new_ones(3, 4, dtype=X.dtype).logical_not()
        return y


def test_parameters_hide_nothing() -> None:
    check(Outer())
    with pytest.raises(gn.EmitError, match="'torch'"):
        gn.emit(gn.trace(Hiding(), X))
    with pytest.raises(gn.EmitError, match="'plan'"):
        gn.emit(gn.mutate(gn.trace(Outer(), X), gn.Swap("*softmax", {"same": nn.Identity})))
