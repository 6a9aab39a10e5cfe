"""Whether what a model keeps is a mere cache: it could as well be computed anew in every call, as a graph does."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from types import FunctionType
from typing import Any

import torch
from torch import Tensor, nn

Outcome = tuple[Any, Any]  # what a call gave, and what was then kept, both frozen
Change = Callable[[Any], Any]  # makes other arguments of those of a call
_IDENTITY: Any = object.__eq__
_BY_IDENTITY = (FunctionType, type, nn.Module)


def is_cache(call: Callable[[Change | None, bool], Outcome | None], given: Any) -> bool:
    """Tries whether earlier calls change what a model does.

    They do not where, whatever the values of the inputs, one call leaves the same behind as any other, and every call
    gives what a first call gives; on inputs of other sizes too, if the model takes these.

    Args:
        call: calls the model on the example, or on what that is changed to and then with other random numbers, and if
            the second argument is True as if for the first time; None if it raises or there is no such change.
        given: the arguments of the example.
    """
    first, second = call(None, True), call(None, False)
    other = call(other_values, True)
    if first is None or second is None or other is None:
        return False
    third = call(None, True) and call(other_values, False)
    if third is None:
        return False
    kept = all(same(first[1], later[1]) for later in (second, other, third))
    if not kept or not same(first[0], second[0]) or not same(other[0], third[0]):
        return False
    return all(_is_unmoved(call, change) for change in _other_sizes(given))


def _is_unmoved(call: Callable[[Change | None, bool], Outcome | None], change: Change) -> bool:
    """Whether inputs of other sizes give behind the example what they give in a first call, if both can be made."""
    alone = call(change, True)
    behind = alone and call(None, True) and call(change, False)
    return alone is None or behind is None or same(alone[0], behind[0])


def other_values(tree: Any) -> Any:
    """Arguments of the same shapes with other values within the range of the old; None where there are none."""
    tensors = _tensors(tree)
    others = [_other(tensor) for tensor in tensors]
    if all(map(torch.equal, tensors, others)):
        return None
    return _with(tree, iter(others))


def _other_sizes(given: Any) -> list[Change]:
    """What makes inputs twice as large in one dimension of one of them, or in all dimensions of one size."""
    sizes = [(place, dim, size) for place, item in enumerate(_tensors(given)) for dim, size in enumerate(item.shape)]
    alone = [frozenset(((place, dim),)) for place, dim, _ in sizes]
    alike = [frozenset((place, dim) for place, dim, size in sizes if size == each) for *_, each in sizes]
    return [functools.partial(_doubled, dims) for dims in dict.fromkeys((*alone, *alike))]


def _doubled(dims: frozenset[tuple[int, int]], tree: Any) -> Any:
    tensors = _tensors(tree)
    with torch.no_grad():
        made = [item.detach() for item in tensors]
        for place, dim in dims:
            made[place] = torch.cat((made[place], made[place]), dim)
    return _with(tree, iter([new.requires_grad_(old.requires_grad) for new, old in zip(made, tensors)]))


def _tensors(tree: Any) -> list[Tensor]:
    """The tensors in a tree of arguments, in order."""
    if isinstance(tree, Tensor):
        return [tree]
    if isinstance(tree, dict | list | tuple):
        return [item for part in (tree.values() if isinstance(tree, dict) else tree) for item in _tensors(part)]
    return []


def _with(tree: Any, tensors: Iterator[Tensor]) -> Any:
    """A tree of arguments with other tensors."""
    if isinstance(tree, Tensor):
        return next(tensors)
    if isinstance(tree, dict):
        return {key: _with(part, tensors) for key, part in tree.items()}
    if isinstance(tree, list | tuple):
        parts = [_with(part, tensors) for part in tree]
        return type(tree)(*parts) if hasattr(tree, "_fields") else type(tree)(parts)
    return tree


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
