"""Where the items of a call with open choices are computed: always, in one arm of a choice, or when first asked for."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from graphnas.codegen.code import Code
from graphnas.codegen.expressions import term_code
from graphnas.codegen.form import Form, Item
from graphnas.ir.node import ENTER_GRAD_MODE, EXIT_GRAD_MODE, GUARD

LAZY = -1  # in place of an arm: inside what is computed only when it is asked for

Path = tuple[tuple[int, int], ...]  # the choices around an item, outermost first: (step, arm)


@dataclass(frozen=True, slots=True)
class Place:
    """Where an item is computed.

    Attributes:
        path: in which arms of which choices.
        lazy: only when one of several that may want it asks.
        dropped: not at all: a guard on values of which none need be computed.
    """

    path: Path = ()
    lazy: bool = False
    dropped: bool = False


def is_open_choice(item: Item) -> bool:
    """Whether the plan decides what an item returns."""
    return item.kind == "choose"


def places(form: Form, codes: Sequence[Code]) -> list[Place]:
    """The place of each item.

    What a single arm needs is computed in it; what several arms but not all need, when it is first asked for; what all
    arms need, before the choice. A guard goes where the values are that it looks at.
    """
    return _Placement(form, codes).places


class _Placement:
    def __init__(self, form: Form, codes: Sequence[Code]) -> None:
        self._items = form.items
        self._makers = {index: step for step, item in enumerate(form.items) for _, index in item.results}
        self._reads = [self._made(code) for code in codes]
        self._users: dict[int, list[tuple[int, int | None]]] = defaultdict(list)
        for step, item in enumerate(form.items):
            self._enter(step, item)
        self._returned = set(self._made(term_code(form.result))) if form.result != () else set()
        self._pinned = self._in_grad_mode()
        found: dict[int, Place] = {}
        for step in reversed(range(len(form.items))):
            if form.items[step].target != GUARD:
                found[step] = self._place(step, found)
        self.places = [found[step] if step in found else self._guard(step, found) for step in range(len(form.items))]

    def _made(self, code: Code) -> list[int]:
        return [self._makers[part.index] for part in code.locals if part.index in self._makers]

    def _enter(self, step: int, item: Item) -> None:
        if item.target == GUARD:
            return
        for condition in item.when:
            for maker in self._made(term_code(condition)):
                self._users[maker].append((step, None))
        for earlier in item.after:
            self._users[earlier].append((step, None))
        if is_open_choice(item):
            for arm, arg in enumerate(item.args):
                for maker in self._made(term_code(arg)):
                    self._users[maker].append((step, arm))
        else:
            for maker in self._reads[step]:
                self._users[maker].append((step, None))

    def _in_grad_mode(self) -> set[int]:
        """What runs in a grad mode of its own stays in it."""
        found, depth = set(), 0
        for step, item in enumerate(self._items):
            depth += (item.target == ENTER_GRAD_MODE) - (item.target == EXIT_GRAD_MODE)
            if depth or item.target == EXIT_GRAD_MODE:
                found.add(step)
        return found

    def _place(self, step: int, found: dict[int, Place]) -> Place:
        users = self._users[step]
        if step in self._returned or step in self._pinned or not users:
            return Place()
        needs: set[Path] = set()
        for user, arm in users:
            path = found[user].path + (((user, LAZY),) if found[user].lazy else ())
            needs.add(path if arm is None else (*path, (user, arm)))
        needs = self._joined(needs)
        path = min(needs, key=len)
        if len(needs) > 1:
            for other in needs:
                common = 0
                while common < min(len(path), len(other)) and path[common] == other[common]:
                    common += 1
                path = path[:common]
        for depth, (_, arm) in enumerate(path):
            if arm == LAZY:  # a thunk has no room for statements
                return Place(path[:depth], lazy=True)
        return Place(path, lazy=len(needs) > 1)

    def _joined(self, needs: set[Path]) -> set[Path]:
        """The places without repeats: what all arms need is before the choice, and outer places hold inner ones."""
        while True:
            joined = set(needs)
            for path in needs:
                if path and path[-1][1] != LAZY:
                    head, step = path[:-1], path[-1][0]
                    arms = {(*head, (step, arm)) for arm in range(len(self._items[step].args))}
                    if arms <= needs and self._items[step].take == 1:
                        joined = (joined - arms) | {head}
            joined = {
                path for path in joined if not any(path[: len(other)] == other for other in joined if other != path)
            }
            if joined == needs:
                return needs
            needs = joined

    def _guard(self, step: int, found: dict[int, Place]) -> Place:
        makers = [found[maker] for maker in self._reads[step] if maker in found]
        deepest = max((maker.path for maker in makers), key=len, default=())
        if any(maker.lazy or deepest[: len(maker.path)] != maker.path for maker in makers):
            return Place(dropped=True)
        return Place(deepest)
