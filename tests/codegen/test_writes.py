"""Writes that a rule brings near others who want what they overwrite: child and supernet agree, in everything."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

import graphnas as gn
from graphnas.ir.sampling import enumerate_archs
from tests.laws.networks import MOBILENET, RESNET_18, Network, run, same


class Net(nn.Module):
    """Layers of which the networks below are made."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, padding=1)
        self.conv = nn.Conv2d(4, 4, 3, padding=1)
        self.pool = nn.AvgPool2d(1)
        self.act = nn.GELU()
        self.relu = nn.ReLU(inplace=True)
        self.drop = nn.Dropout(0.3, inplace=True)
        self.out = nn.Conv2d(4, 2, 1)


class ReadBefore(Net):
    def forward(self, x: Tensor) -> Tensor:
        h = self.stem(x)
        a = self.conv(h)  # keeps h for its backward
        return self.out(a + self.act(h))


class ReadBehind(Net):
    def forward(self, x: Tensor) -> Tensor:
        h = self.stem(x)
        b = self.act(h)
        return self.out(self.conv(h) + b)


class OfAView(Net):
    def forward(self, x: Tensor) -> Tensor:
        h = self.stem(x)
        b = self.act(h.flatten(2)).unflatten(2, (8, 8))
        return self.out(self.conv(h) + b)


class ViewReadBehind(Net):
    def forward(self, x: Tensor) -> Tensor:
        h = self.stem(x)
        view = h.transpose(2, 3)
        b = self.act(h)
        return self.out(self.conv(view) + b)


class WrittenBehind(Net):
    def forward(self, x: Tensor) -> Tensor:
        h = self.stem(x)
        b = self.act(self.conv(h))
        b += h
        return self.out(b)


class DroppedBehind(Net):
    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.drop(self.act(self.stem(x))))


class DroppedBehindAView(Net):
    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.drop(self.act(self.stem(x)).transpose(2, 3)))


ALTERNATIVES: dict[str, Callable[[object], nn.Module]] = {
    "relu, drop in place": lambda site: nn.Sequential(nn.ReLU(), nn.Dropout(0.1, inplace=True)),
    "relu in place, drop in place": lambda site: nn.Sequential(nn.ReLU(inplace=True), nn.Dropout(0.1, inplace=True)),
    "drop in place": lambda site: nn.Dropout(0.1, inplace=True),
    "relu in place": lambda site: nn.ReLU(inplace=True),
    "silu in place": lambda site: nn.SiLU(inplace=True),
    "leaky in place": lambda site: nn.LeakyReLU(0.1, inplace=True),
    "relu": lambda site: nn.ReLU(),
    "sigmoid": lambda site: nn.Sigmoid(),
    "softmax": lambda site: nn.Softmax(1),
}
NETS = (ReadBefore, ReadBehind, OfAView, ViewReadBehind, WrittenBehind, DroppedBehind, DroppedBehindAView)
X = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(1))


def check(space: gn.Graph, weights: dict[str, Tensor], x: Tensor, archs: list[gn.Arch]) -> None:
    """Values, gradients, state and random numbers of every child are the supernet's."""
    supernet = gn.build(space, weights=weights)
    held = {name: tensor.clone() for name, tensor in supernet.state_dict().items()}
    for arch, training in itertools.product(archs, (False, True)):
        child = gn.build(gn.specialize(space, arch), weights=held)
        ours = run(child, held, x, training=training)
        drawn = torch.get_rng_state()
        theirs = run(supernet, held, x, training=training, plan=arch)
        assert torch.equal(torch.get_rng_state(), drawn), (arch, training)
        assert same(ours.output, theirs.output), (arch, training)
        for name, tensor in ours.state.items():
            assert same(tensor, theirs.state[name]), (arch, training, name)
        for name, gradient in ours.gradients.items():
            assert same(gradient, theirs.gradients[name]), (arch, training, name)


@pytest.mark.parametrize("option", ALTERNATIVES)
@pytest.mark.parametrize("net", NETS)
def test_child_and_supernet_agree(net: type[Net], option: str) -> None:
    torch.manual_seed(0)
    model = net()
    space = gn.mutate(gn.trace(model, X), gn.Swap("act", {"other": ALTERNATIVES[option]}))
    check(space, model.state_dict(), X, list(enumerate_archs(space)))


@pytest.mark.parametrize("network", [RESNET_18, MOBILENET], ids=repr)
def test_in_place_dropout_behind_a_relu(network: Network) -> None:
    kind = nn.ReLU if network is RESNET_18 else nn.Hardswish
    x = network.example(*network.traced)
    rule = gn.Swap(kind, {"other": ALTERNATIVES["relu, drop in place"]}, label="act")
    space = gn.mutate(gn.trace(network.model(), x), rule)
    check(space, network.model().state_dict(), x, [{"act": "original"}, {"act": "other"}])


def test_relu_before_the_in_place_dropout_of_the_original() -> None:
    x = MOBILENET.example(*MOBILENET.traced)
    space = gn.mutate(gn.trace(MOBILENET.model(), x), gn.Swap(nn.Hardswish, {"relu": nn.ReLU(inplace=True)}, "act"))
    check(space, MOBILENET.model().state_dict(), x, [{"act": "original"}, {"act": "relu"}])


class CalledTwice(Net):
    """A layer in place; the second call's input is read behind it, the first one's before it."""

    def forward(self, x: Tensor) -> Tensor:
        h = self.stem(x)
        a = self.pool(h)
        h = self.conv(a + self.relu(h))
        b = self.relu(h)
        return self.out(b * 2 + h)


def test_one_layer_writes_at_one_call_and_must_not_at_another() -> None:
    torch.manual_seed(0)
    model = CalledTwice()
    space = gn.mutate(gn.trace(model, X), gn.Swap("pool", {"same": nn.Identity}))
    supernet = gn.build(space, weights=model.state_dict()).eval()
    assert torch.equal(supernet(X, plan={"pool": "original"}), model.eval()(X))
    check(space, model.state_dict(), X, list(enumerate_archs(space)))


class Adding(nn.Module):
    """Writes into what an in-place layer gives, whose gradient is computed from its result."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.relu = nn.Conv2d(3, 3, 1), nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        h = self.relu(self.conv(x))
        h += x
        return h * 2


def test_a_write_behind_one_that_went_out_of_place_is_none_into_an_input() -> None:
    torch.manual_seed(0)
    model = Adding()
    space = gn.mutate(gn.trace(model, X), gn.Swap("conv", {"same": nn.Identity}))
    check(space, model.state_dict(), X, list(enumerate_archs(space)))


class Block(nn.Module):
    """A layer that other blocks may have too."""

    def __init__(self, conv: nn.Module) -> None:
        super().__init__()
        self.conv, self.act = conv, nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.conv(x)) + x


def test_a_shared_layer_stays_where_the_block_that_held_it_first_goes() -> None:
    conv = nn.Conv2d(3, 3, 1)
    model = nn.Sequential(Block(conv), Block(conv))
    space = gn.mutate(gn.trace(model, X), gn.Swap("0", {"same": nn.Identity}))
    check(space, model.state_dict(), X, list(enumerate_archs(space)))


class Behind(nn.Module):
    """A layer that reads what was written into a view before."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.out = nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1)

    def forward(self, x: Tensor) -> Tensor:
        h = self.conv(x)
        first = h[:, 0]
        first += 7
        h[:, 1] = 3
        y: Tensor = self.out(h)
        return y


class Same(nn.Module):
    """Hands on what it is given."""

    def forward(self, x: Tensor) -> Tensor:
        return x


@pytest.mark.parametrize("other", [nn.ReLU(), nn.ReLU(inplace=True), nn.Identity(), Same()], ids=repr)
def test_an_alternative_reads_what_the_original_would(other: nn.Module) -> None:
    torch.manual_seed(0)
    model = Behind()
    space = gn.mutate(gn.trace(model, X), gn.Swap("out", {"other": other}))
    check(space, model.state_dict(), X, list(enumerate_archs(space)))
    child = gn.build(gn.specialize(space, {"out": "other"}), model.state_dict())
    model.out = other
    assert torch.equal(child(X), model(X))


class Averaging(nn.Module):
    """Writes to its buffer, and to what that gives, whenever it is called."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(6, 6)
        self.register_buffer("average", torch.zeros(6))

    def forward(self, x: Tensor) -> Tensor:
        x = self.linear(x)
        self.average.mul_(0.9).add_(x.detach().mean(0), alpha=0.1)
        return x - self.average


@pytest.mark.parametrize("count", [2, 3])
def test_writes_to_what_a_write_gives_stay_when_the_buffer_is_written_to_again(count: int) -> None:
    model, x = nn.Sequential(*[Averaging()] * count), torch.randn(3, 6)
    network = gn.build(gn.trace(model, x), model.state_dict())
    weights = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    ours, theirs = (run(item, weights, x, training=True) for item in (model, network))
    assert same(ours.output, theirs.output)
    assert same(ours.state, theirs.state)
    assert same(ours.gradients, theirs.gradients)


class Head(nn.Module):
    """Does something beside the value that it gives: it draws, writes to a buffer, or keeps statistics."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind
        self.linear = nn.Linear(6, 6)
        self.drop = nn.Dropout(0.5)
        self.norm = nn.BatchNorm1d(6)
        self.register_buffer("total", torch.zeros(6))

    def forward(self, x: Tensor) -> Tensor:
        x = self.linear(x)
        match self.kind:
            case "draws":
                return self.drop(x)
            case "writes":
                self.total += x.detach().mean(0)
                return x
            case "norm":
                return self.norm(x)
        return nn.functional.batch_norm(x, self.norm.running_mean, self.norm.running_var, training=self.training)


class Unread(nn.Module):
    """Calls its head, and uses what that gives nowhere, or in evaluation alone."""

    def __init__(self, kind: str, is_read: bool) -> None:
        super().__init__()
        self.is_read = is_read
        self.head = Head(kind)
        self.last = nn.Linear(6, 6)
        self.act = nn.ReLU()
        self.noise = nn.Dropout(0.3)

    def forward(self, x: Tensor) -> Tensor:
        found = self.head(x)
        if self.is_read and not self.training:
            return found
        return self.noise(self.act(self.last(x)))


class Around(nn.Module):
    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner
        self.end = nn.Linear(6, 6)

    def forward(self, x: Tensor) -> Tensor:
        return self.end(self.inner(x))


@pytest.mark.parametrize("is_read", [False, True], ids=["never read", "read in evaluation"])
@pytest.mark.parametrize("kind", ["draws", "writes", "norm", "function"])
def test_call_that_nobody_reads_does_what_it_does(kind: str, is_read: bool) -> None:
    model, x = Around(Unread(kind, is_read)), torch.randn(4, 6)
    weights = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    space = gn.mutate(gn.trace(model, x), gn.Swap(nn.ReLU, {"gelu": nn.GELU}), gn.Swap("inner", {"none": nn.Identity}))
    supernet = gn.build(space, weights)
    for arch, training in itertools.product(enumerate_archs(space), (False, True)):
        child = gn.build(gn.specialize(space, arch), weights)
        ours = run(child, weights, x, training=training)
        theirs = run(supernet, weights, x, training=training, plan=arch)
        assert same(ours.output, theirs.output)
        assert all(same(tensor, theirs.state[name]) for name, tensor in ours.state.items())
        assert any(name.startswith("inner.") for name in ours.state) is (arch["inner"] == "original")
        if arch == gn.default(space):
            original = run(model, weights, x, training=training)
            assert same(original.output, ours.output)
            assert same(original.state, ours.state)
