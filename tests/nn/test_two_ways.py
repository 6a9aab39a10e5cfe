"""A space spelled out in a model, and the same made by rules on the plain model: equal choices, equal children."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

import graphnas as gn
from graphnas.ir.graph import Graph
from graphnas.ir.node import Layer, Param, Ref, Size, transform
from graphnas.nn import InputChoice, LayerChoice, Repeat
from tests.nn.networks import image


class Separable(nn.Sequential):
    """A depthwise convolution and a pointwise one."""

    def __init__(self) -> None:
        super().__init__(nn.Conv2d(4, 4, 3, padding=1, groups=4), nn.Conv2d(4, 4, 1))


class Plain(nn.Module):
    """A network that knows nothing of a search."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, padding=1)
        self.act = nn.ReLU()
        self.blocks = nn.ModuleList(nn.Sequential(nn.Conv2d(4, 4, 1), nn.Tanh()) for _ in range(3))
        self.mix = nn.Conv2d(4, 4, 3, padding=1)
        self.drop = nn.Dropout(0.1)
        self.head = nn.Conv2d(4, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        act = self.act(self.stem(x))
        x = act
        for block in self.blocks:
            x = block(x)
        return self.head(self.drop(self.mix(x)))


class Spelled(nn.Module):
    """The same with words where there is something to choose."""

    def __init__(self) -> None:
        super().__init__()
        kernel = gn.choice("stem.kernel_size", (3, 5))
        self.stem = nn.Conv2d(3, 4, kernel, padding=kernel // 2)
        self.act = LayerChoice({"original": nn.ReLU(), "gelu": nn.GELU(), "silu": nn.SiLU()})
        blocks = [nn.Sequential(nn.Conv2d(4, 4, 1), nn.Tanh()) for _ in range(3)]
        self.blocks = Repeat(blocks, label="blocks.depth")
        self.pick = InputChoice(["original", "act"], label="mix.input")
        self.mix = LayerChoice({"original": nn.Conv2d(4, 4, 3, padding=1), "separable": Separable()})
        self.drop = nn.Dropout(gn.choice("drop.p", (0.1, 0.3)))
        self.head = nn.Conv2d(4, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        act = self.act(self.stem(x))
        return self.head(self.drop(self.mix(self.pick(self.blocks(act), act))))


RULES = (
    gn.Value("stem", "kernel_size", (5,), also={"padding": lambda kernel: kernel // 2}),
    gn.Swap("act", {"gelu": nn.GELU, "silu": nn.SiLU}),
    gn.Depth("blocks"),
    gn.Swap("mix", {"separable": lambda site: Separable()}),
    gn.Inputs("mix", "act"),
    gn.Value("drop", "p", (0.3,)),
)


def _computation(graph: Graph) -> list[Any]:
    """What a network computes, whatever its nodes and layers are called, with no mind to module calls around them."""
    places = {given.name: f"input {number}" for number, given in enumerate(graph.inputs)}
    rows: list[Any] = []

    def leaf(item: Any) -> Any:
        match item:
            case Ref(name=name, item=part):
                return places[name], part
            case Size(of=of, dim=dim):
                return "size", places[of.name], dim
        return item

    for node in graph.nodes:
        op: Any = node.op
        if isinstance(op, Layer):
            op = (op.type, op.config)
        elif isinstance(op, Param):
            op = op.shape
        rows.append((op, transform(node.args, leaf), transform(node.kwargs, leaf)))
        places[node.name] = f"step {len(rows)}"
    return [*rows, transform(graph.output, leaf)]


def _spaces() -> tuple[Graph, Graph]:
    spelled = gn.trace(Spelled(), image())
    ruled = gn.mutate(gn.trace(Plain(), image()), *RULES)
    return spelled, ruled


def test_both_ways_give_equal_choices() -> None:
    spelled, ruled = _spaces()
    assert {label: set(choice.options) for label, choice in spelled.choices.items()} == {
        label: set(choice.options) for label, choice in ruled.choices.items()
    }
    assert dict(gn.default(spelled)) == dict(gn.default(ruled))
    assert spelled.size() == ruled.size()


def test_both_ways_give_equal_children() -> None:
    spelled, ruled = _spaces()
    for arch in gn.enumerate_archs(spelled):
        first, second = gn.specialize(spelled, arch), gn.specialize(ruled, arch)
        assert _computation(first) == _computation(second), arch


def test_children_of_both_compute_the_same() -> None:
    spelled, ruled = _spaces()
    for seed in range(6):
        arch = gn.sample(spelled, seed)
        first, second = (gn.build(gn.specialize(space, arch)).eval() for space in (spelled, ruled))
        tensors = list(first.state_dict().values())
        assert len(tensors) == len(second.state_dict())
        second.load_state_dict(dict(zip(second.state_dict(), tensors, strict=True)))
        x = torch.randn(2, 3, 8, 8)
        assert torch.equal(first(x), second(x)), arch
