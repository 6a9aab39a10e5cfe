"""Sizes of one value that are read again and again are taken off it once: `shape = x.size()`, as people do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from graphnas.codegen.code import Local
from graphnas.codegen.form import Form, Item
from graphnas.codegen.trees import rewritten, subterms
from graphnas.ir.node import Size

OFTEN = 4  # reads from which on a further line is shorter to read, and faster to run


def sized(form: Form) -> Form:
    """The form in which sizes of an input that are read often, and whatever happens, are read off one shape."""
    always = Counter(
        index for item in form.items if not item.when for index in _measured((item.args, item.kwargs))
    ) + Counter(_measured(form.result))
    sometimes = {index for item in form.items if item.when for index in _measured((item.args, item.kwargs, item.when))}
    often = [
        index
        for index in range(len(form.formals))
        if always[index] >= OFTEN and index not in sometimes and index not in form.asked
    ]
    if not often or form.plan:
        return form
    shapes = {index: form.values + place for place, index in enumerate(often)}
    first = [
        Item("function", "torch.Tensor.size", (Local(index),), results=(((), shape),), hint="shape", where=form.where)
        for index, shape in shapes.items()
    ]

    def read_off(term: Any) -> Any:
        if not isinstance(term, Size) or term.dim is None or _input(term) not in shapes:
            return term
        return Local(shapes[_input(term)], (term.dim,))

    items = [
        replace(item, args=rewritten(item.args, read_off), kwargs=rewritten(item.kwargs, read_off))
        for item in form.items
    ]
    return replace(
        form,
        items=(*first, *items),
        result=rewritten(form.result, read_off),
        values=form.values + len(shapes),
    )


def _measured(tree: Any) -> Iterator[int]:
    """The values whose sizes a term reads, with repeats."""
    return (_input(term) for term in subterms(tree) if isinstance(term, Size))


def _input(size: Size) -> int:
    """The number of the value whose extent along a dimension is read; -1 for anything else."""
    value: Any = size.of
    return value.index if isinstance(value, Local) and not value.item and size.dim is not None else -1
