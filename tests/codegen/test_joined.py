"""Classes of modules that differ in parts, where these decide, start by themselves, are kept whole or hide names."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import graphnas as gn
from graphnas.tracing.examples import Example
from tests.codegen.test_optional import Net, made
from tests.laws.networks import assert_same, run
from tests.tracing import whole


class Deciding(nn.Module):
    """Decides in several ways, with parts before, in between and behind that only some have."""

    def __init__(self, how: str, *parts: str) -> None:
        super().__init__()
        self.how = how
        for part in ("first", "inside", "between", "last"):
            if part in parts:
                setattr(self, part, nn.Linear(8, 8))
        self.one, self.two, self.three = nn.Linear(8, 8), nn.Linear(8, 8), nn.Linear(8, 8)

    def decides(self, x: Tensor) -> bool:
        """By a size, by the data, or by the mode."""
        if self.how == "size":
            return x.shape[0] > 3
        return bool(x.abs().max() > 50) if self.how == "data" else self.training

    def part(self, name: str, x: Tensor) -> Tensor:
        """A part, if it is there."""
        return getattr(self, name)(x) if hasattr(self, name) else x

    def forward(self, x: Tensor) -> Tensor:
        """A block of each arm in which a part may be, and another condition inside."""
        x = self.part("first", x)
        if self.decides(x):
            x = torch.relu(self.one(x))
            x = self.part("inside", x)
            x = self.two(x) * 2
        else:
            x = self.three(x)
        x = self.part("between", x)
        if self.decides(x):
            x = x - x.mean(0)
            if self.training:
                x = self.part("inside", x) + 1
        return self.part("last", x)


def inputs(batch: int, scale: float = 1.0) -> Tensor:
    """A batch."""
    return scale * torch.randn(batch, 8, generator=torch.Generator().manual_seed(batch))


EXAMPLES = [gn.example(inputs(2)), gn.example(inputs(5)), gn.example(inputs(2, 1000.0)), gn.example(inputs(5, 1000.0))]
KINDS: list[list[tuple[str, ...]]] = [
    [(), ("first",), ("last",)],
    [(), ("inside",)],
    [("inside",), (), ("between",), ()],
    [(), ("first", "between"), ("inside", "last"), ("first", "inside", "between", "last")],
]


def joined(make: Callable[[], nn.Module], examples: Sequence[Example] = EXAMPLES, xs: Sequence[Tensor] = ()) -> str:
    """What is emitted for a network: equal to it with those inputs in both modes."""
    torch.manual_seed(0)
    model = make()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        source = gn.emit(gn.trace(model, *examples))
    network = made(source)
    weights = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    assert list(network.state_dict()) == list(weights)
    for training, x in itertools.product((False, True), xs or [example.args[0] for example in examples]):
        assert_same(run(model, weights, x, training=training), run(network, weights, x, training=training))
    return source


@pytest.mark.parametrize("kinds", KINDS, ids=repr)
@pytest.mark.parametrize("how", ["size", "data", "mode"])
def test_blocks_that_decide_and_differ_in_parts(how: str, kinds: list[tuple[str, ...]]) -> None:
    joined(lambda: Net(*(Deciding(how, *parts) for parts in kinds)))


def test_blocks_that_decide_in_different_ways() -> None:
    joined(lambda: Net(*(Deciding(how, "first") for how in ("size", "data", "mode")), Deciding("size", "inside")))


class Turning(nn.Module):
    """Adds up, in training, what a layer returns that only some have, or what was there before."""

    def __init__(self, first: bool = True, last: bool = False) -> None:
        super().__init__()
        self.inside = nn.Linear(8, 8)
        self.first = nn.Linear(8, 8) if first else None
        self.last = nn.Linear(8, 8) if last else None

    def forward(self, x: Tensor) -> Tensor:
        """What is computed in training alone is read there alone."""
        with torch.no_grad():
            other = x * 2
        if self.training:
            x, other = other, torch.tanh(self.inside(x))
        if self.first is not None:
            x = torch.tanh(self.first(x))
        if self.training:
            x, other = other, x if self.last is None else torch.tanh(self.last(x))
        return x + other


def test_what_is_computed_in_training_alone_has_no_second_name_elsewhere() -> None:
    kinds: list[dict[str, bool]] = [{}, {"last": True}, {}, {"first": False}]
    source = joined(lambda: Net(*(Turning(**kind) for kind in kinds)))
    assert source.count("\nclass ") == 2


class Bounded(nn.Module):
    """Decides by a bound of its own."""

    def __init__(self, bound: int, last: bool = False) -> None:
        super().__init__()
        self.bound = bound
        self.one, self.two = nn.Linear(8, 8), nn.Linear(8, 8)
        self.last = nn.Linear(8, 8) if last else None

    def forward(self, x: Tensor) -> Tensor:
        """One layer or two."""
        x = torch.relu(self.one(x))
        if x.shape[0] > self.bound:
            x = self.two(x)
            if self.last is not None:
                x = torch.tanh(self.last(x))
            x = x * x.shape[0]
        return x.clamp(-self.bound, self.bound)


def test_bounds_that_differ() -> None:
    examples = [gn.example(inputs(batch)) for batch in (2, 4, 6)]
    joined(lambda: Net(Bounded(3), Bounded(3, True), Bounded(5), Bounded(5, True), Bounded(3)), examples)


class Masked(nn.Module):
    """A mask that may be left out, and a part that may not be there."""

    def __init__(self, gate: bool = False) -> None:
        super().__init__()
        self.one, self.two = nn.Linear(8, 8), nn.Linear(8, 8)
        self.gate = nn.Linear(8, 8) if gate else None

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """The mask, if any, before the gate, if any."""
        x = torch.relu(self.one(x))
        if mask is not None:
            x = x.masked_fill(mask, 0.5)
        if self.gate is not None:
            x = x * torch.sigmoid(self.gate(x))
        x = self.two(x)
        return x if mask is None else x.masked_fill(mask, -0.5)


class Maskable(nn.Module):
    """Hands a mask on."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList([Masked(), Masked(True), Masked(), Masked(True)])

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """All in turn."""
        for block in self.blocks:
            x = block(x, mask)
        return x


def test_inputs_that_may_be_left_out() -> None:
    torch.manual_seed(0)
    model = Maskable()
    x, mask = inputs(4), inputs(4) > 0.3
    network = made(gn.emit(gn.trace(model, gn.example(x, mask), gn.example(x))))
    network.load_state_dict(model.state_dict())
    assert torch.equal(model(x), network(x))
    assert torch.equal(model(x, mask), network(x, mask))


# ---------------------------------------------------------------- how tensors start
class Scaled(nn.Module):
    """A layer whose result is scaled, and that may have a shift and a shortcut."""

    def __init__(self, scale: float, shift: bool = False, extra: bool = False) -> None:
        super().__init__()
        self.linear = nn.Linear(8, 8)
        nn.init.normal_(self.linear.weight, std=scale)
        self.norm = nn.LayerNorm(8)
        self.scale = nn.Parameter(torch.full((8,), scale))
        self.shift = nn.Parameter(torch.rand(8)) if shift else None
        self.extra = nn.Linear(8, 8, bias=False) if extra else None
        if self.extra is not None:
            nn.init.zeros_(self.extra.weight)

    def forward(self, x: Tensor) -> Tensor:
        """Scaled, shifted."""
        out = self.norm(torch.relu(self.linear(x))) * self.scale
        if self.shift is not None:
            out = out + self.shift
        if self.extra is not None:
            x = self.extra(x)
        return x + out


@pytest.mark.parametrize("scales", [(0.1, 0.1, 0.1, 0.1, 0.1), (0.1, 0.2, 0.1, 0.3, 0.1)])
def test_starts_in_a_class_of_several_kinds(scales: tuple[float, ...]) -> None:
    def make() -> nn.Module:
        kinds = [{}, {"shift": True}, {"extra": True}, {"shift": True, "extra": True}, {"shift": True}]
        return Net(*(Scaled(scale, **kind) for scale, kind in zip(scales, kinds, strict=True)))

    torch.manual_seed(0)
    with gn.recording():
        model = make()
    source = gn.emit(gn.trace(model, inputs(2)))
    assert source.count("\nclass ") == 2
    network = made(source)
    for name, tensor in model.state_dict().items():
        own = network.state_dict()[name]
        if tensor.unique().numel() == 1:
            assert torch.equal(own, tensor), name
        elif tensor.dim() == 2:
            assert 0.6 < float(own.std() / tensor.std()) < 1.7, name
        else:
            assert own.unique().numel() == own.numel(), name
    network.load_state_dict(model.state_dict())
    assert torch.equal(model(inputs(3)), network(inputs(3)))


# ---------------------------------------------------------------- what is kept whole, shared, or badly named
class Around(nn.Module):
    """Something that cannot be recorded, with parts around it that only some have."""

    def __init__(self, inner: nn.Module, before: bool = False, after: bool = False) -> None:
        super().__init__()
        self.before = nn.Linear(8, 8) if before else None
        self.one, self.inner, self.two = nn.Linear(8, 8), inner, nn.Linear(8, 8)
        self.after = nn.Linear(8, 8) if after else None

    def forward(self, x: Tensor) -> Tensor:
        """In turn."""
        x = x if self.before is None else self.before(x)
        x = self.two(self.inner(self.one(x)))
        return x if self.after is None else self.after(x)


def test_modules_kept_whole_in_classes_of_several_kinds() -> None:
    def make() -> nn.Module:
        inner: Any = whole.Numpy
        return Net(Around(inner(8, 3.0)), Around(inner(8, 2.0), before=True), Around(inner(8, 3.0), after=True),
                   Around(nn.Tanh()), Around(nn.ReLU(), before=True))  # fmt: skip

    joined(make, EXAMPLES[:1])


def test_a_layer_without_state_that_several_kinds_share() -> None:
    act = nn.ReLU()
    joined(lambda: Net(Around(act), Around(act, before=True), Around(act, after=True), Around(nn.Tanh())), EXAMPLES[:1])


class Named(nn.Module):
    """Parts under names that the file, or a constructor in it, uses itself."""

    def __init__(self, *names: str, width: int = 8) -> None:
        super().__init__()
        self.names = names
        self.add_module("x", nn.Linear(8, width))
        for name in names:
            self.add_module(name, nn.Linear(width, width))
        self.y, self.z = nn.LayerNorm(width), nn.Linear(width, 8)
        self.negative = 0.1 * width

    def forward(self, x: Tensor) -> Tensor:
        """In turn."""
        x = self.get_submodule("x")(x)
        for name in self.names:
            x = nn.functional.leaky_relu(self.get_submodule(name)(x), self.negative)
        return self.z(self.y(x))


@pytest.mark.parametrize(
    "name", ["layers", "place", "torch", "nn", "F", "super", "range", "leaky_relu", "slope", "value"]
)
def test_parts_under_names_that_are_needed(name: str) -> None:
    joined(lambda: Net(Named(name), Named(), Named(name, width=4), Named(width=4), Named(f"has_{name}")), EXAMPLES[:1])
