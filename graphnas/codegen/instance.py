"""A module before it has a class: what builds it, and what it does."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

from torch import nn

from graphnas.codegen.code import Code, Construction, Hole, Part
from graphnas.codegen.form import Form
from graphnas.codegen.lines import Body


def structure(parts: Iterable[Part]) -> Iterator[object]:
    """The parts without what instances of one class may differ in."""
    for part in parts:
        match part:
            case Hole(keyword=keyword, argument=argument, fresh=fresh):
                yield keyword, argument, fresh
            case Construction(group=group, arguments=arguments, steps=steps):
                yield group, tuple([name for name, _ in arguments]), tuple([name for name, _ in steps])
            case _:
                yield part


def holes(codes: Iterable[Code]) -> Iterator[Hole]:
    """The literals in lines, in order."""
    for code in codes:
        for part in code.parts:
            if isinstance(part, Hole):
                yield part
            elif isinstance(part, Construction):
                yield from (hole for _, hole in (*part.arguments, *part.steps))


@dataclass(frozen=True)
class Instance:
    """A module before it has a class: what builds it, and what it does.

    Attributes:
        path: where it is registered.
        name: what its class should be called.
        base: the class that it derives from.
        init: the lines of its `__init__`.
        bodies: one `forward`, and further ones of calls that differ.
        short: it is a Sequential whose `__init__` passes its children on and that has no `forward`.
        forms: what the bodies were written from.
        held: the names of what it registers.
        forwards: what the methods of its bodies are called.
    """

    path: str
    name: str
    base: str
    init: tuple[Code, ...]
    bodies: tuple[Body, ...]
    short: bool = False
    forms: tuple[Form, ...] = ()
    held: frozenset[str] = frozenset()
    forwards: tuple[str, ...] = ()

    @cached_property
    def attributes(self) -> frozenset[str]:
        """What it has as a module: nothing else may be called so."""
        return self.held | {"training", *dir(getattr(nn, self.base.removeprefix("nn.")))}

    @cached_property
    def skeleton(self) -> tuple[object, ...]:
        """What instances of one class share: everything but the literals."""
        return self.name, self.base, self.short, *structure(self.tokens())

    @cached_property
    def literals(self) -> list[Hole]:
        """The literals in order."""
        return [*holes(self.init), *holes(line.code for body in self.bodies for line in body.lines)]

    @cached_property
    def body(self) -> int:
        """How many of the literals stand in `__init__`."""
        return sum(1 for _ in holes(self.init))

    @cached_property
    def groups(self) -> tuple[int, ...]:
        """The numbers of the classes whose instances it builds, in order."""
        return tuple([part.group for part in self.tokens() if isinstance(part, Construction)])

    @cached_property
    def texts(self) -> tuple[str, ...]:
        """The literals in order, as source."""
        return tuple([hole.text for hole in self.literals])

    def tokens(self) -> Iterator[Part]:
        """All parts in order, with marks between lines."""
        for code in self.init:
            yield from code.parts
            yield "\n"
        for body in self.bodies:
            yield f"\f{', '.join(body.parameters)}"
            for line in body.lines:
                yield f"\n{line.indent}:"
                yield from line.code.parts
