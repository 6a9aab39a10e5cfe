"""What one emission leaves to the next: the children of a space share most of their nodes and rows."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Hashable
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Memory(Generic[T]):
    """What was made of objects that never change, found again by who they are: comparing them would take as long.

    It holds the objects, so that no later one can be taken for one of them, and is emptied once it is full.
    """

    def __init__(self, size: int = 20_000) -> None:
        self._size = size
        self._known: dict[Hashable, tuple[tuple[Any, ...], T]] = {}

    def of(self, key: Hashable, kept: tuple[Any, ...], make: Callable[[], T]) -> T:
        """What `make` made when it was first asked for under this key.

        Args:
            key: says all that the result depends on; holds objects by their `id`.
            kept: those objects.
            make: makes the result.
        """
        found = self._known.get(key)
        if found is None:
            if len(self._known) >= self._size:
                self._known.clear()
            found = self._known[key] = kept, make()
        return found[1]


class Numbers(Memory[int]):
    """A number for each key, which stands for it in other keys; none is given twice."""

    def __init__(self) -> None:
        super().__init__()
        self._count = itertools.count(1)

    def number(self, key: Hashable, kept: tuple[Any, ...]) -> int:
        """The number of a key."""
        return self.of(key, kept, self._count.__next__)
