"""Parts that only some instances of a class have: one class, and each instance is what it was."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import graphnas as gn
from tests.laws.networks import assert_same, run


class Net(nn.Module):
    """Blocks in a row, and a layer behind them."""

    def __init__(self, *blocks: nn.Module) -> None:
        super().__init__()
        self.blocks = nn.Sequential(*blocks)
        self.head = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        """All in turn."""
        return self.head(self.blocks(x))


def made(source: str) -> nn.Module:
    """The network that a file builds, from a fixed seed."""
    namespace: dict[str, Any] = {"__name__": "child"}
    exec(compile(source, "child.py", "exec"), namespace)
    torch.manual_seed(0)
    network: nn.Module = namespace["build"]()
    return network


def source_of(make: Callable[[], nn.Module], classes: int, starts: bool = True) -> str:
    """What is emitted for a network: equal to it bit for bit, fresh or not, in both modes, in so many classes."""
    torch.manual_seed(0)
    model = make()
    source = gn.emit(gn.trace(model, torch.ones(2, 8)))
    network = made(source)
    weights = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    assert list(network.state_dict()) == list(weights)
    for name, tensor in network.state_dict().items() if starts else ():
        assert torch.equal(tensor, weights[name]), f"{name} starts otherwise"
    assert [name for name, _ in network.named_parameters()] == [name for name, _ in model.named_parameters()]
    x = torch.randn(3, 8, generator=torch.Generator().manual_seed(1))
    for training in (False, True):
        assert_same(run(model, weights, x, training=training), run(network, weights, x, training=training))
    assert source.count("\nclass ") == classes, source
    assert source == gn.emit(gn.trace(model, torch.ones(2, 8)))
    return source


class Residual(nn.Module):
    """A layer with a shortcut, and something on the shortcut or not."""

    def __init__(self, shortcut: bool = False, width: int = 8) -> None:
        super().__init__()
        self.linear = nn.Linear(8, width)
        self.norm = nn.BatchNorm1d(width)
        self.out = nn.Linear(width, 8)
        self.shortcut = nn.Sequential(nn.Linear(8, 8), nn.LayerNorm(8)) if shortcut else None

    def forward(self, x: Tensor) -> Tensor:
        """The sum of both ways."""
        out = self.out(F.relu(self.norm(self.linear(x))))
        if self.shortcut is not None:
            x = self.shortcut(x)
        return out + x


def test_shortcut_that_some_have_is_asked_for() -> None:
    source = source_of(lambda: Net(Residual(True), Residual(), Residual(width=4), Residual(True)), 2)
    assert "nn.LayerNorm(8)) if shortcut else None" in source
    assert "if self.shortcut is not None:\n            x = self.shortcut(x)" in source


class Pre(nn.Module):
    """A part that is registered first or last."""

    def __init__(self, first: bool = False, last: bool = False) -> None:
        super().__init__()
        if first:
            self.gate = nn.Linear(8, 8)
        self.one = nn.Linear(8, 8)
        self.norm = nn.LayerNorm(8)
        self.two = nn.Linear(8, 8)
        if last:
            self.gate = nn.Linear(8, 8)
        self.has_gate = first or last

    def forward(self, x: Tensor) -> Tensor:
        """The gate, if any, comes last."""
        out = self.two(F.gelu(self.norm(self.one(x))))
        return out * self.gate(x) if self.has_gate else out


def test_part_registered_first_or_last_keeps_its_place() -> None:
    source_of(lambda: Net(Pre(first=True), Pre(), Pre(last=True)), 2)


class Twice(nn.Module):
    """A part that is called twice."""

    def __init__(self, extra: bool) -> None:
        super().__init__()
        self.one = nn.Linear(8, 8)
        self.norm = nn.LayerNorm(8)
        self.extra = nn.Linear(8, 8) if extra else None
        self.two = nn.Linear(8, 8)

    def forward(self, x: Tensor) -> Tensor:
        """Before and behind."""
        if self.extra is not None:
            x = torch.tanh(self.extra(x))
        x = self.two(F.relu(self.norm(self.one(x))))
        return self.extra(x) if self.extra is not None else x


def test_part_that_is_called_twice() -> None:
    source = source_of(lambda: Net(Twice(True), Twice(False), Twice(True)), 2)
    assert source.count("if self.extra is not None:") == 2


class Scaled(nn.Module):
    """A parameter and a buffer that only some have."""

    def __init__(self, scale: bool, shift: bool) -> None:
        super().__init__()
        self.linear = nn.Linear(8, 8)
        if scale:
            self.scale = nn.Parameter(torch.ones(8))
        self.norm = nn.LayerNorm(8)
        if shift:
            self.register_buffer("shift", torch.arange(8.0))
        self.out = nn.Linear(8, 8)
        self.kinds = scale, shift

    def forward(self, x: Tensor) -> Tensor:
        """Scaled, then shifted."""
        scale, shift = self.kinds
        x = F.relu(self.norm(self.linear(x)))
        if scale:
            x = x * self.scale
        if shift:
            x = x + self.shift
        return self.out(x)


def test_parameter_and_buffer_that_some_have() -> None:
    torch.manual_seed(0)
    model = Net(Scaled(True, False), Scaled(False, True), Scaled(True, True), Scaled(False, False))
    graph = gn.trace(model, torch.ones(2, 8))
    source = gn.emit(graph)
    assert source.count("\nclass ") == 2, source
    network = gn.build(graph, model.state_dict())
    assert list(network.state_dict()) == list(model.state_dict())
    x = torch.randn(3, 8)
    weights = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    assert_same(run(model, weights, x, training=True), run(network, weights, x, training=True))


class Chosen(nn.Module):
    """One of several kinds of layer at one place, under one name."""

    def __init__(self, kind: str, width: int = 8) -> None:
        super().__init__()
        self.before = nn.Linear(8, width)
        self.norm: nn.Module
        if kind == "layer":
            self.norm = nn.LayerNorm(width)
        elif kind == "batch":
            self.norm = nn.BatchNorm1d(width)
        else:
            self.norm = nn.Sequential(nn.Linear(width, width), nn.Tanh())
        self.after = nn.Linear(width, 8)

    def forward(self, x: Tensor) -> Tensor:
        """All in turn."""
        return self.after(F.relu(self.norm(self.before(x))))


def test_alternatives_under_one_name_need_no_test_in_forward() -> None:
    source = source_of(lambda: Net(Chosen("layer"), Chosen("batch", 4), Chosen("other"), Chosen("batch", 6)), 2)
    assert " if " not in source[source.index("def forward") : source.index("class Net")], source
    assert "elif" in source


class Bodies(nn.Module):
    """The same layers, and another way to put them together."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.one = nn.Linear(8, 8)
        self.two = nn.Linear(8, 8)
        self.kind = kind

    def forward(self, x: Tensor) -> Tensor:
        """By kind."""
        y = self.one(x)
        if self.kind == "gelu":
            y = F.gelu(y)
        elif self.kind == "swish":
            y = y * torch.sigmoid(y)
        y = self.two(y)
        return x + y if self.kind != "plain" else y


def test_bodies_that_differ() -> None:
    source_of(lambda: Net(*map(Bodies, ("gelu", "swish", "plain", "gelu", "plain"))), 2)


class Outer(nn.Module):
    """A part with a part of its own."""

    def __init__(self, inner: bool, part: bool) -> None:
        super().__init__()
        self.one = nn.Linear(8, 8)
        self.norm = nn.LayerNorm(8)
        if inner:
            self.inner = Residual(part)
        self.two = nn.Linear(8, 8)
        self.has_inner = inner

    def forward(self, x: Tensor) -> Tensor:
        """With the inner part, if any."""
        x = torch.tanh(self.norm(self.one(x)))
        if self.has_inner:
            x = self.inner(x)
        return self.two(x)


def test_part_with_a_part_of_its_own() -> None:
    source_of(lambda: Net(Outer(True, True), Outer(True, False), Outer(False, False)), 3)


class Stage(nn.Sequential):
    """Layers in a row, of which some have more."""

    def __init__(self, width: int, norm: bool = False, activation: nn.Module | None = None, last: bool = False) -> None:
        layers: list[nn.Module] = [nn.Linear(8, width)]
        if norm:
            layers.append(nn.LayerNorm(width))
        layers.append(nn.Linear(width, 8))
        if activation is not None:
            layers.append(activation)
        if last:
            layers.append(nn.Linear(8, 8))
        super().__init__(*layers)


def test_parts_in_a_sequential() -> None:
    def net() -> nn.Module:
        return Net(Stage(4, True, nn.ReLU()), Stage(6), Stage(6, False, nn.Tanh(), True), Stage(2, True, nn.GELU()))

    source = source_of(net, 2)
    assert "if activation is not None:\n            layers.append(activation())" in source
    assert "super().__init__(*layers)" in source


class Tied(nn.Module):
    """Two heads, of which some share their weights."""

    def __init__(self, tied: bool, extra: bool) -> None:
        super().__init__()
        self.one = nn.Linear(8, 8)
        self.norm = nn.LayerNorm(8)
        self.two = nn.Linear(8, 8)
        if extra:
            self.extra = nn.Linear(8, 8)
        if tied:
            self.two.weight = self.extra.weight
        self.has_extra = extra

    def forward(self, x: Tensor) -> Tensor:
        """All in turn."""
        x = self.two(torch.relu(self.norm(self.one(x))))
        return self.extra(x) if self.has_extra else x


def test_part_that_shares_weights() -> None:
    source_of(lambda: Net(Tied(True, True), Tied(False, True), Tied(False, False)), 2, starts=False)


class Inputs(nn.Module):
    """An alternative that is given more."""

    def __init__(self, both: bool) -> None:
        super().__init__()
        self.one = nn.Linear(8, 8)
        self.norm = nn.LayerNorm(8)
        self.mix = nn.Bilinear(8, 8, 8) if both else nn.Linear(8, 8)
        self.both = both

    def forward(self, x: Tensor) -> Tensor:
        """Of one input, or of two."""
        y = torch.relu(self.norm(self.one(x)))
        return self.mix(y, x) if self.both else self.mix(y)


def test_alternative_with_another_number_of_inputs() -> None:
    source_of(lambda: Net(Inputs(True), Inputs(False), Inputs(True)), 2)


class Calls(nn.Module):
    """A module whose calls have other inputs."""

    def __init__(self, masks: Sequence[bool]) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(Masked() for _ in masks)
        self.head = nn.Linear(8, 3)
        self.masks = masks

    def forward(self, x: Tensor) -> Tensor:
        """Each block with or without a mask."""
        mask = torch.sigmoid(x)
        for block, masked in zip(self.blocks, self.masks, strict=True):
            x = block(x, mask) if masked else block(x, None)
        return self.head(x)


class Masked(nn.Module):
    """A layer under a mask."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(8, 8)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """Masked where a mask is given."""
        x = self.linear(x)
        return x if mask is None else x * mask


def test_calls_that_are_given_other_inputs_stay_apart() -> None:
    source_of(lambda: Calls((True, False, True)), 3)


class Dropped(nn.Module):
    """A part that runs in training alone, in some."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.one = nn.Linear(8, 8)
        self.norm = nn.LayerNorm(8)
        self.two = nn.Linear(8, 8)
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        """Whole samples are dropped."""
        y = self.two(torch.relu(self.norm(self.one(x))))
        if self.rate and self.training:
            keep = torch.rand(x.shape[0], 1) > self.rate
            y = y * keep / (1 - self.rate)
        return x + y


def test_part_that_runs_in_training_alone() -> None:
    source_of(lambda: Net(Dropped(0.0), Dropped(0.2), Dropped(0.5), Dropped(0.0)), 2)


class Frozen(nn.Module):
    """A part that is computed without gradients, in some."""

    def __init__(self, frozen: bool) -> None:
        super().__init__()
        self.one = nn.Linear(8, 8)
        self.norm = nn.LayerNorm(8)
        self.two = nn.Linear(8, 8)
        self.frozen = frozen

    def forward(self, x: Tensor) -> Tensor:
        """With a scale that is not learned."""
        y = self.norm(self.one(x))
        if self.frozen:
            with torch.no_grad():
                scale = x.mean(1, keepdim=True)
            y = y * scale
        return self.two(y)


def test_part_without_gradients() -> None:
    source_of(lambda: Net(Frozen(True), Frozen(False), Frozen(True)), 2)


class Other(nn.Module):
    """A class that goes by the name of another and has nothing in common with it."""

    def __init__(self) -> None:
        super().__init__()
        self.weights = nn.Linear(8, 8)

    def forward(self, x: Tensor) -> Tensor:
        """A gate."""
        return torch.sigmoid(self.weights(x)) * x


def test_what_has_little_in_common_stays_apart() -> None:
    class Residual(Other):
        pass

    source_of(lambda: Net(globals()["Residual"](True), Residual()), 3)


class Tree(nn.Module):
    """A class whose instances hold instances of it."""

    def __init__(self, depth: int) -> None:
        super().__init__()
        self.linear = nn.Linear(8, 8)
        self.norm = nn.LayerNorm(8)
        self.out = nn.Linear(8, 8)
        self.child = Tree(depth - 1) if depth else None

    def forward(self, x: Tensor) -> Tensor:
        """The child last."""
        x = self.out(torch.relu(self.norm(self.linear(x))))
        return x if self.child is None else self.child(x)


def test_class_that_holds_itself() -> None:
    source_of(lambda: Net(Tree(2), Tree(0)), 4)


def test_text_depends_on_nothing_that_was_emitted_before() -> None:
    graphs = [
        gn.trace(Net(Residual(shortcut), Residual(), Residual(True, width)), torch.ones(2, 8))
        for shortcut in (True, False)
        for width in (2, 4)
    ]
    first = [gn.emit(graph) for graph in graphs]
    assert [gn.emit(gn.from_json(gn.to_json(graph))) for graph in reversed(graphs)] == first[::-1]


CONV = {
    "wide": lambda site: nn.Conv2d(site.input_shape[1], site.output_shape[1], 5, padding=2),
    "pooled": lambda site: nn.Sequential(
        nn.AvgPool2d(3, 1, 1), nn.Conv2d(site.input_shape[1], site.output_shape[1], 1)
    ),
}


@pytest.mark.parametrize("seed", range(4))
def test_children_of_a_mixed_space_equal_their_supernet(seed: int) -> None:
    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv1 = nn.Conv2d(4, 4, 3, padding=1)
            self.bn = nn.BatchNorm2d(4)
            self.relu = nn.ReLU(inplace=True)
            self.conv2 = nn.Conv2d(4, 4, 3, padding=1)

        def forward(self, x: Tensor) -> Tensor:
            return x + self.conv2(self.relu(self.bn(self.conv1(x))))

    torch.manual_seed(0)
    model = nn.Sequential(*(Block() for _ in range(5)))
    x = torch.randn(2, 4, 6, 6)
    space = gn.mutate(
        gn.trace(model, x), gn.Swap(nn.ReLU, {"silu": nn.SiLU}), gn.Swap("*.conv2", CONV), gn.Skip("*.conv1")
    )
    supernet = gn.build(space, model.state_dict())
    arch = gn.sample(space, seed)
    graph = gn.specialize(space, arch)
    assert gn.emit(graph).count("\nclass ") <= 3
    weights = supernet.state_dict()
    child = gn.build(graph, weights)
    for training in (False, True):
        found = run(child, weights, x, training=training)
        assert torch.equal(found.output, run(supernet, weights, x, training=training, plan=arch).output)


class Numbered(nn.ModuleDict):
    """Parts called by numbers, which no variable may be."""

    def __init__(self, count: int) -> None:
        super().__init__()
        for place in range(count):
            self.add_module(str(place), nn.Linear(8, 8, bias=place % 2 == 0))

    def forward(self, x: Tensor) -> Tensor:
        for part in self.values():
            x = x + part(x).sin()
        return x


def test_parts_called_by_numbers_are_asked_for_by_a_name() -> None:
    source = source_of(lambda: Net(*map(Numbered, (2, 3, 4, 2, 3))), classes=2)
    assert "layer_2" in source
    assert "def __init__(self, 2" not in source
