"""The word `choice`: a number that an architecture decides, wherever a constructor takes one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphnas.tracing.chosen import chosen


def choice(label: str, options: Sequence[float]) -> Any:
    """A number to be chosen: `nn.Conv2d(3, gn.choice("width", (16, 32)), 3)`.

    It is the first option until a search decides, and computes like a number: `4 * width`, `width // 2`. What is
    computed from it stays an expression of the choice. The layers of torch take it for any number that they are built
    of; what would turn it into a plain number, such as `range(width)`, is an error that names the line.

    Args:
        label: of the decision in an architecture; the same label elsewhere is the same decision.
        options: ints or floats, the first for the network before any search.

    Raises:
        ValueError: it has no label, or the options are empty or repeated.
        TypeError: an option is no int or float.
    """
    return chosen(label, options)
