"""`range` of sizes and numbers that are followed: what a loop over it relies on is how often it runs."""

from __future__ import annotations

import operator
import sys
from collections.abc import Iterator
from typing import Any

from graphnas.tracing.listening import Listener
from graphnas.tracing.sizes import Holder, Symbolic, pin, plain


class Range(Holder):
    """A range whose bounds are expressions. Its elements are as well, where they do not begin at a plain number.

    Args:
        listener: told that the length is asked for.
        *bounds: what `range` was given: whole numbers, of which one at least is followed.
    """

    def __init__(self, listener: Listener, *bounds: Any) -> None:
        self.listener = listener
        self.start, self.stop, self.step = (0, *bounds, 1) if len(bounds) == 1 else (*bounds, 1)[:3]
        self.value = range(*map(plain, bounds))

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        return range

    def steps(self) -> Any:
        """How many steps there are, if not fewer than none: a number that is followed."""
        distance = self.stop if _is(self.start, 0) else self.stop - self.start
        return distance if _is(self.step, 1) else -(-distance // self.step)

    def _rely(self) -> None:
        """From here on the number of steps is a constant that the graph relies on."""
        if type(self.start) is int and type(self.step) is int and abs(self.step) == 1:
            pin(self.stop)
        else:
            pin(self.steps())

    def _at(self, place: int) -> Any:
        return self.start + place * self.step if place else self.start

    def _pinned(self) -> range:
        return range(*map(pin, (self.start, self.stop, self.step)))

    def __iter__(self) -> Iterator[Any]:
        self._rely()
        return map(self._at, range(len(self.value)))

    def __reversed__(self) -> Iterator[Any]:
        self._rely()
        return map(self._at, reversed(range(len(self.value))))

    def __len__(self) -> int:
        if self.listener.listening:
            self.listener.conversions.come_across("len", sys._getframe(1))
        self._rely()
        return len(self.value)

    def __bool__(self) -> bool:
        return bool(self.steps() > 0)

    def __getitem__(self, place: Any) -> Any:
        self._rely()
        if not isinstance(place, slice):
            return self._at(range(len(self.value))[operator.index(place)])
        places = range(len(self.value))[place]
        bounds = (self._at(places.start), self._at(places.stop), self.step * places.step)
        return Range(self.listener, *bounds) if any(type(bound) in Symbolic for bound in bounds) else range(*bounds)

    def __contains__(self, value: Any) -> bool:
        if not isinstance(value, int):
            return value in self._pinned()
        up = self.step > 0
        inside = self.start <= value < self.stop if up else self.stop < value <= self.start
        return bool(inside and (value - self.start) % self.step == 0)

    def __eq__(self, other: object) -> bool:
        return self._pinned() == (other._pinned() if isinstance(other, Range) else other)

    def __hash__(self) -> int:
        return hash(self._pinned())

    def __repr__(self) -> str:
        return repr(self._pinned())

    def __reduce_ex__(self, protocol: Any) -> Any:
        return range, (self.value.start, self.value.stop, self.value.step)

    def index(self, value: Any) -> int:
        """The place of an element."""
        return self._pinned().index(pin(value))

    def count(self, value: Any) -> int:
        """How often it has an element."""
        return self._pinned().count(pin(value))


def _is(bound: Any, number: int) -> bool:
    return type(bound) is int and bound == number
