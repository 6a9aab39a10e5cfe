"""Sizes of one value that are read again and again are taken off it once: `shape = x.size()`, as people do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from graphnas.codegen.code import Local
from graphnas.codegen.form import Form, Item
from graphnas.ir.choice import Apply
from graphnas.ir.frozen import FrozenDict
from graphnas.ir.node import List, Size, Slice

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
    items = [replace(item, args=_read(item.args, shapes), kwargs=_read(item.kwargs, shapes)) for item in form.items]
    return replace(
        form,
        items=(*first, *items),
        result=_read(form.result, shapes),
        values=form.values + len(shapes),
    )


def _measured(tree: Any) -> Iterator[int]:
    """The values whose sizes a term reads, with repeats."""
    match tree:
        case Size():
            yield _input(tree)
        case Apply(args=inner) | List(items=inner) | (tuple() as inner):
            for item in inner:
                yield from _measured(item)
        case FrozenDict():
            for item in tree.values():
                yield from _measured(item)
        case Slice(start=start, stop=stop, step=step):
            yield from _measured((start, stop, step))


def _input(size: Size) -> int:
    """The number of the value whose extent along a dimension is read; -1 for anything else."""
    value: Any = size.of
    return value.index if isinstance(value, Local) and not value.item and size.dim is not None else -1


def _read(tree: Any, shapes: dict[int, int]) -> Any:
    """The term that reads sizes off the shapes."""
    if isinstance(tree, Size):
        kept = _input(tree) not in shapes
        return tree if kept else Local(shapes[_input(tree)], (tree.dim or 0,))
    match tree:
        case Apply(fn=fn, args=args):
            return Apply(fn, _read(args, shapes))
        case List(items=items):
            return List(_read(items, shapes))
        case tuple():
            return tuple([_read(item, shapes) for item in tree])
        case FrozenDict():
            return type(tree)({key: _read(item, shapes) for key, item in tree.items()})
        case Slice(start=start, stop=stop, step=step):
            return Slice(*_read((start, stop, step), shapes))
    return tree
