"""What graph types are made of: an immutable, hashable mapping, and facts that an immutable object keeps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from functools import wraps
from typing import Any, NoReturn, TypeVar

T = TypeVar("T")
R = TypeVar("R")
K = TypeVar("K")
V = TypeVar("V")


class FrozenDict(dict[K, V]):
    """A dict that cannot be changed; it keeps insertion order and hashes by content.

    It is a `dict` so that lookups stay fast and `match` sees a mapping.
    """

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(frozenset(self.items()))

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        raise TypeError("a FrozenDict cannot be changed; build a new one: FrozenDict({**old, key: value})")

    __setitem__ = __delitem__ = __ior__ = clear = pop = popitem = setdefault = update = _refuse  # type: ignore[assignment]

    def __copy__(self) -> FrozenDict[K, V]:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> FrozenDict[K, V]:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return (FrozenDict, (dict(self),))

    def __repr__(self) -> str:
        return dict.__repr__(self)


class Remembering:
    """A base for dataclasses that keep what was worked out about them, as `remembered` does.

    Copied or pickled they take their fields along and nothing else: what is kept may hold identities, which mean
    something else in another process.
    """

    def __getstate__(self) -> dict[str, Any]:
        return {field.name: self.__dict__[field.name] for field in fields(self)}  # type: ignore[arg-type]


def remembered(function: Callable[[T], R]) -> Callable[[T], R]:
    """A function of one immutable object, worked out once for each: the object keeps the result under its name.

    It is a `cached_property` for modules that the object's class does not know. Most nodes of a child are those of its
    space, so what is found out about a node serves all children.
    """
    key = f"{function.__module__}.{function.__qualname__}"

    @wraps(function)
    def recall(item: T) -> R:
        kept: dict[str, R] = item.__dict__
        if key not in kept:
            kept[key] = function(item)
        return kept[key]

    return recall
