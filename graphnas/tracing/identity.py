"""Which tensors are one, and which memory they live in."""

from __future__ import annotations

import torch
from torch import Tensor


def storage(tensor: Tensor) -> int:
    """Which memory a tensor lives in."""
    return int(tensor.untyped_storage()._cdata)


def fresh(tensor: Tensor) -> Tensor:
    """The same tensor under a new identity, so that both can be told apart."""
    with torch.enable_grad():
        alias: Tensor = torch.ops.aten.alias(tensor)
    return alias


def is_same(first: Tensor, second: Tensor) -> bool:
    """Whether two tensors are one: an in-place operation gives its result a new identity."""
    return first is second or (
        storage(first) == storage(second)
        and first.storage_offset() == second.storage_offset()
        and (first.shape, first.stride(), first.dtype) == (second.shape, second.stride(), second.dtype)
    )
