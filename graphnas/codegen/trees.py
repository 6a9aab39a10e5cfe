"""Walking the terms of a form, and writing them anew."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from graphnas.ir.choice import Apply
from graphnas.ir.frozen import FrozenDict
from graphnas.ir.node import Given, List, Size, Slice


def subterms(tree: Any) -> Iterator[Any]:
    """A term and all that is in it."""
    yield tree
    match tree:
        case tuple():
            for item in tree:
                yield from subterms(item)
        case FrozenDict():
            for item in tree.values():
                yield from subterms(item)
        case Apply(args=inner) | List(items=inner) | Size(of=inner) | Given(of=inner):
            yield from subterms(inner)
        case Slice(start=start, stop=stop, step=step):
            yield from subterms((start, stop, step))


def rewritten(tree: Any, change: Callable[[Any], Any]) -> Any:
    """A term with parts exchanged.

    Args:
        tree: the term.
        change: gives what is to stand for a part, or the part itself, into which the walk then goes.
    """
    new = change(tree)
    if new is not tree:
        return new
    match tree:
        case tuple():
            return tuple([rewritten(item, change) for item in tree])
        case FrozenDict():
            return type(tree)({key: rewritten(value, change) for key, value in tree.items()})
        case Apply(fn=fn, args=args):
            return Apply(fn, rewritten(args, change))
        case List(items=items):
            return List(rewritten(items, change))
        case Size(of=of):
            return replace(tree, of=rewritten(of, change))
        case Given(of=of):
            return Given(rewritten(of, change))
        case Slice(start=start, stop=stop, step=step):
            return Slice(*rewritten((start, stop, step), change))
    return tree
