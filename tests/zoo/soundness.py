"""What becomes of inputs unlike the traced ones: right, refused by a guard, needlessly refused, or silently wrong.

Texts come in other lengths, batches and paddings than the example, images in other sizes. What a network itself
does not take does not count. Outputs and state count, in both modes. A refusal is needless where the same network
without its guards would have been right; "failed" is one that raises anything else, or of which there is no graph.
"""

from __future__ import annotations

import copy
import functools
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

import graphnas as gn
from tests.zoo.comparing import Answer, result, same, stir
from tests.zoo.model import Model, noise, words

OUTCOMES = ("right", "needless", "refused", "wrong", "failed")
Call = Callable[[], Mapping[str, Any]]
Calls = Mapping[str, Call]

# Name → length, and of each row how many words are padding: on the right, or below zero on the left.
_TEXTS: dict[str, tuple[int, tuple[int, ...]]] = {
    "padded": (11, (0, 1)),
    "full": (11, (0, 0)),
    "padded otherwise": (11, (3, 0, 5)),
    "padded left": (11, (-2, 0)),
    "one": (11, (0,)),
    "one, padded": (11, (4,)),
    "shorter": (7, (2, 0)),
    "longer": (19, (0, 1, 6)),
    "longer, full": (19, (0, 0)),
}
# Padded batches as long as the example; what else is a valid input may be refused now and then.
PADDED = frozenset(name for name, (length, padding) in _TEXTS.items() if length == 11 and any(padding))
_EXAMPLES = {"padded": ("padded",), "full": ("full",), "both": ("padded", "full")}
_MORE = {"larger": (32, 32), "wider": (0, 32), "higher": (64, 32)}  # pixels


def jobs(models: Iterable[Model]) -> dict[str, Callable[[], Answer]]:
    """What is measured, by kind, network and how it is traced."""
    found: dict[str, Callable[[], Answer]] = {}
    for model in models:
        given = model.inputs(2)
        if {"input_ids", "attention_mask"} <= given.keys() and "pixel_values" not in given:
            calls: Calls = {name: functools.partial(_text, model, *row) for name, row in _TEXTS.items()}
            for how, examples in _EXAMPLES.items():
                for exact in (False, True):
                    name = f"texts, traced {how}{', exact' * exact}: {model.name}"
                    found[name] = functools.partial(measure, model, calls, examples, exact)
        elif len(given) == 1 and isinstance(image := next(iter(given.values())), Tensor) and image.dim() == 4:
            sizes = {"traced": (0, 0)} | _MORE
            calls = {name: functools.partial(_image, model, *more) for name, more in sizes.items()}
            found[f"images: {model.name}"] = functools.partial(measure, model, calls, ("traced",), False)
    return found


def _text(model: Model, length: int, padding: tuple[int, ...]) -> Mapping[str, Any]:
    place = torch.arange(length)
    rows = [(place < length - count) & (place >= -count) for count in padding]
    given = {"input_ids": words(len(rows), length), "attention_mask": torch.stack(rows).long()}
    return {**model.inputs(len(rows)), **given}


def _image(model: Model, higher: int, wider: int) -> Mapping[str, Any]:
    ((name, image),) = model.inputs(2).items()
    return {name: noise(*image.shape[:2], image.shape[2] + higher, image.shape[3] + wider)}


def measure(model: Model, calls: Calls, examples: Iterable[str], exact: bool) -> Answer:
    """How often each outcome is that of a call, after some of them were traced.

    Args:
        model: the network.
        calls: what it is called on, by name.
        examples: names of those that are traced.
        exact: whether libraries are told the truth when they ask whether they are compiled: they then look at masks.
    """
    torch.manual_seed(0)
    original = model.make()
    stir(original)
    state = copy.deepcopy(original.state_dict())
    try:
        graph = gn.Tracer(exact=exact).trace(original, *(gn.example(**calls[name]()) for name in examples))
    except gn.GraphNASError as error:
        return {"failed": len(calls), "reason": f"{type(error).__name__}: {error}"}
    guarded, free = gn.build(graph, state), gn.build(graph, state, guards=False)
    found = Counter[str]()
    notes: list[str] = []
    for name, call in calls.items():
        for training in (False, True):
            expected = _result(original, state, call, training)
            if isinstance(expected, Exception):
                continue  # the network itself does not take it
            given = [_result(network, state, call, training) for network in (guarded, free)]
            outcome = _outcome(expected, *given)
            found[outcome] += 1
            found["others"] += name not in examples
            found["padded, not right"] += name in PADDED and outcome != "right"
            if outcome != "right":
                where = str(given[0]).rpartition("another condition: ")[2] if isinstance(given[0], Exception) else ""
                notes.append(f"{outcome}: {name}, {'train' if training else 'eval'} {where[:120]}".strip())
    return {**+found, "reason": "; ".join(notes)}


Found = tuple[Any, Any]  # outputs and state


def _result(network: nn.Module, state: Mapping[str, Tensor], call: Call, training: bool) -> Found | Exception:
    network.load_state_dict(state)
    network.train(training)
    try:
        with torch.no_grad():
            outputs, after, _ = result(network, call(), training=False)
    except Exception as error:  # what it means depends on whose it is
        return error
    return outputs, {name: tensor.clone() for name, tensor in after.items()}


def _outcome(expected: Found, guarded: Found | Exception, free: Found | Exception) -> str:
    if not isinstance(guarded, Exception):
        return "right" if _is_right(expected, guarded) else "wrong"
    if "traced under another condition" not in str(guarded):
        return "failed"
    return "needless" if not isinstance(free, Exception) and _is_right(expected, free) else "refused"


def _is_right(expected: Found, found: Found) -> bool:
    return all(same(first, second) for first, second in zip(expected, found, strict=True))


def is_right(answer: Answer) -> bool:
    """Whether all calls of a network are right."""
    return {*OUTCOMES} & {*answer} == {"right"}


def totals(found: Mapping[str, Answer]) -> str:
    """A line for every kind: calls by outcome, and of how many networks that take other inputs all are right."""
    lines = []
    kinds = dict.fromkeys(name.partition(":")[0] for name in found)
    for kind in kinds:
        answers = [answer for name, answer in found.items() if name.partition(":")[0] == kind]
        counts = {outcome: sum(answer.get(outcome, 0) for answer in answers) for outcome in OUTCOMES}
        others = [answer for answer in answers if answer.get("others") or answer.get("failed")]
        right = sum(is_right(answer) for answer in others)
        calls = ", ".join(f"{count} {outcome}" for outcome, count in counts.items())
        lines.append(
            f"{kind}: {calls}, of {sum(counts.values())} calls; all right in {right} of {len(others)} networks"
        )
    return "\n".join(lines)
