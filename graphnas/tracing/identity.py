"""Which tensors are one, and which memory they live in."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence


def storage(tensor: Tensor) -> int:
    """Which memory a tensor lives in."""
    return int(tensor.untyped_storage()._cdata)


def written_part(content: Any) -> Tensor | None:
    """What of a value may be written to: the tensor itself, or the data of a packed sequence."""
    if isinstance(content, PackedSequence):
        return content.data
    return content if isinstance(content, Tensor) else None


def tensors_in(tree: Any) -> Iterator[Tensor]:
    """The tensors in nested tuples, lists, sets, dicts and slices."""
    if isinstance(tree, Tensor):
        yield tree
    elif isinstance(tree, tuple | list | set):
        for item in tree:
            yield from tensors_in(item)
    elif isinstance(tree, dict):
        yield from tensors_in(tuple(tree.values()))
    elif type(tree) is slice:
        yield from tensors_in((tree.start, tree.stop, tree.step))


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
