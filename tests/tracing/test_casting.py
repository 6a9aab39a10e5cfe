"""A child computes under autocast as the model does: what asks for it is run with and without."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import graphnas as gn
from tests.models.gpt import gpt_small
from tests.models.resnet import resnet18
from tests.models.text import TextEncoder, texts
from tests.models.unet import UNet
from tests.models.vit import vit_small
from tests.tracing.comparison import leaves, same

X = torch.rand(3, 4, generator=torch.Generator().manual_seed(0))


def maybe(enabled: bool) -> AbstractContextManager[object]:
    """A region without autocast where there is any."""
    if torch.is_autocast_enabled("cpu") or enabled:
        return torch.autocast("cpu", enabled=enabled)
    return nullcontext()


class Layers(nn.Module):
    """Two layers."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(4, 4), nn.Linear(4, 4)


class Regions(Layers):
    """Leaves autocast where it is in it, in one mode only for a part."""

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        with maybe(enabled=False):
            y = x.float() @ self.last.weight
            if self.training:
                y = y + self.last(y)
        return self.last(x + y)


class Converting(Layers):
    """Converts back what autocast has made."""

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        if x.dtype != self.last.weight.dtype:
            x = x.to(self.last.weight.dtype).sin()
        return x.cos() @ x.T + self.last(x).sum()


class Deciding(Layers):
    """Does something else under autocast."""

    def forward(self, x: Tensor) -> Tensor:
        if torch.is_autocast_enabled("cpu"):
            return self.first(x) * 2
        with maybe(enabled=False):
            x = self.last(x)
        return x


class Sorting(Layers):
    """Looks a dtype up."""

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        return self.last(x * {torch.float32: 2.0, torch.bfloat16: 3.0}[x.dtype])


class Both(Layers):
    """Decides by what it is given as well."""

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        x = self.first(x)
        if y is not None:
            with maybe(enabled=False):
                x = x.float() @ y
        if x.dtype == torch.bfloat16:
            x = x * 2
        return self.last(x)


CASES: list[tuple[Callable[[], nn.Module], Sequence[tuple[Any, ...]]]] = [
    (Regions, [(X,)]),
    (Converting, [(X,)]),
    (Deciding, [(X,)]),
    (Sorting, [(X,)]),
    (Both, [(X,), (X, torch.rand(4, 4))]),
    (gpt_small, [(torch.ones(2, 7, dtype=torch.long),)]),
    (TextEncoder, [texts(2, 7), texts(2, 7, 2)]),
    (lambda: vit_small(), [(torch.rand(1, 3, 32, 32),)]),
    (resnet18, [(torch.rand(2, 3, 32, 32),)]),
    (lambda: UNet(), [(torch.rand(1, 3, 32, 32),)]),
]


def outcome(network: nn.Module, args: Sequence[Any], context: AbstractContextManager[object]) -> Any:
    """What a network gives, and the gradients of its parameters."""
    network.zero_grad()
    torch.manual_seed(0)
    with context:
        given = network(*copy.deepcopy(args))
    sum(part.float().square().sum() for part in leaves(given)).backward()  # type: ignore[union-attr]
    return given, {name: parameter.grad for name, parameter in network.named_parameters()}


@pytest.mark.parametrize("number", range(len(CASES)))
@pytest.mark.parametrize("training", [False, True])
def test_child_is_equal_with_and_without_autocast(number: int, training: bool) -> None:
    make, examples = CASES[number]
    torch.manual_seed(0)
    model = make()
    weights = copy.deepcopy(model.state_dict())
    child = gn.build(gn.trace(model, *(gn.example(*args) for args in examples)), weights)
    for args in examples:
        for around in (nullcontext(), torch.autocast("cpu", dtype=torch.bfloat16)):
            model.load_state_dict(weights)
            child.load_state_dict(weights)
            assert same(outcome(model.train(training), args, around), outcome(child.train(training), args, around))


def test_regions_are_entered_always() -> None:
    source = gn.emit(gn.trace(Regions(), X))
    assert source.count('with torch.autocast("cpu", enabled=False):') == 1
    assert "is_autocast_enabled" not in source
    assert "_guard" not in source


def test_decision_of_autocast_is_a_condition() -> None:
    source = gn.emit(gn.trace(Deciding(), X))
    assert 'torch.is_autocast_enabled("cpu")' in source
    source = gn.emit(gn.trace(Converting(), X))
    assert "if dtype != dtype_1:" in source


class Failing(Layers):
    """Cannot be recorded under autocast."""

    def forward(self, x: Tensor) -> Tensor:
        if torch.is_autocast_enabled("cpu"):
            x = torch.from_numpy(x.numpy())
        return self.first(x)


def test_what_cannot_be_recorded_under_autocast_refuses_it() -> None:
    child = gn.build(gn.trace(Failing(), X))
    child(X)
    with torch.autocast("cpu"), pytest.raises(ValueError, match=r"another condition: tests/tracing/test_casting\.py:"):
        child(X)


def test_model_that_is_traced_under_autocast_is_refused_without() -> None:
    with torch.autocast("cpu"):
        child = gn.build(gn.trace(Deciding(), X))
        child(X)
    with pytest.raises(ValueError, match="another condition"):
        child(X)
