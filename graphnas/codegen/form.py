"""One module call in its own terms: values by number, modules by how they are reached. Equal calls have equal forms."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from graphnas.ir.choice import Expr
from graphnas.ir.frozen import FrozenDict
from graphnas.ir.node import Arg
from graphnas.ir.source import Target

ALIAS = "alias"  # the kind of an item that gives a value a second name
COLLECT = "collect"  # the kind of an item that gathers in a list what the modules of a container return


@dataclass(frozen=True, slots=True)
class Literal:
    """A constant by its source text; `value` is there for whole numbers alone."""

    text: str
    value: Any = None


class Pairs(FrozenDict[Any, Any]):
    """A dict among terms: in another order, or with a key that is `True` and not 1, it is other source."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, dict) and dict.__eq__(self, other) and [*map(repr, self)] == [*map(repr, other)]

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = FrozenDict.__hash__


@dataclass(frozen=True, slots=True)
class Plan(Expr):
    """What the plan says for a label."""

    label: str
    hint: str


@dataclass(frozen=True, slots=True)
class Attribute(Expr):
    """A parameter or buffer that the module itself holds, by how it is reached."""

    access: str


@dataclass(frozen=True, slots=True)
class Item:
    """A node or an inner call.

    Attributes:
        kind: "layer", "module", "function", "choose", "join", ALIAS or COLLECT.
        target: the module as it is reached, the function's dotted name, or the label.
        args, kwargs: terms.
        results: which parts of the result are used, and their numbers.
        hint: what a variable for the result may be called.
        called: the variable that the user's code has for it; of a tuple those of its parts, "" for none.
        when: the conditions beyond those of the whole call.
        after: the numbers of the items that must have run before though no value passes; only where choices are open.
        plan: whether it takes the plan.
        options: of a "choose" the option beside each argument, as source.
        take, merge: of a "choose".
        writes: whether it writes into its first argument.
        count: how many values the result has, and a tuple among them; 0 where that is not known.
        container: of a module in a container how that is reached, the place in it, and how many it holds.
        thunks: which arguments of a module are passed as functions, which it asks if it needs them.
        asked: the numbers of results that are such functions.
        where: for messages.
    """

    kind: str
    target: str
    args: tuple[Arg, ...] = ()
    kwargs: FrozenDict[str, Arg] = field(default_factory=FrozenDict)
    results: tuple[tuple[tuple[int | str, ...], int], ...] = ()
    hint: str = ""
    called: Target = ""
    when: tuple[Arg, ...] = ()
    after: tuple[int, ...] = ()
    plan: bool = False
    options: tuple[str, ...] = ()
    take: int | None = 1
    merge: str = ""
    writes: bool = False
    count: int = 0
    container: tuple[str, int, int] | None = None
    thunks: tuple[int, ...] = ()
    asked: tuple[int, ...] = ()
    where: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Form:
    """A module call: what it is given, does and returns.

    Attributes:
        formals: what its inputs are called; they have the first numbers.
        items: what it does, in order.
        result: what it returns.
        plan: whether it takes the plan.
        values: how many numbers are taken.
        root: what the root's call has beyond others; None otherwise.
        asked: the numbers of inputs that are functions, to be asked for the value.
        later: which parts of the result are returned as functions.
        certain: the places of items that run whenever the call does; only where choices are open.
        where: for messages.
    """

    formals: tuple[str, ...]
    items: tuple[Item, ...]
    result: Arg
    plan: bool
    values: int
    root: Root | None = None
    asked: tuple[int, ...] = ()
    later: tuple[int, ...] = ()
    certain: tuple[int, ...] = ()
    where: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Root:
    """What the root's call has beyond others.

    Attributes:
        signature: the parameters of `forward` as source.
        names: the parameters' names.
        inputs: how each of the first values is found among the parameters.
        asked: the parameters that are asked for their value, and keep it.
        refused: tests that parameters of which one value was traced have that value.
    """

    signature: tuple[str, ...]
    names: tuple[str, ...]
    inputs: tuple[str, ...]
    asked: tuple[str, ...]
    refused: tuple[tuple[str, str], ...]
