"""How many multiply-adds one operation takes, found by running it on torch's meta device.

What counts is what torch's operation comes down to: convolutions, also transposed, and products of matrices and
vectors, which `linear`, `matmul`, `einsum`, attention and recurrent layers are made of. Additions, activations,
normalization, pooling and interpolation count nothing, as in published tables.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from graphnas.analysis.meta import PASSING, DependsOnDataError, built, called, first_line, layer
from graphnas.ir import targets
from graphnas.ir.frozen import FrozenDict
from graphnas.ir.node import SET_DATA, Arg

aten = torch.ops.aten

# What the meta device cannot run, and what multiplies nothing.
_FREE = PASSING | targets.PACKING | {SET_DATA, "torch.is_autocast_enabled"}
# What multiplies, by the last part of its name.
_MULTIPLYING = frozenset({
    "Bilinear", "Conv1d", "Conv2d", "Conv3d", "ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d", "GRU",
    "GRUCell", "LSTM", "LSTMCell", "Linear", "MultiheadAttention", "RNN", "RNNCell", "Transformer",
    "TransformerDecoderLayer", "TransformerEncoderLayer", "addbmm", "addmm", "addmv", "baddbmm", "bilinear", "bmm",
    "chain_matmul", "conv1d", "conv2d", "conv3d", "conv_tbc", "conv_transpose1d", "conv_transpose2d",
    "conv_transpose3d", "convolution", "dot", "einsum", "gru", "gru_cell", "inner", "linear", "lstm", "lstm_cell",
    "matmul", "matrix_power", "mm", "multi_dot", "multi_head_attention_forward", "mv", "rmatmul", "rnn_relu",
    "rnn_relu_cell", "rnn_tanh", "rnn_tanh_cell", "scaled_dot_product_attention", "tensordot", "vdot", "vecdot",
})  # fmt: skip


def may_multiply(name: str) -> bool:
    """Whether a layer or function may take multiply-adds; of what is not torch's nobody knows."""
    return name.rpartition(".")[2].strip("_") in _MULTIPLYING or not (name in targets.LAYERS or name in targets.TARGETS)


def _of_matrices(first: Tensor, second: Tensor) -> int:
    """(..., n, k) times (..., k, m), or times a vector (k)."""
    return first.numel() * (second.shape[-1] if second.dim() > 1 else 1)


def _of_convolution(result: Tensor, given: Tensor, weight: Tensor, transposed: bool) -> int:
    """Every place of the result, or transposed every place of what is given, meets each number of the weight once."""
    places = given if transposed else result
    return places.shape[0] * math.prod(places.shape[2:]) * weight.numel()


# Operation → (result, arguments) → how many.
_COUNTS: dict[Any, Callable[[Any, tuple[Any, ...]], int]] = {
    **dict.fromkeys((aten.mm, aten.bmm, aten.mv, aten.dot, aten.vdot), lambda _, args: _of_matrices(*args[:2])),
    **dict.fromkeys((aten.addmm, aten.baddbmm, aten.addbmm, aten.addmv), lambda _, args: _of_matrices(*args[1:3])),
    aten.convolution: lambda result, args: _of_convolution(result, args[0], args[1], args[6]),
    aten._trilinear: lambda _, args: args[0].shape[0] * args[1].numel(),  # a bilinear layer
}


class _Counter(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Adds up what runs."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.total: int = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None) -> Any:
        if func.namespace not in ("aten", "prims"):
            raise DependsOnDataError(f"it runs {func}, an operation that is not torch's own")
        result = func(*args, **(kwargs or {}))
        count = _COUNTS.get(func.overloadpacket)
        self.total += count(result, args) if count else 0
        return result


def multiply_adds(
    name: str, config: FrozenDict[str, Arg] | None, args: tuple[Arg, ...], kwargs: FrozenDict[str, Arg]
) -> int:
    """The multiply-adds of a layer, or without `config` of a function; the arguments are those of `meta.result`.

    Raises:
        DependsOnDataError: the operation cannot be run without data, or runs operations that are not torch's own.
    """
    return _remembered(name, config, args, kwargs, repr((config, args, kwargs)))


@functools.lru_cache(maxsize=20_000)
def _remembered(
    name: str, config: FrozenDict[str, Arg] | None, args: tuple[Arg, ...], kwargs: FrozenDict[str, Arg], _text: str
) -> int:
    if name in _FREE:
        return 0
    with torch.device("meta"), torch.no_grad():
        try:
            given, named = built(args), built(kwargs)
            module = None if config is None else layer(name, config)
            with _Counter() as counter:
                _ = called(name, given, named) if module is None else module(*given, **named)
        except DependsOnDataError:
            raise
        except Exception as error:  # whatever somebody's module raises
            raise DependsOnDataError(first_line(error)) from error
    total: int = counter.total
    return total
