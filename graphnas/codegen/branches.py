"""What runs under conditions, as a person would write it: nested blocks, whose arms assign to one variable."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

from graphnas.codegen.code import Local
from graphnas.codegen.expressions import augmented, term_code
from graphnas.codegen.form import Form, Item
from graphnas.ir.choice import Apply
from graphnas.ir.node import Arg

Conditions: TypeAlias = tuple[Arg, ...]


class Block(NamedTuple):
    """An open block: how many of the present conditions hold in it, its first line, and whether that is an `else`."""

    end: int
    line: int
    is_else: bool


def common(first: Conditions, second: Conditions) -> int:
    """How many conditions two items share, from the outermost on."""
    length = 0
    while length < min(len(first), len(second)) and first[length] == second[length]:
        length += 1
    return length


def blocks(items: Sequence[Item], start: int) -> list[int]:
    """Where the blocks end that the first item opens behind its first `start` conditions.

    Conditions under which all items of a stretch run are one block.
    """
    when, ends = items[0].when, []
    while start < len(when):
        shared = len(when)
        for item in items:
            same = common(when, item.when)
            if same <= start:
                break
            shared = min(shared, same)
        ends.append(shared)
        start = shared
    return ends


def is_opposite(first: Arg, second: Arg) -> bool:
    """Whether one condition holds where the other does not."""
    return bool(second == Apply("not", (first,)) or first == Apply("not", (second,)))


def conjunction(conditions: Conditions) -> Arg:
    """All of the conditions as one."""
    test = conditions[0]
    for condition in conditions[1:]:
        test = Apply("and", (test, condition))
    return test


# ---------------------------------------------------------------- variables of arms
class Arms:
    """Which values have one variable, as those that the two arms of a condition assign.

    Attributes:
        groups: number of a value → the number that stands for all that have its variable.
        joined: the values that are nothing but that variable, since each arm has assigned it.
    """

    def __init__(self, form: Form) -> None:
        self.groups: dict[int, int] = {}
        self.joined: set[int] = set()
        self._items = form.items
        self._makers = {index: step for step, item in enumerate(form.items) for _, index in item.results}
        self._reads: dict[int, list[tuple[int, Conditions]]] = {}
        self._asked: list[tuple[Item, int, set[int]]] = []  # joins, and what their conditions read
        if any(item.kind == "join" for item in form.items):
            self._enter_reads(form)
            for item in form.items:
                if item.kind == "join":
                    self._unite(item)

    def members(self, group: int) -> list[int]:
        """The values of a group."""
        return [index for index, held in self.groups.items() if held == group]

    def _enter_reads(self, form: Form) -> None:
        for step, item in enumerate(form.items):
            own = () if item.kind == "join" else item.args
            self._enter((*own, *item.kwargs.values(), *item.when), step, item.when)
            if item.kind == "join":
                condition, yes, no = item.args
                self._asked.append((item, step, {part.index for part in term_code(condition).locals}))
                self._enter(yes, step, (*item.when, condition))
                self._enter(no, step, (*item.when, Apply("not", (condition,))))
        self._enter(form.result, len(form.items), ())

    def _enter(self, term: Arg, step: int, when: Conditions) -> None:
        for part in term_code(term).locals:
            self._reads.setdefault(part.index, []).append((step, when))

    def _unite(self, join: Item) -> None:
        """Lets a join and its arms have one variable, if nobody needs what one of them would overwrite."""
        arms = [arg.index for arg in join.args[1:] if isinstance(arg, Local) and not arg.item]
        if len(arms) < 2 or arms[0] == arms[1] or [path for path, _ in join.results] != [()]:
            return
        result = join.results[0][1]
        found = {held for index in (*arms, result) for held in self.members(self.groups.get(index, -1))}
        found |= {*arms, result}
        if any(map(self._is_bound, found)):
            return
        self.joined.add(result)
        if any(self._overwrites(value, other) for value in found for other in found if value != other):
            self.joined.discard(result)
        else:
            self.groups |= dict.fromkeys(found, min(found))

    def _is_bound(self, index: int) -> bool:
        """Whether a value's variable is settled by how it is written: as `x += y`, beside others, or as a loop."""
        step = self._makers.get(index)
        if any(augmented(self._items[reader]) for reader, _ in self._reads.get(index, ()) if reader < len(self._items)):
            return True
        if step is None:
            return False
        if [path for path, _ in self._items[step].results] != [()]:
            return True
        item, before = self._items[step], self._items[step - 1] if step else None
        loop = item.container is not None and before is not None and before.container is not None
        return bool(augmented(item)) or (loop and before.container[0] == item.container[0])  # type: ignore[index, union-attr]

    def _overwrites(self, value: int, other: int) -> bool:
        """Whether somebody may want the other value after this one has been assigned."""
        step, made = self._makers.get(value, -1), self._makers.get(other, -1)
        if value in self.joined or made >= step:
            return value not in self.joined and made == step  # as two parameters
        when = self._items[step].when if step >= 0 else ()
        # A join whose arms have assigned it does not ask for its condition again.
        asked = [
            (reader, join.when)
            for join, reader, read in self._asked
            if other in read and not any(index in self.joined for _, index in join.results)
        ]
        reads = (*self._reads.get(other, ()), *asked)
        return not all(_exclude(read, when) for reader, read in reads if reader > step)


def _exclude(first: Conditions, second: Conditions) -> bool:
    """Whether conditions cannot hold together."""
    shared = common(first, second)
    return shared < min(len(first), len(second)) and is_opposite(first[shared], second[shared])
