"""What a node computes, however it is written: `nn.ReLU`, `F.relu(x)` and `x.relu_()` are one operation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from graphnas.analysis.names import REFLECTED
from graphnas.ir.frozen import FrozenDict
from graphnas.ir.graph import Graph
from graphnas.ir.node import Arg, Call, Layer, Node, Param, Ref, refs_in

# Layers → the function that they call; their parameters are no values that one writes.
_LAYERS = {
    f"torch.nn.{layer}": name
    for layer, name in {
        "AdaptiveAvgPool1d": "adaptive_avg_pool1d", "AdaptiveAvgPool2d": "adaptive_avg_pool2d",
        "AvgPool1d": "avg_pool1d", "AvgPool2d": "avg_pool2d", "BatchNorm1d": "batch_norm", "BatchNorm2d": "batch_norm",
        "BatchNorm3d": "batch_norm", "Bilinear": "bilinear", "CELU": "celu", "Conv1d": "conv1d", "Conv2d": "conv2d",
        "Conv3d": "conv3d", "ConvTranspose1d": "conv_transpose1d", "ConvTranspose2d": "conv_transpose2d",
        "Dropout": "dropout", "ELU": "elu", "Embedding": "embedding", "GELU": "gelu", "GLU": "glu",
        "GroupNorm": "group_norm", "Hardshrink": "hardshrink", "Hardsigmoid": "hardsigmoid", "Hardswish": "hardswish",
        "Hardtanh": "hardtanh", "InstanceNorm1d": "instance_norm", "InstanceNorm2d": "instance_norm",
        "LayerNorm": "layer_norm", "LeakyReLU": "leaky_relu", "Linear": "linear", "LogSigmoid": "logsigmoid",
        "LogSoftmax": "log_softmax", "MaxPool1d": "max_pool1d", "MaxPool2d": "max_pool2d", "Mish": "mish",
        "PReLU": "prelu", "RMSNorm": "rms_norm", "ReLU": "relu", "ReLU6": "relu6", "SELU": "selu", "SiLU": "silu",
        "Sigmoid": "sigmoid", "Softmax": "softmax", "Softplus": "softplus", "Softshrink": "softshrink",
        "Softsign": "softsign", "Tanh": "tanh", "Tanhshrink": "tanhshrink",
    }.items()
}  # fmt: skip
# Where one function is `torch.f`, `torch.Tensor.f`, `torch.Tensor.f_` and `torch.nn.functional.f`.
_PLACES = ("operator", "torch", "torch.Tensor", "torch.nn.functional")
_SYNONYMS = {
    "absolute": "abs", "clip": "clamp", "concat": "cat", "concatenate": "cat", "divide": "div", "floor_divide":
    "floordiv", "multiply": "mul", "negative": "neg", "remainder": "mod", "subtract": "sub", "swapaxes": "transpose",
    "swapdims": "transpose", "true_divide": "div", "truediv": "div",
}  # fmt: skip
# Operations of two values, each of which may be a number.
BINARY = frozenset(("add", "sub", "mul", "div", "matmul", "pow", "mod", "floordiv", "maximum", "minimum"))
COMMUTATIVE = frozenset(("add", "mul", "maximum", "minimum"))
# Arguments by which an operation becomes another one, and what they are where it does not.
PLAIN: Mapping[str, Mapping[str, Any]] = FrozenDict(
    {"add": FrozenDict(alpha=1), "sub": FrozenDict(alpha=1), "div": FrozenDict(rounding_mode=None)}
)


def operation(node: Node) -> str:
    """What a layer or call computes: the name of a function of torch, else its class or target; "" of anything else."""
    match node.op:
        case Layer(type=kind):
            return operation_called(kind)
        case Call(target=target):
            return operation_called(target)
    return ""


def operation_called(name: str) -> str:
    """What the layers of a class, or the calls of a function, compute, by the dotted name of the class or function."""
    if name in _LAYERS:
        return _LAYERS[name]
    place, _, last = name.rpartition(".")
    if place not in _PLACES:
        return name
    word = last.strip("_")
    if _is_magic(last) and word[0] in "ri" and word[1:] in REFLECTED:
        word = word[1:]
    return _SYNONYMS.get(word, word)


def operands(graph: Graph, node: Node) -> tuple[Arg, ...]:
    """The values that a node computes with, in the order in which one would write them; parameters aside.

    Of an operation of two values also a number; of others only what is computed before.
    """
    values: tuple[Arg, ...]
    if operation(node) in BINARY:
        values = (*node.args, *(node.kwargs[name] for name in ("other", "exponent") if name in node.kwargs))
        if isinstance(node.op, Call) and _is_reflected(node.op.target.rpartition(".")[2]):
            values = values[::-1]
    else:
        values = tuple(refs_in((node.args, node.kwargs), sizes=False))
    return tuple(value for value in values if not _is_parameter(graph, value))


def _is_parameter(graph: Graph, value: Arg) -> bool:
    node = graph.by_name.get(value.name) if isinstance(value, Ref) else None
    return node is not None and isinstance(node.op, Param)


def _is_magic(name: str) -> bool:
    return name.startswith("__") and name.endswith("__")


def _is_reflected(name: str) -> bool:
    return _is_magic(name) and name[2] == "r" and name.strip("_")[1:] in REFLECTED
