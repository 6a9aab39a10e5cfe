"""Choices that a model spells out itself: a recorder runs all that could be chosen, and writes the choice down."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor, nn

from graphnas.errors import TraceError
from graphnas.ir.choice import Choice, Option
from graphnas.ir.node import Choose
from graphnas.tracing import sources
from graphnas.tracing.identity import tensors_in

if TYPE_CHECKING:
    from graphnas.tracing.record import Step
    from graphnas.tracing.recorder import Recorder

RECORDER: ContextVar[Recorder | None] = ContextVar("recorder", default=None)
MERGES = ("sum", "mean", "concat")
_CHOICE = "choice"  # what nodes are called after


class Word(nn.Module):
    """A module by which a model says what there is to choose. In a graph it is a container: only its parts are called.

    Args:
        options: what is chosen among; the first is what the model does before any search.
        take: how many are chosen; None for any number of them.
        merge: how several are joined: "sum", "mean" or "concat" (along dimension 1).
        label: of the decision; None for the path of the module. The same label elsewhere is the same decision.

    Raises:
        ValueError: options are empty or repeated, or `take` or `merge` do not suit them.
    """

    container: ClassVar[str] = "torch.nn.ModuleDict"
    remedy: ClassVar[str] = "Let every option give the same shape and dtype."  # where the options give other shapes

    chained: ClassVar[bool] = False  # whether each option is computed from the next one

    def __init__(
        self, options: Sequence[Option], take: int | None = 1, merge: str = "sum", label: str | None = None
    ) -> None:
        super().__init__()
        if merge not in MERGES:
            raise ValueError(f"merge is one of {', '.join(MERGES)}, but got {merge!r}")
        if label is not None and (not isinstance(label, str) or not label):
            raise ValueError(f"a label is a string that is not empty, or None, but got {label!r}")
        self.label = label
        self.merge = merge
        self.choice = Choice(label or type(self).__name__, tuple(options), take)


def choose(word: Word, arms: Sequence[Callable[..., Any]], *args: Any, **kwargs: Any) -> Any:
    """What the arm at the chosen position gives, joined where several are chosen.

    Before any search those of the default run. While a model is recorded all run, each on tensors of its own as far
    as it writes to them, and the graph has the choice.

    Args:
        word: the module that decides.
        arms: for every option what computes it.
        *args: what all of them are given.
        **kwargs: by name.

    Raises:
        TraceError: the arms give tensors of differing shapes, or the module around them is kept whole.
    """
    recorder = RECORDER.get()
    if len(arms) == 1:
        return arms[0](*args, **kwargs)
    if recorder is None:
        positions = word.choice.positions(word.choice.default)
        return _joined(word, [arms[position](*args, **kwargs) for position in positions])
    if not recorder.listening:
        raise TraceError(
            f"a {type(word).__name__} is called in a module that stays one layer, where nothing can be chosen\n"
            f"  at {_place()}. Let the module be traced, or take the choice out of it."
        )
    choice = _decision(recorder, word)
    given = list(tensors_in((args, kwargs)))
    copies = [_apart(recorder, (args, kwargs)) for _ in arms[1:]]
    before = _writes(recorder, given)
    results = [arms[0](*args, **kwargs)]
    own = _writes(recorder, given) - before
    results += [arm(*mine, **named) for arm, (mine, named) in zip(arms[1:], copies, strict=True)]
    recorder.writes.hide(own, f"option {choice.options[0]!r} of {_named(word, choice)}")
    return _recorded(recorder, word, choice, results)


def _writes(recorder: Recorder, tensors: Sequence[Tensor]) -> set[Step]:
    with recorder.quiet():
        return {step for tensor in tensors for step in recorder.writes.to(tensor)}


def _decision(recorder: Recorder, word: Word) -> Choice:
    if word.label is not None:
        return word.choice
    path = recorder.registry.path(word, "")
    if path is None:
        raise TraceError(
            f"a {type(word).__name__} is made in forward\n  at {_place()}. "
            "Make it in the constructor, or give it a label."
        )
    return replace(word.choice, label=recorder.registry.full(path) or type(word).__name__.lower())


def _recorded(recorder: Recorder, word: Word, choice: Choice, results: Sequence[Any]) -> Any:
    first = results[0]
    if isinstance(first, tuple) and all(isinstance(item, tuple) and len(item) == len(first) for item in results):
        return tuple([_recorded(recorder, word, choice, parts) for parts in zip(*results, strict=True)])
    if not all(isinstance(item, Tensor) for item in results):
        if all(item is None for item in results):
            return None
        table = ", ".join(f"{option}: a {type(item).__name__}" for option, item in _rows(choice, results))
        raise TraceError(
            f"{_named(word, choice)} chooses among what is no tensor ({table})\n  at {_place()}. "
            "Let every option give one tensor, or a tuple of as many as the others."
        )
    frame = sys._getframe(2)
    path = recorder.registry.path(word, "") or ""
    hint = f"{path.removeprefix(f'{recorder.call.path}.')}_{_CHOICE}".lstrip("_")
    with recorder.quiet():
        _check_shapes(word, choice, results)
        taken = [results[position] for position in choice.positions(choice.default)]
        result = _joined(word, taken)
        values = tuple([recorder.read(item) for item in results])
        step = recorder.step(Choose(choice, word.merge), values, {}, hint, frame)
        if word.chained and step.after:
            raise TraceError(
                f"a block of {_named(word, choice)} writes into what it is given, which is the result where it is left "
                f"out\n  at {step.after[0].source}. Let it write out of place: inplace=False."
            )
        return recorder.bind(result, step)


def _joined(word: Word, taken: Sequence[Any]) -> Any:
    if len(taken) == 1:
        return taken[0]
    if word.merge == "concat":
        return torch.cat(tuple(taken), dim=1)
    total = functools.reduce(torch.add, taken)
    return total / len(taken) if word.merge == "mean" else total


def _apart(recorder: Recorder, tree: Any) -> Any:
    """What an arm is given, as the same values in memory of its own: what it writes does not reach the other arms."""
    if isinstance(tree, Tensor):
        with recorder.quiet():
            value = recorder.read(tree)
            if value.origin in ("state", "constant"):
                return tree
            copy = tree.clone()
            recorder.known[id(copy)] = replace(value, content=copy)
            recorder.writes.share(copy, tree)
        return copy
    if type(tree) in (tuple, list):
        return type(tree)([_apart(recorder, item) for item in tree])
    if type(tree) is dict:
        return {key: _apart(recorder, item) for key, item in tree.items()}
    return tree


def _check_shapes(word: Word, choice: Choice, results: Sequence[Tensor]) -> None:
    forms = [_form(item, word.merge == "concat" and choice.take != 1) for item in results]
    if any(form != forms[0] for form in forms):
        table = ", ".join(f"{option}: {tuple(item.shape)} {item.dtype}" for option, item in _rows(choice, results))
        raise TraceError(
            f"{_named(word, choice)} chooses among tensors of differing shapes ({table})\n  at {_place()}. "
            f"{word.remedy}"
        )


def _form(tensor: Tensor, joined: bool) -> tuple[Any, ...]:
    shape = [int(size) for size in tensor.shape]
    return (tensor.dtype, shape[:1] + shape[2:]) if joined else (tensor.dtype, shape)


def _rows(choice: Choice, results: Sequence[Any]) -> list[tuple[Option, Any]]:
    return list(zip(choice.options, results, strict=True))


def _named(word: Word, choice: Choice) -> str:
    return f"{type(word).__name__} {choice.label!r}"


def _place() -> str:
    return str(sources.source(sys._getframe(1)))
