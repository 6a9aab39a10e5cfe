"""Which items of two runs are the same, and the argument trees that hold the difference."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias

from graphnas.ir.choice import TRAINING, Apply
from graphnas.ir.frozen import FrozenDict
from graphnas.ir.node import Arg, List, Ref, Size, Slice, refs_in
from graphnas.tracing.record import ModuleCall, Step

Item: TypeAlias = "Step | ModuleCall"


def pairs(evaluation: Sequence[Item], training: Sequence[Item]) -> Iterator[tuple[Item | None, Item | None]]:
    """The items of one module call in both modes, side by side; None where only one mode has it."""
    ours, theirs = [item.key for item in evaluation], [item.key for item in training]
    if ours == theirs:
        yield from zip(evaluation, training, strict=True)
        return
    matcher = difflib.SequenceMatcher(None, ours, theirs, autojunk=False)
    for tag, first, last, their_first, their_last in matcher.get_opcodes():
        if tag == "equal":
            yield from zip(evaluation[first:last], training[their_first:their_last], strict=True)
        else:
            yield from ((item, None) for item in evaluation[first:last])
            yield from ((None, item) for item in training[their_first:their_last])


def join(evaluation: Arg, training: Arg, choose: Callable[[Arg, Arg], Ref]) -> Arg:
    """One argument tree for both modes.

    Args:
        evaluation: the tree of the run in evaluation.
        training: the tree of the run in training.
        choose: makes a node that chooses between values that differ, (training, evaluation).
    """
    if evaluation is training or (evaluation == training and type(evaluation) is type(training)):
        return evaluation if _identical(evaluation, training) else _by_mode(evaluation, training)
    match evaluation, training:
        case tuple(), tuple() if len(evaluation) == len(training):
            return tuple(join(a, b, choose) for a, b in zip(evaluation, training, strict=True))
        case List(items=ours), List(items=theirs) if len(ours) == len(theirs):
            return List(join(ours, theirs, choose))
        case FrozenDict(), FrozenDict() if list(evaluation) == list(training):
            return FrozenDict({key: join(evaluation[key], training[key], choose) for key in evaluation})
        case Slice(), Slice():
            ours, theirs = ((tree.start, tree.stop, tree.step) for tree in (evaluation, training))
            return Slice(*join(ours, theirs, choose))
        case Size(of=ours, dim=dim), Size(of=theirs, dim=other) if dim == other:
            return Size(join(ours, theirs, choose), dim)
        case Apply(fn=fn, args=ours), Apply(fn=other, args=theirs) if fn == other and len(ours) == len(theirs):
            return Apply(fn, join(ours, theirs, choose))
    if any(True for _ in refs_in((evaluation, training))):
        return choose(training, evaluation)
    return _by_mode(evaluation, training)


def _by_mode(evaluation: Arg, training: Arg) -> Apply:
    return Apply("if", (TRAINING, training, evaluation))


def _identical(first: Any, second: Any) -> bool:
    """Equality that tells 1, 1.0 and True apart."""
    return first is second or repr(first) == repr(second)
