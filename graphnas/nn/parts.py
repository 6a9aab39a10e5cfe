"""What words are made of."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from torch import nn

from graphnas.tracing.choosing import Word, choose

T = TypeVar("T")


class Decision(Word):
    """A decision alone, which is told with every call what it is about."""

    def forward(self, arms: Iterable[Callable[..., Any]], *args: Any) -> Any:
        """What the chosen one of the arms gives."""
        return choose(self, tuple(arms), *args)


def itself(value: T) -> T:
    """The value, as something that can be called."""
    return value


def check_modules(word: str, named: Mapping[Any, object]) -> None:
    """Make sure that a word is given modules, and at least one.

    Raises:
        TypeError: one is no module.
        ValueError: there are none.
    """
    if not named:
        raise ValueError(f"{word} needs at least one module, but got none")
    for option, module in named.items():
        if not isinstance(module, nn.Module):
            remedy = "; a class is built first, and a function stands in a module" if callable(module) else ""
            raise TypeError(f"{word} chooses among modules, but {option!r} is {module!r:.100}{remedy}")
