"""The values of tensors as data in a graph."""

from __future__ import annotations

import base64
import zlib

import torch
from torch import Tensor

from graphnas.errors import TraceError
from graphnas.ir.frozen import FrozenDict
from graphnas.ir.node import Arg, Constant, List
from graphnas.tracing.names import constant_name

# Up to here a value is written out.
LITERAL = 64


def tensor_config(tensor: Tensor, where: str, with_value: bool = False) -> dict[str, Arg]:
    """Shape, dtype and, where asked for, the value of a tensor."""
    config: dict[str, Arg] = {"shape": tuple(map(int, tensor.shape)), "dtype": Constant(constant_name(tensor.dtype))}
    if with_value:
        config["value"] = tensor_value(tensor, where)
    return config


def tensor_value(tensor: Tensor, where: str) -> Arg:
    """The content of a tensor: nested lists if small, `{"arange": n}`, `{"fill": v}`, or its bytes, zlib-packed.

    Raises:
        TraceError: it has no content, or one that cannot be written.
    """
    if tensor.is_meta or tensor.is_quantized or tensor.layout != torch.strided:
        raise TraceError(
            f"{where} is a tensor on {tensor.device} of layout {tensor.layout} that the graph must carry by value, "
            "and its value cannot be written; register it as a parameter or persistent buffer"
        )
    content = tensor.detach().cpu()
    if content.numel() <= LITERAL and content.dtype != torch.bfloat16 and content.dtype != torch.float16:
        return _listed(content.tolist())
    if content.dtype == torch.int64 and torch.equal(content.flatten(), torch.arange(content.numel())):
        return FrozenDict({"arange": content.numel()})
    first = content.flatten()[:1]
    if content.numel() and bool((content == first).all()):
        return FrozenDict({"fill": first.item()})
    packed = zlib.compress(content.contiguous().flatten().view(torch.uint8).numpy().tobytes(), 6)
    return FrozenDict({"base85": base64.b85encode(packed).decode()})


def _listed(content: object) -> Arg:
    return List(tuple(map(_listed, content))) if isinstance(content, list) else content


def tensor_of(config: FrozenDict[str, Arg]) -> Tensor:
    """The tensor that a row of the module table describes; without a value its content is arbitrary."""
    dtype: torch.dtype = getattr(torch, config["dtype"].name.removeprefix("torch."))
    shape = config["shape"]
    match config.get("value"):
        case None:
            return torch.empty(shape, dtype=dtype)
        case {"arange": count}:
            return torch.arange(count, dtype=dtype).reshape(shape)
        case {"fill": value}:
            return torch.full(shape, value, dtype=dtype)
        case {"base85": text}:
            content = bytearray(zlib.decompress(base64.b85decode(text)))
            return torch.frombuffer(content, dtype=torch.uint8).view(dtype).reshape(shape)
        case value:
            return torch.tensor(_unlisted(value), dtype=dtype).reshape(shape)


def _unlisted(value: Arg) -> object:
    return [_unlisted(item) for item in value.items] if isinstance(value, List) else value
