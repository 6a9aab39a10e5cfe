"""Two records made one: what both did stays, the rest runs under the condition that told them apart."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, TypeAlias

from torch import Tensor

from graphnas.ir.choice import Apply, Choice, Expr, conjunction
from graphnas.ir.node import ENTERS, GUARD, Arg, Call, Choose, Given, Size, transform
from graphnas.tracing.alignment import Item, Unit, pairs, stretches
from graphnas.tracing.joins import join
from graphnas.tracing.record import ModuleCall, Record, Step, Value, values_in

Path: TypeAlias = tuple[int, ...]  # to an item of a record: its place in the root, then in the calls around it


def merge(
    base: Record, other: Record, condition: Expr, holds: bool, fork: Path = (), decided: Sequence[Step] = ()
) -> Record:
    """The record that does what `base` or what `other` did, as a condition has it.

    Args:
        base: a record; it becomes the merged one.
        other: another of the same model; it is used up.
        condition: what told them apart, in values of `base`.
        holds: whether it holds where `base` was recorded.
        fork: the place up to which both are equal.
        decided: steps to put there: what the condition is worked out by.
    """
    return _Merge(base, other, condition, holds).merged(fork, decided)


_DECIDING = frozenset({GUARD, *ENTERS})  # their arguments are what they do


class _Merge:
    def __init__(self, base: Record, other: Record, condition: Expr, holds: bool) -> None:
        self._base, self._other = base, other
        self._condition, self._holds = condition, holds
        self._ours, self._theirs = _signed(condition, holds), _signed(condition, not holds)
        self._twins: dict[Step, Step] = {}  # a step of `other` → the step of `base` that does the same
        self._values: dict[Any, Value] = {}  # where a value comes from → the one that stands for all of its like
        self._constants: dict[str, list[Value]] = {}
        self._order: dict[Step, int] = {}
        self._homes: dict[Step, ModuleCall] = {}
        self._parents: dict[ModuleCall, ModuleCall] = {}
        self._one_sided: set[ModuleCall] = set()
        self._joins: dict[str, tuple[Arg, Arg, Value]] = {}
        self._formals: list[tuple[ModuleCall, dict[Value, str]]] = []

    def merged(self, fork: Path, decided: Sequence[Step]) -> Record:
        """The merged record."""
        base, other = self._base, self._other
        self._calls(base.root, other.root, fork, decided)
        output = self._joined(base.output, other.output, base.root, None)
        self._name()
        return replace(base, output=output)

    # ------------------------------------------------------------ walking
    def _calls(self, ours: ModuleCall, theirs: ModuleCall, fork: Path, decided: Sequence[Step]) -> None:
        """Merges two calls of one module, which from here on are one."""
        items = ours.items
        ours.items = []
        self._formals.append((ours, {**ours.formals, **theirs.formals}))
        start = fork[0] if fork else 0
        for first, second in zip(items[:start], theirs.items[:start], strict=True):
            self._pair(ours, first, second)
        if len(fork) > 1:
            self._parents[items[start]] = ours  # type: ignore[index]  # the way to the fork leads through calls
            ours.items.append(items[start])
            self._calls(items[start], theirs.items[start], fork[1:], decided)  # type: ignore[arg-type]
            start += 1
        else:
            for step in decided:
                self._place(ours, step)
        for mine, others in zip(stretches(items[start:]), stretches(theirs.items[start:]), strict=True):
            self._rest(ours, mine, others)

    def _rest(self, call: ModuleCall, ours: Sequence[Unit], theirs: Sequence[Unit], around: Expr | None = None) -> None:
        """Merges what is behind the fork, or in a region of one grad mode that is entered under a condition."""
        for first, second in pairs(ours, theirs, self._holds):
            if first is None or second is None or not self._is_same(first, second):
                sides = ((first, self._ours), (second, self._theirs))
                for unit, when in sides if self._holds else sides[::-1]:  # as `if` has it: first where it holds
                    self._one(call, unit, when, around)
            elif isinstance(first, tuple) and isinstance(second, tuple):
                self._rest(call, first[:1], second[:1], around)
                self._rest(call, first[1:], second[1:], first[0].when)
            elif not isinstance(first, tuple) and not isinstance(second, tuple):
                self._pair(call, first, second)

    def _is_same(self, first: Unit, second: Unit) -> bool:
        """Whether two units that look the same run under the same conditions, and decide the same."""
        while isinstance(first, tuple) and isinstance(second, tuple):
            first, second = first[0], second[0]
        if not isinstance(first, Step) or not isinstance(second, Step):
            return True
        ours, theirs = self._terms(first), self._terms(second)
        return ours is theirs or _spelled(ours) == _spelled(theirs)

    def _terms(self, step: Step) -> Arg:
        """What must be equal for two steps to be one."""
        if step.when is None and isinstance(step.op, Call) and step.op.target not in _DECIDING:
            return None
        decides = step.args if isinstance(step.op, Call) and step.op.target in _DECIDING else None
        chosen = step.op.choice if isinstance(step.op, Choose) else None
        return self._canonical((step.when, decides, chosen))

    def _pair(self, call: ModuleCall, first: Item, second: Item) -> None:
        match first, second:
            case ModuleCall(), ModuleCall():
                self._parents[first] = call
                call.items.append(first)
                self._calls(first, second, (), ())
            case Step(), Step():
                self._twins[second] = first
                when = first.when = self._canonical(first.when)
                first.op = self._operation(first)
                first.args = tuple(
                    [
                        self._joined(mine, theirs, call, self._read_when(first, place))
                        for place, (mine, theirs) in enumerate(zip(first.args, second.args, strict=True))
                    ]
                )
                for key, value in first.kwargs.items():
                    first.kwargs[key] = self._joined(value, second.kwargs[key], call, when)
                if second.after:
                    first.after = tuple(dict.fromkeys((*first.after, *map(self._twin, second.after))))
                self._place(call, first)

    def _one(self, call: ModuleCall, unit: Unit | None, when: Expr, around: Expr | None = None) -> None:
        """What only one of the records has runs under its condition, and in a region under that of the region first."""
        match unit:
            case None:
                return
            case tuple():
                for item in unit:
                    self._one(call, item, when, around)
            case ModuleCall():
                self._parents[unit] = call
                self._one_sided.add(unit)
                call.items.append(unit)
                items, unit.items = unit.items, []
                self._formals.append((unit, unit.formals))
                for item in items:
                    self._one(unit, item, when, around)
            case Step():
                self._one_step(call, unit, when, around)

    def _one_step(self, call: ModuleCall, step: Step, when: Expr, around: Expr | None) -> None:
        step.args = self._canonical(step.args)
        if isinstance(step.op, Call) and step.op.target == GUARD and _spelled(step.args[0]) == _spelled(when):
            return  # it holds there
        step.kwargs = {key: self._canonical(value) for key, value in step.kwargs.items()}
        step.op = self._operation(step)
        inside = self._canonical(step.when)
        step.when = conjunction(when, inside) if around is None else _behind(around, when, inside)
        if step.after:
            step.after = tuple(dict.fromkeys(map(self._twin, step.after)))
        self._place(call, step)

    def _read_when(self, step: Step, place: int) -> Expr | None:
        """The condition under which a step reads an argument."""
        if isinstance(step.op, Choose) and not isinstance(step.op.choice, Choice):
            return conjunction(step.when, _signed(step.op.choice, place == 0))
        return step.when

    def _operation(self, step: Step) -> Any:
        if isinstance(step.op, Choose):
            return Choose(self._canonical(step.op.choice), step.op.merge)
        return step.op

    def _twin(self, step: Step) -> Step:
        return self._twins.get(step, step)

    def _place(self, call: ModuleCall, step: Step, position: int | None = None) -> None:
        call.items.insert(len(call.items) if position is None else position, step)
        self._homes[step] = call
        self._order[step] = len(self._order)

    # ------------------------------------------------------------ values
    def _canonical(self, tree: Arg) -> Arg:
        """An argument tree of either record in which equal values are one object."""
        return tree if tree is None else transform(tree, self._leaf)

    def _leaf(self, leaf: Any) -> Any:
        if isinstance(leaf, Value):
            return self._value(leaf)
        if isinstance(leaf, Size):
            return replace(leaf, of=self._value(leaf.of))  # type: ignore[arg-type]
        return Given(self._value(leaf.of)) if isinstance(leaf, Given) else leaf  # type: ignore[arg-type]

    def _value(self, value: Value) -> Value:
        if value.origin == "constant":
            return self._constant(value)
        step = value.step and self._twins.get(value.step, value.step)
        found = self._values.setdefault((step or value.origin, value.item or value.name), value)
        if found.step is not step:
            found.step = step
        return found

    def _constant(self, value: Value) -> Value:
        known = self._constants.setdefault(value.name, [])
        for held in known:
            if same_tensor(held.content, value.content):
                return held
        known.append(value)
        return value

    # ------------------------------------------------------------ joins
    def _joined(self, ours: Arg, theirs: Arg, reader: ModuleCall, when: Expr | None) -> Arg:
        """One argument tree for both records, read in a call under a condition of its own."""

        def choose(yes: Arg, no: Arg) -> Arg:
            return self._choose(yes, no, reader, when)

        pair = (self._canonical(ours), self._canonical(theirs))
        yes, no = pair if self._holds else pair[::-1]
        return join(yes, no, self._condition, choose)

    def _choose(self, yes: Arg, no: Arg, reader: ModuleCall, when: Expr | None) -> Value:
        """A step that has one value where the condition holds and another elsewhere.

        It stands where the last of what it needs was made; if it is read under a condition of its own, which may be
        known later still, before its reader.
        """
        key = _spelled((yes, no, when))
        if key not in self._joins:
            home = reader
            needs = (yes, no, self._condition)
            made = [value.step for value in values_in(needs) if value.step in self._homes]
            if made and when is None:
                home = self._homes[max(made, key=self._order.__getitem__)]  # type: ignore[arg-type]
            while home in self._one_sided:
                home = self._parents[home]
            step = Step(Choose(self._condition), (yes, no), {}, "result", 0, when=when)
            before = self._child_towards(home, reader)
            self._place(home, step, None if before is None else home.items.index(before))
            self._joins[key] = (yes, no, Value(None, step))
        return self._joins[key][2]

    def _child_towards(self, home: ModuleCall, reader: ModuleCall) -> ModuleCall | None:
        """The call directly in `home` that holds `reader`; None where that is `home` itself or elsewhere."""
        call = reader
        while call in self._parents:
            if self._parents[call] is home:
                return call
            call = self._parents[call]
        return None

    def _name(self) -> None:
        """What values are called in each call; a join goes by the name of one of its arms."""
        for call, formals in self._formals:
            names: dict[Value, str] = {}
            for value, name in formals.items():
                names.setdefault(self._value(value), name)
            for yes, no, joined in self._joins.values():
                found = [names[arm] for arm in (yes, no) if isinstance(arm, Value) and arm in names]
                if found:
                    names.setdefault(joined, found[0])
            call.formals = names


# ---------------------------------------------------------------- small questions
def _behind(around: Expr, when: Expr, inside: Expr) -> Expr | None:
    """A condition put behind those of the region around, with which the others begin."""
    outer, inner = _conjuncts(around), _conjuncts(inside)
    return functools.reduce(conjunction, (*outer, when, *inner[len(outer) :]), None)


def _conjuncts(condition: Expr) -> list[Expr]:
    if isinstance(condition, Apply) and condition.fn == "and":
        return [*_conjuncts(condition.args[0]), *_conjuncts(condition.args[1])]
    return [condition]


def _signed(condition: Expr, holds: bool) -> Expr:
    return condition if holds else Apply("not", (condition,))


def _spelled(tree: Arg) -> str:
    """A tree whose values are canonical as text; it tells 1, 1.0 and True apart."""
    return repr(transform(tree, _shown))


class _Shown(Expr):
    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return self.text


def _shown(leaf: Any) -> Any:
    match leaf:
        case Value():
            return _Shown(f"value {id(leaf)}")
        case Size(of=of, dim=dim):
            return _Shown(f"size {id(of)} {dim}")
        case Given(of=of):
            return _Shown(f"given {id(of)}")
    return leaf


def same_tensor(first: Tensor, second: Tensor) -> bool:
    """Whether two tensors are equal in every value."""
    return first is second or (
        first.shape == second.shape and first.dtype == second.dtype and bool((first == second).all())
    )
