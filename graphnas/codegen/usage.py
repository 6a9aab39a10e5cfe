"""How often the values of a call are read and when for the last time, and values that wait until they are read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from graphnas.codegen.code import Code, Local, concat
from graphnas.codegen.expressions import augmented, term_code
from graphnas.codegen.form import Form, Item


@dataclass(frozen=True, slots=True)
class Pending:
    """A value that is not assigned yet, since it may be written where it is used."""

    index: int
    item: Item
    code: Code
    step: int


def usage(form: Form, codes: Sequence[Code]) -> tuple[Counter[int], dict[int, int]]:
    """How often each value is read, and the last step that reads it; after the last step comes the return.

    Args:
        form: of the call.
        codes: of its items.
    """
    reads: Counter[int] = Counter()
    last: dict[int, int] = {}
    held: dict[int, int] = {}  # a value that was written in place → the value whose variable it shares
    whens = [concat(*(term_code(condition) for condition in item.when)) for item in form.items]
    for step, code in enumerate([*codes, term_code(form.result)]):
        parts = [*code.locals, *(whens[step].locals if step < len(whens) else ())]
        for part in parts:
            reads[part.index] += 1
            index: int | None = part.index
            while index is not None:
                last[index] = step
                index = held.get(index)
        if step < len(form.items) and (origin := origin_of(form.items[step])) is not None:
            held[form.items[step].results[0][1]] = origin
    return reads, last


def origin_of(item: Item) -> int | None:
    """The value into which `x += y` writes, if it is a variable."""
    if item.results and augmented(item) and isinstance(item.args[0], Local) and not item.args[0].item:
        return item.args[0].index
    return None
