"""Runs of calls of which each is given what all before it returned: a loop that gathers results in a list."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from graphnas.codegen.code import Local
from graphnas.codegen.form import COLLECT, Form, Item
from graphnas.codegen.trees import rewritten, subterms
from graphnas.ir.node import List


def collected(form: Form) -> Form:
    """The form with such runs as one item each, of which the result is the list.

    `y0 = block[0](cat([x]))`, `y1 = block[1](cat([x, y0]))` and so on, behind which all together are read, become
    `features = [x]` and `for layer in block: features.append(layer(cat(features)))`.
    """
    place = 0
    while place < len(form.items):
        found = _run(form, place)
        if found is not None:
            form = found
        place += 1
    return form


def _run(form: Form, start: int) -> Form | None:
    """The form with the run that starts at a place, if there is one, as one item."""
    if start + 3 >= len(form.items) or not isinstance((first := form.items[start]).args[:1], tuple) or not first.args:
        return None
    call, given = form.items[start + 1], first.args[0]
    if not isinstance(given, List) or call.kind != "module" or call.container is None or call.container[1]:
        return None
    container, _, size = call.container
    if size < 2 or not _is_plain(first):
        return None
    gathered = given.items
    for number in range(size):
        if start + 2 * number + 1 >= len(form.items):
            return None
        made, call = form.items[start + 2 * number : start + 2 * number + 2]
        same = (made.target, made.args[1:], made.kwargs) == (first.target, first.args[1:], first.kwargs)
        if not _is_plain(made) or not same or made.args[:1] != (List(gathered),):
            return None
        if call.container != (container, number, size) or not _is_fed(call, made):
            return None
        gathered = (*gathered, Local(call.results[0][1]))
    end = start + 2 * size
    whole = List(gathered)
    rest = replace(form, items=form.items[end:])
    times = sum(term == whole for term in _terms(rest))
    reads = Counter(term.index for term in _terms(form) if isinstance(term, Local))
    inside = [reads[part.index] - times for part in gathered[len(given.items) :] if isinstance(part, Local)]
    made_reads = [reads[form.items[start + 2 * number].results[0][1]] for number in range(size)]
    if not times or inside != list(range(size - 1, -1, -1)) or set(made_reads) != {1}:
        return None
    new = Local(form.values)
    item = replace(
        first, kind=COLLECT, container=(container, 0, 0), results=(((), new.index),), hint="features", count=0
    )

    def listed(term: Any) -> Any:
        return new if term == whole else term

    items = [replace(one, args=rewritten(one.args, listed), kwargs=rewritten(one.kwargs, listed)) for one in rest.items]
    return replace(
        form,
        items=(*form.items[:start], item, *items),
        result=rewritten(form.result, listed),
        values=form.values + 1,
        certain=(),
    )


def _is_plain(item: Item) -> bool:
    single = len(item.results) == 1 and item.results[0][0] == ()
    return single and item.kind == "function" and not (item.when or item.writes)


def _is_fed(call: Item, made: Item) -> bool:
    """Whether a module is given the result of an item and nothing else."""
    single = len(call.results) == 1 and call.results[0][0] == ()
    more = call.kwargs or call.when or call.plan or call.thunks or call.asked
    return single and not more and call.args == (Local(made.results[0][1]),)


def _terms(form: Form) -> Iterator[Any]:
    for item in form.items:
        yield from subterms((item.args, item.kwargs, item.when))
    yield from subterms(form.result)
