"""Sizes of one value that are read again and again are taken off it once, as people do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from graphnas.codegen.code import Local
from graphnas.codegen.form import Form, Item
from graphnas.codegen.trees import rewritten, subterms
from graphnas.ir.node import Size

OFTEN, CALLED = 4, 3  # reads from which on a further line is shorter to read; fewer where the sizes have names


def sized(form: Form) -> Form:
    """The form in which sizes of a value that are read often, and whatever happens, are read off one shape.

    Where the user's code takes the shape apart, `batch, length, width = x.size()`, so does the form. Other shapes are
    taken of inputs alone.
    """
    if form.plan:
        return form
    places = _places(form)
    shapes: dict[int, list[Item]] = {}  # the place of an item → what comes behind it
    taken: dict[tuple[int, int | None], Local] = {}  # a value and a dimension → its size
    values = form.values
    for index, sizes in _read(form).items():
        names = _names(sizes)
        if len(sizes) < (CALLED if names else OFTEN) or index not in places or not (names or places[index] < 0):
            continue
        shape, parts = _shape(index, names, {size.dim for size in sizes if size.dim is not None}, values)
        shapes.setdefault(places[index], []).append(replace(shape, where=form.where))
        taken |= parts
        values += len(shape.results)
    if not taken:
        return form

    def read_off(term: Any) -> Any:
        return taken.get((_value(term), term.dim), term) if isinstance(term, Size) else term

    items = shapes.get(-1, [])
    for place, item in enumerate(form.items):
        items.append(replace(item, args=rewritten(item.args, read_off), kwargs=rewritten(item.kwargs, read_off)))
        items += shapes.get(place, ())
    return replace(form, items=tuple(items), result=rewritten(form.result, read_off), values=values)


def _shape(
    index: int, names: tuple[str, ...], dims: Iterable[int], number: int
) -> tuple[Item, dict[tuple[int, int | None], Local]]:
    """What takes the shape of a value, and which of its results is which size; the first has a given number."""
    shape = Item("function", "torch.Tensor.size", (Local(index),), hint="shape")
    if not names:
        return replace(shape, results=(((), number),)), {(index, dim): Local(number, (dim,)) for dim in dims}
    numbers = {dim: number + place for place, dim in enumerate(sorted(dims))}
    results = tuple([((dim,), size) for dim, size in numbers.items()])
    taken: dict[tuple[int, int | None], Local] = {(index, dim): Local(size) for dim, size in numbers.items()}
    return replace(shape, results=results, called=names, count=len(names)), taken


def _places(form: Form) -> dict[int, int]:
    """The values that are there whatever happens, and the place of what computes each; -1 for inputs."""
    found = {index: -1 for index in range(len(form.formals)) if index not in form.asked}
    for place, item in enumerate(form.items):
        if not item.when and item.kind in ("function", "layer", "module"):
            found |= {index: place for _, index in item.results if index not in item.asked}
    return found


def _read(form: Form) -> dict[int, list[Size]]:
    """The sizes that are read whatever happens, by their values, with repeats; none of which any is read otherwise."""
    found: dict[int, list[Size]] = {}
    sometimes: set[int] = set()
    for item in form.items:
        if item.when:
            sometimes |= {_value(size) for size in _measured((item.args, item.kwargs, item.when))}
            continue
        for size in _measured((item.args, item.kwargs)):
            found.setdefault(_value(size), []).append(size)
    for size in _measured(form.result):
        found.setdefault(_value(size), []).append(size)
    return {index: found[index] for index in sorted(found) if index not in sometimes}


def _names(sizes: Iterable[Size]) -> tuple[str, ...]:
    """What the user's code calls the sizes of a value, if it does so in one way."""
    found = {size.called for size in sizes} - {()}
    return found.pop() if len(found) == 1 else ()


def _measured(tree: Any) -> Iterator[Size]:
    """The sizes of values that a term reads, with repeats."""
    return (term for term in subterms(tree) if isinstance(term, Size) and _value(term) >= 0)


def _value(size: Size) -> int:
    """The number of the value whose extent along a dimension is read; -1 for anything else."""
    value: Any = size.of
    return value.index if isinstance(value, Local) and not value.item and size.dim is not None else -1
