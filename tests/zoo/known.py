"""What is known not to be equal yet, and why: a row goes when its cause does, and a stale row fails."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Known:
    """What is expected of a network that is not equal.

    Attributes:
        outcome: "refused" or "differs".
        reason: a pattern of the whole reason that must be given.
        why: in words for people.
    """

    outcome: str
    reason: str
    why: str


_CACHE = Known(
    "refused", "TraceError: .* returns a DynamicCache, .*", "an object of a library's own is no output of a graph"
)
KNOWN: dict[str, Known] = {
    "transformers/GPT2LMHeadModel with cache": _CACHE,
}
