"""What becomes of inputs unlike the traced ones: right, refused by a guard, needlessly refused, or silently wrong.

Every model is traced with one example, and with the examples that its row names; then it is called on all of the row's
inputs in both modes, but for those that it does not take itself. Outputs, state and gradients count. A refusal is
needless where the same file without its guards would have been right; "failed" is a file that raises anything else.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

import graphnas as gn
from benchmarks.report import Report
from tests.laws.networks import Run, assert_same
from tests.laws.networks import run as run_network
from tests.models.gpt import GPT
from tests.models.resnet import resnet18
from tests.models.text import TextEncoder, texts
from tests.models.vit import VisionTransformer
from tests.models.windows import Positions, WindowNetwork

OUTCOMES = ("right", "refused", "needless", "wrong", "failed")


Call: TypeAlias = "tuple[tuple[Any, ...], dict[str, Any]]"


@dataclass(frozen=True)
class Row:
    """A model with what it is called on.

    Attributes:
        factory: builds it.
        calls: what it is called on, by name.
        several: the calls of which each is an example where several are traced; the first is that of one.
    """

    factory: Callable[[], nn.Module]
    calls: Mapping[str, Call]
    several: tuple[str, ...]


def _text(batch: int, length: int, padding: int = 0) -> Call:
    ids, mask = texts(batch, length, padding)
    return (ids,), {"mask": mask}


def _image(batch: int, height: int, width: int) -> Call:
    generator = torch.Generator().manual_seed(batch + height + width)
    return (torch.randn(batch, 3, height, width, generator=generator),), {}


TEXTS = {
    "full": _text(2, 6),
    "padded": _text(3, 7, 2),
    "other padding": _text(4, 9, 5),
    "other length": _text(2, 11),
    "batch 1": _text(1, 6),
    "length 1": _text(3, 1),
    "no mask": (_text(2, 6)[0], {}),
}
IMAGES = {
    "16": _image(2, 16, 16),
    "22": _image(2, 22, 22),
    "8": _image(2, 8, 8),
    "batch 1": _image(1, 16, 16),
    "32": _image(3, 32, 32),
    "16 x 24": _image(2, 16, 24),
    "18 x 26": _image(2, 18, 26),
}
BOTH, ALL = ("full", "padded"), ("full", "padded", "no mask")
ROWS: dict[str, Row] = {
    "encoder": Row(TextEncoder, TEXTS, BOTH),
    "encoder, mask or none": Row(TextEncoder, TEXTS, ALL),
    "encoder, always masked": Row(lambda: TextEncoder(fast=False), TEXTS, ALL),
    "decoder": Row(lambda: TextEncoder(causal=True), TEXTS, (*ALL, "length 1")),
    "trimmed": Row(lambda: TextEncoder(trimmed=True), TEXTS, BOTH),
    "first token": Row(lambda: TextEncoder(pooled=False), TEXTS, ALL),
    "gpt": Row(lambda: GPT(depth=2), {name: ((ids,), {}) for name, ((ids,), _) in TEXTS.items()}, BOTH),
    "resnet18": Row(lambda: resnet18(8, 10), IMAGES, ("16", "22")),
    "vit": Row(lambda: VisionTransformer(16, 4, depth=2), IMAGES, ("16",)),
    "windows": Row(WindowNetwork, IMAGES, ("16", "22", "8", "18 x 26")),
    "positions": Row(Positions, IMAGES, ("16", "22", "16 x 24")),
}


def run_rows(rows: Mapping[str, Row]) -> Iterator[dict[str, Any]]:
    """What becomes of the calls of every row, after one example and after several."""
    for name, row in rows.items():
        for how, examples in (("one", row.several[:1]), ("several", row.several)):
            yield {"model": name, "traced": how, "examples": len(examples), **_outcomes(row, examples)}


def run() -> Report:
    """Traces every model both ways and compares on all inputs."""
    rows = list(run_rows(ROWS))
    figures: dict[str, float] = {}
    for how in ("one", "several"):
        for outcome in OUTCOMES:
            figures[f"{how}.{outcome}"] = float(sum(row[outcome] for row in rows if row["traced"] == how))
    bars = {f"{how}.{outcome}": 0.0 for how in ("one", "several") for outcome in ("wrong", "failed")}
    return Report(figures, bars, rows)


def _outcomes(row: Row, examples: tuple[str, ...]) -> dict[str, int]:
    torch.manual_seed(0)
    model = row.factory()
    weights = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    try:
        graph = gn.trace(model, *(gn.example(*row.calls[name][0], **row.calls[name][1]) for name in examples))
    except gn.TraceError:
        return dict.fromkeys(OUTCOMES, 0) | {"failed": len(row.calls)}
    guarded, free = gn.build(graph, weights), gn.build(graph, weights, guards=False)
    found = Counter[str]()
    for call in row.calls.values():
        for training in (False, True):
            expected = _result(model, weights, call, training)
            if isinstance(expected, Run):  # else the model itself does not take the call
                found[_outcome(expected, *(_result(each, weights, call, training) for each in (guarded, free)))] += 1
    return {outcome: found[outcome] for outcome in OUTCOMES}


def _result(network: nn.Module, weights: dict[str, Tensor], call: Call, training: bool) -> Run | Exception:
    """What a network does with a call, or what it raises."""
    try:
        return run_network(network, weights, *call[0], training=training, **call[1])
    except Exception as error:  # what it means depends on whose it is
        return error


def _outcome(expected: Run, guarded: Run | Exception, free: Run | Exception) -> str:
    if isinstance(guarded, Run):
        return "right" if _is_same(expected, guarded) else "wrong"
    if "traced under another condition" not in str(guarded):
        return "failed"
    return "needless" if isinstance(free, Run) and _is_same(expected, free) else "refused"


def _is_same(first: Run, second: Run) -> bool:
    try:
        assert_same(first, second)
    except AssertionError:
        return False
    return True
