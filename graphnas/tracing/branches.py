"""The records of several examples as one: the first decision that came out otherwise becomes a condition.

Records are told apart by their guards alone. Where two of them differ and no guard says why, one of them holds for a
reason that a graph cannot check, and they are refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from graphnas.errors import TraceError
from graphnas.ir.choice import TRAINING, Apply, Expr
from graphnas.ir.node import GUARD, Arg, Call, Constant
from graphnas.ir.source import Source
from graphnas.tracing.alignment import Item
from graphnas.tracing.merging import Path, merge, same_tensor
from graphnas.tracing.record import ModuleCall, Record, Step, Value, identified, steps_in, values_in
from graphnas.tracing.reshaping import FUNCTIONS


def both_modes(evaluation: Record, training: Record) -> Record:
    """What a model does in evaluation, and what it does in training."""
    return merge(evaluation, training, TRAINING, holds=False)


def united(records: Sequence[Record]) -> Record:
    """One record that does on each example what was recorded there, and elsewhere refuses what none of them did.

    Args:
        records: of one mode, one an example; they are used up.

    Raises:
        TraceError: two of them differ, but no decision on sizes, data or what was given tells them apart.
    """
    first, *others = records
    forks = [_fork(first.root.items, other.root.items) for other in others]
    at = min((fork for fork in forks if fork is not None), default=None)
    if at is None:
        _check_outputs(first, others)
        return first
    same = [first, *(record for record, fork in zip(others, forks, strict=True) if fork != at)]
    rest = [record for record, fork in zip(others, forks, strict=True) if fork == at]
    for record in rest:
        _check_decision(first, record, at)
    guard = _item(first, at)
    assert isinstance(guard, Step)  # it has been checked
    claim = guard.args[0]
    said = (_told(guard), _negated(_told(guard)))
    for record in records:
        if _told(_item(record, at)) in said:  # the condition says it
            _remove(record, at)
    holds = claim is _positive(claim)
    _check_sizes(claim, records, guard)
    condition, decided = _condition(_positive(claim), guard)
    return merge(united(same), united(rest), condition, holds, at, decided)


def _condition(test: Expr, guard: Step) -> tuple[Expr, list[Step]]:
    """A test as a condition; one on data is worked out once, since the data may be written to later."""
    match test:
        case Apply(fn="bool", args=(Value(content=Tensor()) as value,)):
            step = Step(Call("torch.Tensor.__bool__"), (value,), {}, "decision", guard.position, guard.source)
            return Apply("bool", (Value(True, step),)), [step]
    return test, []


# ---------------------------------------------------------------- where two records part
def _fork(ours: Sequence[Item], theirs: Sequence[Item]) -> Path | None:
    """The place of the first items that differ; None where all are equal."""
    for place in range(max(len(ours), len(theirs))):
        if place >= min(len(ours), len(theirs)):
            return (place,)
        mine, other = ours[place], theirs[place]
        if isinstance(mine, ModuleCall) and isinstance(other, ModuleCall) and mine.key == other.key:
            inner = _fork(mine.items, other.items)
            if inner is not None:
                return (place, *inner)
        elif not (isinstance(mine, Step) and isinstance(other, Step) and is_equal(mine, other)):
            return (place,)
    return None


def is_equal(mine: Step, other: Step) -> bool:
    """Whether two steps do the same; as text, 1, 1.0 and True differ."""
    ours, theirs = identified(mine), identified(other)
    if ours != theirs or repr(ours) != repr(theirs):
        return False
    pairs = zip(values_in((mine.args, *mine.kwargs.values())), values_in((other.args, *other.kwargs.values())))
    return all(same_tensor(a.content, b.content) for a, b in pairs if a.origin == "constant")


def _item(record: Record, path: Path) -> Item | None:
    items = record.root.items
    for place in path[:-1]:
        call = items[place]
        assert isinstance(call, ModuleCall)  # paths lead through calls
        items = call.items
    return items[path[-1]] if path[-1] < len(items) else None


def _remove(record: Record, path: Path) -> None:
    items: list[Any] = record.root.items
    for place in path[:-1]:
        items = items[place].items
    del items[path[-1]]


# ---------------------------------------------------------------- what is a decision
def _check_decision(first: Record, other: Record, at: Path) -> None:
    """Two records may part only where each took a decision that the other cannot have taken."""
    mine, theirs = _item(first, at), _item(other, at)
    if _is_guard(mine) and _is_guard(theirs) and _exclude(_told(mine), _told(theirs)):
        return
    raise TraceError(
        f"two examples go different ways, and no decision on sizes or data says why: {_words(mine)} in one, "
        f"{_words(theirs)} in the other\n  at {_place(mine) or _place(theirs) or 'the end of forward'}. A graph only "
        "holds what its inputs decide: trace the two apart, or let forward decide by what it is given."
    )


def _check_sizes(claim: Expr, records: Sequence[Record], guard: Step) -> None:
    """A condition on a size is asked for again wherever it matters, and must still be what it was."""
    sizes = {_told(_claiming(value)) for value in values_in(claim)}
    for record in records:
        for step in steps_in(record.root):
            if isinstance(step.op, Call) and step.op.target in FUNCTIONS and _told(step) in sizes:
                raise TraceError(
                    "examples decide by the size of a tensor whose shape is changed in place\n"
                    f"  at {step.source}, behind the decision at {guard.source}. "
                    "Write out of place, as in `x = x.unsqueeze(0)`."
                )


def _check_outputs(first: Record, others: Sequence[Record]) -> None:
    if not all(returns_equal(first, other) for other in others):
        raise TraceError(
            f"two examples do the same in {first.root.type}.forward, but return differing values\n"
            "  at its return. A graph only holds what its inputs decide: trace the two apart."
        )


def returns_equal(first: Record, other: Record) -> bool:
    """Whether two runs return the same."""
    return is_equal(_claiming(first.output), _claiming(other.output))


def _is_guard(item: Item | None) -> bool:
    return isinstance(item, Step) and isinstance(item.op, Call) and item.op.target == GUARD


def _claiming(claim: Arg) -> Step:
    return Step(Call(GUARD), (claim, ""), {}, "guard", 0)


def _told(item: Any) -> Arg:
    return identified(item)[1][0]


def _negated(claim: Expr) -> Expr:
    positive = _positive(claim)
    return Apply("not", (claim,)) if positive is claim else positive


def _positive(claim: Expr) -> Expr:
    return claim.args[0] if isinstance(claim, Apply) and claim.fn == "not" else claim


def _exclude(ours: Arg, theirs: Arg) -> bool:
    """Whether two claims, told by where their values come from, cannot both hold."""
    if _negated(ours) == theirs:
        return True
    match ours, theirs:
        case Apply(fn="==", args=(mine, int() | float() | str() | Constant() as value)), Apply(
            fn="==", args=(other, rival)
        ):
            return bool(mine == other and not isinstance(rival, Expr) and value != rival)
    return False


# ---------------------------------------------------------------- words
def _words(item: Item | None) -> str:
    match item:
        case None:
            return "nothing more"
        case ModuleCall(path=path):
            return f"a call of {path!r}"
        case Step(op=Call(target=target)):
            return f"a decision at {item.args[1]}" if target == GUARD else f"a call of {target}"
        case _:
            return f"a call of {item.hint!r}"


def _place(item: Item | None) -> Source | None:
    return item.source if isinstance(item, Step) else None
