"""The spaces, with the sources of their structure."""

from __future__ import annotations

import itertools

from torch import nn

from graphnas.ir.graph import Graph
from graphnas.ir.node import Ref
from tests.published.sketch import Sketch

DARTS_OPERATORS = (
    "none", "max_pool_3x3", "avg_pool_3x3", "skip_connect", "sep_conv_3x3", "sep_conv_5x5", "dil_conv_3x3",
    "dil_conv_5x5",
)  # fmt: skip


# ---------------------------------------------------------------- DARTS
def darts(cells: int = 8, channels: int = 16, size: int = 32) -> Graph:
    """DARTS for CIFAR-10 as it is trained from scratch (Liu et al. 2019): every normalization has weights.

    Each node adds up two of the edges into it, `normal.NODE.edges`, each of which has an operator, `normal.NODE.FROM`.
    """
    draft = Sketch(2, 3, size, size)
    stem = draft.conv("stem", draft.x, 3, 3 * channels, 3, 1, 1, relu="none")
    before, last = (stem, 3 * channels, False), (stem, 3 * channels, False)
    for number in range(cells):
        reduces = number in (cells // 3, 2 * cells // 3)
        channels *= 2 if reduces else 1
        value = _darts_cell(draft, f"cells.{number}", before, last, channels, reduces)
        before, last = last, (value, 4 * channels, reduces)
    return draft.head(last[0], last[1], 10)


def _darts_cell(
    draft: Sketch,
    path: str,
    before: tuple[Ref, int, bool],
    last: tuple[Ref, int, bool],
    channels: int,
    reduces: bool,
) -> Ref:
    shrinks = last[2]  # the result of the cell before is then half as large as that of the one before it
    first = (
        _factorized(draft, f"{path}.preprocess0", before[0], before[1], channels)
        if shrinks
        else draft.conv(f"{path}.preprocess0", before[0], before[1], channels, 1)
    )
    values = [first, draft.conv(f"{path}.preprocess1", last[0], last[1], channels, 1)]
    kind = "reduce" if reduces else "normal"
    for node in range(2, 6):
        edges = {}
        for source in range(node):
            stride = 2 if reduces and source < 2 else 1
            name = f"{path}.{node}_{source}"
            arms = {
                operator: _darts_operator(draft, f"{name}.{operator}", operator, values[source], channels, stride)
                for operator in DARTS_OPERATORS
            }
            edges[str(source)] = draft.choose(f"{name}.choice", f"{kind}.{node}.{source}", arms)
        values.append(draft.choose(f"{path}.{node}", f"{kind}.{node}.edges", edges, take=2))
    return draft.concat(f"{path}.concat", values[2:])


def _darts_operator(draft: Sketch, path: str, operator: str, x: Ref, channels: int, stride: int) -> Ref:
    size = int(operator[-1]) if operator[-1].isdigit() else 0
    match operator.split("_")[0]:
        case "none":
            pooled = x if stride == 1 else draft.layer(f"{path}.pool", nn.AvgPool2d, x, 1, stride)
            return draft.call(f"{path}.zero", "mul", pooled, 0)
        case "skip" if stride == 1:
            return draft.layer(f"{path}.identity", nn.Identity, x)
        case "skip":
            return _factorized(draft, path, x, channels, channels)
        case "max":
            return draft.layer(f"{path}.pool", nn.MaxPool2d, x, 3, stride, 1)
        case "avg":
            return draft.layer(f"{path}.pool", nn.AvgPool2d, x, 3, stride, 1, count_include_pad=False)
        case "sep":
            x = _depthwise(draft, f"{path}.0", x, channels, size, stride, 1)
            return _depthwise(draft, f"{path}.1", x, channels, size, 1, 1)
    return _depthwise(draft, path, x, channels, size, stride, 2)


def _depthwise(draft: Sketch, path: str, x: Ref, channels: int, size: int, stride: int, dilation: int) -> Ref:
    x = draft.layer(f"{path}.relu", nn.ReLU, x)
    padding = dilation * (size // 2)
    x = draft.layer(
        f"{path}.depthwise", nn.Conv2d, x, channels, channels, size, stride, padding, dilation, channels, bias=False
    )
    x = draft.layer(f"{path}.pointwise", nn.Conv2d, x, channels, channels, 1, bias=False)
    return draft.layer(f"{path}.bn", nn.BatchNorm2d, x, channels)


def _factorized(draft: Sketch, path: str, x: Ref, incoming: int, outgoing: int) -> Ref:
    x = draft.layer(f"{path}.relu", nn.ReLU, x)
    halves = [
        draft.layer(f"{path}.{half}", nn.Conv2d, x, incoming, outgoing // 2, 1, 2, bias=False) for half in ("a", "b")
    ]
    return draft.layer(f"{path}.bn", nn.BatchNorm2d, draft.concat(f"{path}.cat", halves), outgoing)


# ---------------------------------------------------------------- chains of inverted residuals
def proxyless(size: int = 224) -> Graph:
    """ProxylessNAS (Cai et al. 2019): 21 blocks of six sizes, and none where a block may be left out."""
    draft = Sketch(2, 3, size, size)
    value = draft.conv("stem", draft.x, 3, 32, 3, 2, 1, relu="behind")
    value, channels = _inverted(draft, "first", value, 32, 16, 1, 3, 1), 16
    stages = ((24, 4, 2), (40, 4, 2), (80, 4, 2), (96, 4, 1), (192, 4, 2), (320, 1, 1))
    for stage, (width, depth, stride) in enumerate(stages):
        for number in range(depth):
            path = f"blocks.{stage}_{number}"
            step = stride if number == 0 else 1
            arms = {
                f"k{kernel}_e{expansion}": _inverted(
                    draft, f"{path}.k{kernel}_e{expansion}", value, channels, width, expansion, kernel, step
                )
                for kernel, expansion in itertools.product((3, 5, 7), (3, 6))
            }
            if step == 1 and channels == width:
                arms["none"] = value
            value, channels = draft.choose(f"{path}.choice", path, arms), width
    return draft.head(draft.conv("mix", value, channels, 1280, 1, relu="behind"), 1280, 1000)


def nasbench_macro() -> Graph:
    """NAS-Bench-Macro (Su et al. 2021): 8 layers, each an identity or one of two inverted residuals."""
    draft = Sketch(2, 3, 32, 32)
    value, channels = draft.conv("stem", draft.x, 3, 32, 3, 1, 1, relu="behind"), 32
    strides = (2, 1, 2, 1, 1, 2, 1, 1)
    for number, stride in enumerate(strides):
        path, width = f"layers.{number}", channels * stride
        identity = draft.conv(f"{path}.id", value, channels, width, 1, stride, relu="none") if stride > 1 else value
        small = _inverted(draft, f"{path}.small", value, channels, width, 3, 3, stride)
        large = _inverted(draft, f"{path}.large", value, channels, width, 6, 5, stride)
        value, channels = draft.choose(f"{path}.choice", path, {"0": identity, "1": small, "2": large}), width
    return draft.head(draft.conv("mix", value, channels, 1280, 1, relu="behind"), 1280, 10)


def _inverted(
    draft: Sketch, path: str, x: Ref, incoming: int, outgoing: int, expansion: int, kernel: int, stride: int
) -> Ref:
    inner, value = incoming * expansion, x
    if expansion > 1:
        value = draft.conv(f"{path}.expand", x, incoming, inner, 1, relu="behind")
    value = draft.conv(
        f"{path}.depthwise", value, inner, inner, kernel, stride, kernel // 2, groups=inner, relu="behind"
    )
    value = draft.conv(f"{path}.project", value, inner, outgoing, 1, relu="none")
    return draft.sum(path, (value, x)) if stride == 1 and incoming == outgoing else value


# ---------------------------------------------------------------- NAS-Bench-201
def nasbench201() -> Graph:
    """NAS-Bench-201 for CIFAR-10 (Dong and Yang 2020): 15 equal cells of six edges, `TO_FROM`, with five operators."""
    draft, channels = Sketch(2, 3, 32, 32), 16
    value = draft.conv("stem", draft.x, 3, channels, 3, 1, 1, relu="none")
    for stage in range(3):
        if stage:
            value, channels = _residual(draft, f"reduction{stage}", value, channels), channels * 2
        for number in range(5):
            value = _cell(draft, f"cells.{stage}_{number}", value, channels)
    value = draft.layer("last", nn.BatchNorm2d, value, channels)
    return draft.head(draft.layer("last_relu", nn.ReLU, value), channels, 10)


def _residual(draft: Sketch, path: str, x: Ref, channels: int) -> Ref:
    value = draft.conv(f"{path}.a", x, channels, 2 * channels, 3, 2, 1)
    value = draft.conv(f"{path}.b", value, 2 * channels, 2 * channels, 3, 1, 1)
    pooled = draft.layer(f"{path}.pool", nn.AvgPool2d, x, 2, 2)
    short = draft.layer(f"{path}.short", nn.Conv2d, pooled, channels, 2 * channels, 1, bias=False)
    return draft.sum(path, (short, value))


def _cell(draft: Sketch, path: str, x: Ref, channels: int) -> Ref:
    values = [x]
    for node in range(1, 4):
        edges = []
        for source in range(node):
            name, value = f"{path}.{node}_{source}", values[source]
            arms = {
                "none": draft.call(f"{name}.zero", "mul", value, 0),
                "skip_connect": value,
                "nor_conv_1x1": draft.conv(f"{name}.one", value, channels, channels, 1),
                "nor_conv_3x3": draft.conv(f"{name}.three", value, channels, channels, 3, 1, 1),
                "avg_pool_3x3": draft.layer(f"{name}.pool", nn.AvgPool2d, value, 3, 1, 1, count_include_pad=False),
            }
            edges.append(draft.choose(f"{name}.choice", f"{node}_{source}", arms))
        values.append(draft.sum(f"{path}.{node}", edges))
    return values[-1]
