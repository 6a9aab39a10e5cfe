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
_ROUNDING = Known(
    "differs",
    r"(train mode, batch \d: gradients differ in \d+ of \d+ tensors, by \d\.\de-07 of the largest value(; )?){2}",
    "told that it is compiled, it gives attention a mask where it else says is_causal: outputs are equal, "
    "gradients to rounding; Llama traced as `exact` is equal",
)
KNOWN: dict[str, Known] = {
    "transformers/GPT2LMHeadModel with cache": _CACHE,
    "transformers/LlamaForCausalLM": _ROUNDING,
    "transformers/MixtralForCausalLM": _ROUNDING,
}
