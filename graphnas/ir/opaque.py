"""Modules that are kept whole."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from graphnas.ir.frozen import FrozenDict
from graphnas.ir.source import Source


@dataclass(frozen=True, slots=True)
class Opaque:
    """Why a module stays one layer, although it is none of torch's.

    Attributes:
        reason: what could not be recorded, or that the caller wanted it whole.
        source: the user's line that did it.
        missing: what stands in the way of building it anew; "" where nothing does.
        seen: (arguments, keyword arguments, result) of its calls while it was traced, tensors as {"shape", "dtype"}.
    """

    reason: str
    source: Source | None = None
    missing: str = ""
    seen: tuple[tuple[tuple[Any, ...], FrozenDict[str, Any], Any], ...] = ()
