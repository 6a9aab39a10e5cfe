"""Where the items of a call with open choices are computed: always, in one arm of a choice, or when first asked for."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from graphnas.codegen.code import Code
from graphnas.codegen.expressions import term_code
from graphnas.codegen.form import Form, Item
from graphnas.ir.node import ENTERS, EXITS

LAZY = -1  # in place of an arm: in the function that computes an item when it is first asked for

# The functions around an item, outermost first: (step, arm). Arms are those of a choice, the arguments that a module
# may ask for, and, behind the last step, the results that the caller may ask for.
Path = tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Place:
    """Where an item is computed.

    Attributes:
        path: in which functions.
        lazy: there, but only when one of several that may want it asks.
    """

    path: Path = ()
    lazy: bool = False

    def inside(self, step: int) -> Path:
        """The functions around what is computed for the item itself."""
        return (*self.path, (step, LAZY)) if self.lazy else self.path


def is_open_choice(item: Item) -> bool:
    """Whether the plan decides what an item returns."""
    return item.kind == "choose"


def arms(item: Item) -> Sequence[int]:
    """Which arguments of an item are functions."""
    return range(len(item.args)) if is_open_choice(item) else item.thunks


def is_open(form: Form) -> bool:
    """Whether a call computes something only if it is wanted."""
    inside = (is_open_choice(item) or item.thunks or item.asked for item in form.items)
    return bool(form.asked or form.later) or any(inside)


def places(form: Form, codes: Sequence[Code]) -> list[Place]:
    """The place of each item.

    What a single arm needs is computed in it; what several arms but not all need, when it is first asked for; what all
    arms need, before the choice. What is written in a grad mode of its own is asked for from outside of it.
    """
    return _Placement(form, codes).places


class _Placement:
    def __init__(self, form: Form, codes: Sequence[Code]) -> None:
        self._items = form.items
        self._makers = {index: step for step, item in enumerate(form.items) for _, index in item.results}
        self._users: dict[int, list[tuple[int, int | None]]] = defaultdict(list)
        for step, item in enumerate(form.items):
            self._enter(step, item, codes[step])
        self._certain = set(form.certain)
        self._enter_result(form)
        self._blocks = self._grad_blocks()
        self.places = [Place()] * (len(form.items) + 1)
        for step in reversed(range(len(form.items))):
            self.places[step] = self._place(step)

    def _made(self, code: Code) -> list[int]:
        return [self._makers[part.index] for part in code.locals if part.index in self._makers]

    def _enter(self, step: int, item: Item, code: Code) -> None:
        needed = [maker for condition in item.when for maker in self._made(term_code(condition))]
        functions = arms(item)
        if functions:
            for position, arg in enumerate(item.args):
                arm = position if position in functions else None
                for maker in self._made(term_code(arg)):
                    self._users[maker].append((step, arm))
        else:
            needed += self._made(code)
        for maker in (*needed, *item.after):
            self._users[maker].append((step, None))

    def _enter_result(self, form: Form) -> None:
        result = form.result if isinstance(form.result, tuple) else (form.result,)
        for position, term in enumerate(result):
            for maker in self._made(term_code(term)):
                if position in form.later:
                    self._users[maker].append((len(form.items), position))
                else:
                    self._certain.add(maker)

    def _grad_blocks(self) -> list[int | None]:
        """Per step, and behind the last, the step at which its grad mode was entered."""
        found: list[int | None] = []
        entered: list[int] = []
        for step, item in enumerate(self._items):
            if item.target in ENTERS:
                entered.append(step)
            found.append(entered[-1] if entered else None)
            if item.target in EXITS:
                entered.pop()
        return [*found, None]

    def _place(self, step: int) -> Place:
        users = self._users[step]
        if step in self._certain or not users or self._items[step].target in ENTERS | EXITS:
            return Place()
        needs: set[Path] = set()
        for user, arm in users:
            inside = self.places[user].inside(user)
            needs.add(inside if arm is None else (*inside, (user, arm)))
        needs = self._joined(needs)
        path = min(needs, key=len)
        for other in needs:
            common = 0
            while common < min(len(path), len(other)) and path[common] == other[common]:
                common += 1
            path = path[:common]
        for depth, (user, _) in enumerate(path):
            if self._blocks[user] != self._blocks[step]:
                return Place(path[:depth], lazy=True)
        return Place(path, lazy=len(needs) > 1)

    def _joined(self, needs: set[Path]) -> set[Path]:
        """The places without repeats: what all arms need is before the choice, and outer places hold inner ones."""
        while True:
            joined = set(needs)
            for path in needs:
                step = path[-1][0] if path else len(self._items)
                if step < len(self._items) and is_open_choice(self._items[step]):
                    head = path[:-1]
                    all_arms = {(*head, (step, arm)) for arm in arms(self._items[step])}
                    if all_arms <= needs:
                        joined = (joined - all_arms) | {head}
            joined = {
                path for path in joined if not any(path[: len(other)] == other for other in joined if other != path)
            }
            if joined == needs:
                return needs
            needs = joined
