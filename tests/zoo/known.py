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
_GUARD = "ValueError: the network was traced under another condition: "
_CHANCE = Known(
    "differs",
    f"train mode, batch 3: {_GUARD}transformers/models/m2m_100/modeling_m2m_100.py:[0-9]+",
    "layers are left out by chance, and a graph holds what was drawn when it was traced",
)
_DRAWN = Known(
    "differs",
    rf"(train mode, batch [23]: {_GUARD}Wav2Vec2Model raised in training when it was traced(; )?){{2}}",
    "numpy draws what is masked in training: no torch function computes it",
)
_LOOP = Known(
    "differs",
    rf"(\w+ mode, batch 3: {_GUARD}transformers/models/vilt/modeling_vilt.py:[0-9]+(; )?){{2}}",
    "positions are interpolated for each image in a loop over the batch",
)
_SPARSE = Known(
    "refused",
    r"EmitError: module 'encoder\.layer\.0\.attention\.self' .* is given a BigBirdConfig that its fields do not .*",
    "numpy draws which blocks are attended to, and the config of what is kept whole was changed after it was made",
)
KNOWN: dict[str, Known] = {
    "transformers/BigBirdModel sparse": _SPARSE,
    "transformers/GPT2LMHeadModel with cache": _CACHE,
    "transformers/M2M100ForConditionalGeneration with layers dropped": _CHANCE,
    "transformers/ViltModel": _LOOP,
    "transformers/Wav2Vec2Model with masks": _DRAWN,
}
