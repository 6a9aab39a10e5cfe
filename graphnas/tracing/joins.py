"""Argument trees that hold the difference of two others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from graphnas.ir.choice import Apply, Expr
from graphnas.ir.frozen import FrozenDict
from graphnas.ir.node import Arg, Given, List, Size, Slice
from graphnas.tracing.record import Value, values_in


def join(yes: Arg, no: Arg, condition: Expr, choose: Callable[[Arg, Arg], Value]) -> Arg:
    """One argument tree for two.

    Args:
        yes: the tree where the condition holds; equal values in both trees are one object.
        no: the tree elsewhere.
        condition: what a literal that differs is chosen by.
        choose: makes a value that is one of two, (yes, no).
    """

    def joined(yes: Any, no: Any) -> Any:
        return join(yes, no, condition, choose)

    if yes is no:
        return yes
    match yes, no:
        case tuple(), tuple() if len(yes) == len(no):
            return tuple(map(joined, yes, no))
        case List(items=ours), List(items=theirs) if len(ours) == len(theirs):
            return List(joined(ours, theirs))
        case FrozenDict(), FrozenDict() if list(yes) == list(no):
            return FrozenDict({key: joined(yes[key], no[key]) for key in yes})
        case Slice(), Slice():
            ours, theirs = ((tree.start, tree.stop, tree.step) for tree in (yes, no))
            return Slice(*joined(ours, theirs))
        case Given(), Given() if yes == no:
            return yes
        case Size(of=ours, dim=dim), Size(of=theirs, dim=other) if dim == other:
            return replace(yes, of=joined(ours, theirs))
        case Apply(fn=fn, args=ours), Apply(fn=other, args=theirs) if fn == other and len(ours) == len(theirs):
            return Apply(fn, joined(ours, theirs))
    if any(True for _ in values_in((yes, no))):
        return choose(yes, no)
    # As text, 1, 1.0 and True differ.
    return yes if yes == no and repr(yes) == repr(no) else Apply("if", (condition, yes, no))
