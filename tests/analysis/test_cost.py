"""Costs of networks and small spaces, against arithmetic by hand."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import graphnas as gn
from graphnas.errors import GraphError
from graphnas.ir.choice import Choice, choices_in
from graphnas.ir.frozen import FrozenDict
from graphnas.ir.graph import Graph
from graphnas.ir.node import Call, Choose, Entry, Input, Layer, Node, Ref
from tests.analysis.sketch import Sketch
from tests.models.gpt import GPT
from tests.tracing import whole
from tests.tracing.test_opaque import MODULES, traced


def _costs(model: nn.Module, *example: Any) -> tuple[int, int]:
    """Parameters and multiply-adds of one example."""
    graph = gn.trace(model.eval(), *example)
    return gn.cost.params(graph)({}), gn.cost.macs(graph)({})


# ---------------------------------------------------------------- networks
class _Block(nn.Module):
    def __init__(self, incoming: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(incoming, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.grown = width - incoming

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        short = F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.grown // 2, self.grown // 2)) if self.grown else x
        return F.relu(y + short)


class _ResNet20(nn.Module):
    """He et al. 2015, section 4.2, with parameter-free shortcuts."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 16, 3, 1, 1, bias=False)
        self.bn = nn.BatchNorm2d(16)
        widths = [16] * 4 + [32] * 3 + [64] * 3
        self.blocks = nn.Sequential(*(_Block(a, b, b // a) for a, b in itertools.pairwise(widths)))
        self.linear = nn.Linear(64, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(self.blocks(F.relu(self.bn(self.conv(x)))).mean((2, 3)))


def test_resnet20_costs_what_arithmetic_says() -> None:
    convolutions = 27 * 16 + 6 * 9 * 16 * 16 + 9 * 16 * 32 + 5 * 9 * 32 * 32 + 9 * 32 * 64 + 5 * 9 * 64 * 64
    params = convolutions + 2 * (7 * 16 + 6 * 32 + 6 * 64) + 650
    first, second, third = 27 * 16 + 6 * 9 * 16 * 16, 9 * 16 * 32 + 5 * 9 * 32 * 32, 9 * 32 * 64 + 5 * 9 * 64 * 64
    macs = first * 32 * 32 + second * 16 * 16 + third * 8 * 8 + 640
    assert (params, macs) == (269_722, 40_551_040)
    assert _costs(_ResNet20(), torch.zeros(4, 3, 32, 32)) == (params, macs)


def test_transformer_costs_what_arithmetic_says() -> None:
    depth, width, length, words, context = 2, 32, 16, 65, 32
    model = GPT(words, context, width, depth)
    params = (words + context) * width + depth * (12 * width**2 + 13 * width) + 2 * width
    block = length * (3 + 1 + 8) * width**2 + 2 * length**2 * width
    macs = depth * block + length * width * words
    assert _costs(model, torch.zeros(2, length, dtype=torch.int64)) == (params, macs)


@pytest.mark.parametrize("directions", [1, 2])
def test_lstm_costs_what_arithmetic_says(directions: int) -> None:
    given, hidden, length = 7, 5, 11

    class Tagger(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.lstm = nn.LSTM(given, hidden, 2, batch_first=True, bidirectional=directions == 2)
            self.linear = nn.Linear(directions * hidden, 3)

        def forward(self, x: Tensor) -> Tensor:
            return self.linear(self.lstm(x)[0])

    gates = [4 * hidden * (size + hidden) for size in (given, directions * hidden)]
    params = directions * (sum(gates) + 2 * 2 * 4 * hidden) + 3 * (directions * hidden + 1)
    macs = length * (directions * sum(gates) + 3 * directions * hidden)
    assert _costs(Tagger(), torch.zeros(2, length, given)) == (params, macs)


# ---------------------------------------------------------------- operations
def _of(function: Callable[..., Any], *shapes: tuple[int, ...]) -> int:
    class Net(nn.Module):
        def forward(self, x: Tensor, y: Tensor) -> Any:
            return function(x, y)

    graph = gn.trace(Net(), *(torch.zeros(shape) for shape in shapes))
    return int(gn.cost.macs(graph, batch=None)({}))


OPERATIONS: dict[str, tuple[Callable[..., Any], tuple[int, ...], tuple[int, ...], int]] = {
    "matmul": (torch.matmul, (2, 3, 4), (4, 5), 2 * 3 * 4 * 5),
    "operator": (lambda x, y: x @ y, (3, 4), (4, 5), 3 * 4 * 5),
    "matrix and vector": (torch.matmul, (3, 4), (4,), 3 * 4),
    "vectors": (torch.matmul, (4,), (4,), 4),
    "bmm": (torch.bmm, (2, 3, 4), (2, 4, 5), 2 * 3 * 4 * 5),
    "addmm": (lambda x, y: torch.addmm(torch.zeros(5), x, y), (3, 4), (4, 5), 3 * 4 * 5),
    "baddbmm": (lambda x, y: torch.baddbmm(torch.zeros(5), x, y), (2, 3, 4), (2, 4, 5), 2 * 3 * 4 * 5),
    "einsum": (lambda x, y: torch.einsum("bik,bjk->bij", x, y), (2, 3, 4), (2, 5, 4), 2 * 3 * 4 * 5),
    "linear": (F.linear, (2, 3, 4), (5, 4), 2 * 3 * 4 * 5),
    "bilinear": (lambda x, y: F.bilinear(x, y, torch.zeros(6, 4, 5)), (2, 4), (2, 5), 2 * 4 * 5 * 6),
    "attention": (lambda x, y: F.scaled_dot_product_attention(x, y, y), (2, 3, 4), (2, 5, 4), 2 * (2 * 3 * 5 * 4)),
    "conv1d": (F.conv1d, (2, 3, 9), (4, 3, 3), 2 * 4 * 3 * 3 * 7),
    "grouped": (lambda x, y: F.conv2d(x, y, groups=2), (2, 4, 5, 5), (6, 2, 3, 3), 2 * 6 * 2 * 9 * 9),
    "strided": (lambda x, y: F.conv2d(x, y, stride=2), (1, 4, 7, 7), (6, 4, 3, 3), 6 * 4 * 9 * 9),
    "transposed": (lambda x, y: F.conv_transpose2d(x, y, stride=2), (2, 4, 5, 5), (4, 6, 3, 3), 2 * 25 * 4 * 6 * 9),
    "additions": (lambda x, y: F.gelu(x + y) * y, (2, 3), (2, 3), 0),
    "pooling": (lambda x, y: F.avg_pool2d(x, 2) + F.max_pool2d(y, 2), (2, 3, 4, 4), (2, 3, 4, 4), 0),
}


@pytest.mark.parametrize(("function", "first", "second", "expected"), OPERATIONS.values(), ids=OPERATIONS)
def test_operation_takes_what_arithmetic_says(
    function: Callable[..., Any], first: tuple[int, ...], second: tuple[int, ...], expected: int
) -> None:
    assert _of(function, first, second) == expected


# ---------------------------------------------------------------- what choices decide
def _conv(path: str, incoming: Any, outgoing: Any, kernel: Any = 1, stride: Any = 1) -> tuple[Entry, Layer]:
    config = {"in_channels": incoming, "out_channels": outgoing, "kernel_size": kernel, "stride": stride}
    config |= {"padding": 0, "dilation": 1, "groups": 1, "bias": False, "padding_mode": "zeros"}
    return (
        Entry(path, "layer", "torch.nn.Conv2d", FrozenDict(config)),
        Layer(path, "torch.nn.Conv2d", FrozenDict(config)),
    )


def test_cost_follows_shapes_that_bend() -> None:
    kernel, stride, width = Choice("kernel", (3, 5)), Choice("stride", (1, 2)), Choice("width", (4, 8))
    rows, layers = zip(_conv("a", 3, 4, kernel), _conv("b", 4, width, 1, stride), _conv("c", width, 2, 2), strict=True)
    graph = Graph(
        inputs=(Input("x", ("x",), (2, 3, 16, 16)),),
        nodes=tuple(
            Node(layer.path, layer, (Ref(before),)) for layer, before in zip(layers, ("x", "a", "b"), strict=True)
        ),
        output=Ref("c"),
        modules=(Entry("", "module", "Net"), *rows),
    )
    macs, params = gn.cost.macs(graph), gn.cost.params(graph)
    for arch in gn.enumerate_archs(graph):
        k, s, w = (arch[label] for label in ("kernel", "stride", "width"))
        first = 16 - k + 1
        second = math.ceil(first / s)
        assert macs(arch) == 12 * k * k * first**2 + 4 * w * second**2 + 2 * w * 4 * (second - 1) ** 2
        assert params(arch) == 12 * k * k + 4 * w + 2 * w * 4


def test_one_layer_that_several_arms_need_counts_once() -> None:
    first, second = Choice("first", ("x", "layer")), Choice("second", ("x", "layer"))
    row, layer = _conv("conv", 3, 3)
    graph = Graph(
        inputs=(Input("x", ("x",), (2, 3, 4, 4)),),
        nodes=(
            Node("conv", layer, (Ref("x"),)),
            Node("one", Choose(first), (Ref("x"), Ref("conv"))),
            Node("two", Choose(second), (Ref("x"), Ref("conv"))),
            Node("sum", Call("torch.add"), (Ref("one"), Ref("two"))),
        ),
        output=Ref("sum"),
        modules=(Entry("", "module", "Net"), row),
    )
    cost = gn.cost.macs(graph)
    found = {(arch["first"], arch["second"]): cost(arch) for arch in gn.enumerate_archs(graph)}
    assert found == {("x", "x"): 0, ("x", "layer"): 144, ("layer", "x"): 144, ("layer", "layer"): 144}


def test_choices_that_all_depend_on_one_another_are_refused_soon() -> None:
    draft = Sketch(2, 4, 8, 8)
    values = [draft.x]
    for place in range(10):
        arms = {str(source): value for source, value in enumerate(values)}
        joined = draft.choose(f"inputs{place}", f"inputs{place}", arms, take=min(2, len(arms)))
        values.append(draft.layer(f"conv{place}", nn.Conv2d, joined, 4, 4, 1))
    with pytest.raises(GraphError, match="too many cases"):
        gn.cost.macs(draft.graph(values[-1]))


def test_a_shared_label_is_one_table() -> None:
    model = nn.Sequential(*(nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), nn.ReLU()) for _ in range(6)))
    graph = gn.trace(model.eval(), torch.zeros(2, 4, 8, 8))
    kinds = {"one": lambda site: nn.Conv2d(4, 4, 1), "none": nn.Identity}
    space = gn.mutate(graph, gn.Swap(nn.Conv2d, kinds, label="operator"))
    cost = gn.cost.macs(space)
    assert len(list(choices_in(cost))) == 2  # the tests that tell three options apart
    assert [cost({"operator": option}) for option in ("original", "one", "none")] == [55_296, 6_144, 0]


def test_a_module_that_is_called_twice_has_its_parameters_once_and_works_twice() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(8, 8)
            self.tied = nn.Linear(8, 8, bias=False)
            self.tied.weight = self.layer.weight
            self.spare = nn.Linear(3, 3)

        def forward(self, x: Tensor) -> Tensor:
            return self.tied(self.layer(self.layer(x)))

    assert _costs(Net(), torch.zeros(2, 8)) == (8 * 8 + 8 + 12, 3 * 64)


# ---------------------------------------------------------------- batches
def test_the_batch_is_the_first_dimension_of_every_input_that_shares_it() -> None:
    class Net(nn.Module):
        def forward(self, x: Tensor, y: Tensor, table: Tensor) -> Tensor:
            return (x * y) @ table

    graph = gn.trace(Net(), torch.zeros(6, 4), torch.zeros(6, 4), torch.zeros(4, 5))
    assert [gn.cost.macs(graph, batch=batch)({}) for batch in (1, 3, None)] == [20, 60, 120]


def test_a_network_of_one_batch_alone_is_counted_as_traced() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.state = nn.Parameter(torch.zeros(6, 4))
            self.layer = nn.Linear(8, 2)

        def forward(self, x: Tensor) -> Tensor:
            return self.layer(torch.cat([x, self.state], 1))

    graph = gn.trace(Net(), torch.zeros(6, 4))
    with pytest.raises(GraphError, match="batch=None counts on the traced inputs, not on a batch of 1"):
        gn.cost.macs(graph)
    assert gn.cost.macs(graph, batch=None)({}) == 6 * 16


# ---------------------------------------------------------------- what cannot be counted
@pytest.mark.parametrize("name", MODULES)
def test_parameters_of_modules_that_are_kept_whole_are_known(name: str) -> None:
    model = MODULES[name][0]()
    assert gn.cost.params(traced(model))({}) == sum(parameter.numel() for parameter in model.parameters())


def test_work_of_a_module_that_is_kept_whole_is_refused_or_given() -> None:
    graph = traced(whole.Net(whole.Numpy(6, 3.0)))
    with pytest.raises(GraphError, match=r"the multiply-adds of 'inner' are not known") as error:
        gn.cost.macs(graph)
    assert "known={'inner': number}" in str(error.value)
    assert "whole.py" in str(error.value)
    rest = gn.cost.macs(graph, known={"inner": 0})({})
    assert gn.cost.macs(graph, known={"inner": 100})({}) == rest + 100
    with pytest.raises(GraphError, match=r"known= has multiply-adds for 'iner'.*'inner'"):
        gn.cost.macs(graph, known={"iner": 32})


def test_work_under_a_condition_on_data_is_refused_or_given() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(4, 4)

        def forward(self, x: Tensor) -> Tensor:
            return self.layer(x) if x.sum() > 0 else x * 2

    positive, negative = torch.ones(2, 4), -torch.ones(2, 4)
    graph = gn.Tracer().trace(Net().eval(), gn.example(positive), gn.example(negative))
    with pytest.raises(GraphError, match="condition on data"):
        gn.cost.macs(graph)
    assert gn.cost.macs(graph, known={"layer": 0})({}) == 0
