"""Whether what a model keeps is a mere cache: it could as well be computed anew in every call, as a graph does."""

from __future__ import annotations

from collections.abc import Callable
from types import FunctionType
from typing import Any

import torch
from torch import Tensor, nn

Outcome = tuple[Any, Any]  # what a call gave, and what was then kept, both frozen
_IDENTITY: Any = object.__eq__
_BY_IDENTITY = (FunctionType, type, nn.Module)


def is_cache(call: Callable[[bool, bool], Outcome | None]) -> bool:
    """Tries whether earlier calls change what a model does.

    They do not where, whatever the values of the inputs, one call leaves the same behind as any other, and every call
    gives what a first call gives.

    Args:
        call: calls the model, on the example or (True) on other values of the same shapes, and if the second argument
            is True as if for the first time; None if it raises or there are no other values.
    """
    first, second = call(False, True), call(False, False)
    other = call(True, True)
    if first is None or second is None or other is None:
        return False
    third = call(False, True) and call(True, False)
    if third is None:
        return False
    kept = all(same(first[1], later[1]) for later in (second, other, third))
    return kept and same(first[0], second[0]) and same(other[0], third[0])


def other_values(tree: Any) -> Any:
    """Arguments of the same shapes with other values within the range of the old; None where there are none."""
    changed = False

    def other(item: Any) -> Any:
        nonlocal changed
        if isinstance(item, Tensor):
            made = _other(item)
            changed = changed or not torch.equal(made, item)
            return made
        if isinstance(item, dict):
            return {key: other(part) for key, part in item.items()}
        if isinstance(item, list | tuple):
            parts = [other(part) for part in item]
            return type(item)(*parts) if hasattr(item, "_fields") else type(item)(parts)
        return item

    found = other(tree)
    return found if changed else None


def _other(tensor: Tensor) -> Tensor:
    with torch.no_grad():
        if not tensor.is_floating_point():
            return tensor.flatten().roll(1).view(tensor.shape)
        low, high = (tensor.min(), tensor.max()) if tensor.numel() else (0.0, 1.0)
        made = torch.rand_like(tensor)
        made = low + (high - low) * made if high > low else made
    return made.requires_grad_(tensor.requires_grad)


def frozen(tree: Any, around: tuple[int, ...] = ()) -> Any:
    """What a tree of tensors, plain objects and values is now, so that it can be compared with what it is later."""
    if isinstance(tree, Tensor):
        return tree.detach().clone()
    if id(tree) in around:
        return around.index(id(tree))
    around = (*around, id(tree))
    if isinstance(tree, list | tuple):
        return type(tree), tuple([frozen(item, around) for item in tree])
    if isinstance(tree, dict):
        return type(tree), {key: frozen(item, around) for key, item in tree.items()}
    if type(tree).__eq__ is _IDENTITY and hasattr(tree, "__dict__") and not isinstance(tree, _BY_IDENTITY):
        return type(tree), frozen(vars(tree), around)
    return tree


def same(first: Any, second: Any) -> bool:
    """Whether two frozen trees are equal bit for bit."""
    if isinstance(first, Tensor) and isinstance(second, Tensor):
        return (first.dtype, first.device) == (second.dtype, second.device) and torch.equal(first, second)
    if type(first) is not type(second):
        return False
    if isinstance(first, tuple):
        return len(first) == len(second) and all(map(same, first, second))
    if isinstance(first, dict):
        return list(first) == list(second) and all(same(first[key], second[key]) for key in first)
    return first is second or bool(first == second)
