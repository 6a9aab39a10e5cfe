"""One class per distinct kind of module: instances that differ only in literals share it, by arguments."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from torch import nn

from graphnas.codegen.code import Code, Construction, Hole, Part
from graphnas.codegen.lines import Body
from graphnas.codegen.literals import NEEDED
from graphnas.codegen.memory import Memory
from graphnas.codegen.wrapping import wrapped


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
        held: the names of what it registers.
        forwards: what the methods of its bodies are called.
    """

    path: str
    name: str
    base: str
    init: tuple[Code, ...]
    bodies: tuple[Body, ...]
    short: bool = False
    held: frozenset[str] = frozenset()
    forwards: tuple[str, ...] = ()

    @cached_property
    def attributes(self) -> frozenset[str]:
        """What it has as a module: nothing else may be called so."""
        return self.held | {"training", *dir(getattr(nn, self.base.removeprefix("nn.")))}

    @cached_property
    def skeleton(self) -> tuple[object, ...]:
        """What instances of one class share: everything but the literals."""
        found: list[object] = [self.name, self.base, self.short]
        for part in self.tokens():
            match part:
                case Hole(keyword=keyword, argument=argument, fresh=fresh):
                    found.append((keyword, argument, fresh))
                case Construction(group=group, arguments=arguments):
                    found.append((group, tuple(name for name, _ in arguments)))
                case _:
                    found.append(part)
        return tuple(found)

    @cached_property
    def holes(self) -> list[tuple[Hole, bool]]:
        """The literals in order, each with whether it stands in a `forward`."""
        found: list[tuple[Hole, bool]] = []
        in_body = False
        for part in self.tokens():
            match part:
                case Hole():
                    found.append((part, in_body))
                case Construction(arguments=arguments):
                    found += [(hole, in_body) for _, hole in arguments]
                case str() if part.startswith("\f"):
                    in_body = True
        return found

    @cached_property
    def groups(self) -> tuple[int, ...]:
        """The numbers of the classes whose instances it builds, in order."""
        return tuple([part.group for part in self.tokens() if isinstance(part, Construction)])

    @cached_property
    def texts(self) -> tuple[str, ...]:
        """The literals in order, as source."""
        return tuple([hole.text for hole, _ in self.holes])

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


@dataclass
class Class:
    """An emitted class.

    Attributes:
        number: by which constructions name it.
        name: of the class.
        parameters: of the constructor: name → default as source, None for none.
        lines: its source.
    """

    number: int
    name: str
    parameters: dict[str, str | None] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)


_LINES: Memory[list[str]] = Memory()


@dataclass(frozen=True)
class Column:
    """The literals of all instances at one place."""

    holes: Sequence[Hole]
    texts: tuple[str, ...]

    @cached_property
    def is_fresh(self) -> bool:
        """Whether they are built, so that no two places may share them."""
        return any([hole.fresh for hole in self.holes])

    @cached_property
    def sizes(self) -> tuple[int, ...]:
        """Their values where all are positive whole numbers, else nothing."""
        values = tuple([hole.value for hole in self.holes])
        return values if all(type(value) is int and value > 0 for value in values) else ()


class Unifier:
    """Makes the class of instances with equal skeletons."""

    def __init__(
        self, number: int, name: str, instances: Sequence[Instance], classes: Sequence[Class], ties: Sequence[Code]
    ) -> None:
        self._instances, self._classes, self._ties = instances, classes, ties
        self.result = Class(number, name)
        self._parameters: dict[str, Column] = {}
        self._attributes: list[str] = []
        all_texts = zip(*(instance.texts for instance in instances), strict=True)
        self._texts = [
            None if texts.count(texts[0]) == len(texts) else self._differing(place, texts)
            for place, texts in enumerate(all_texts)
        ]
        self._defaults()
        self.constructions = self._constructions()
        self.result.lines = _LINES.of(self._key(), (instances[0],), self._lines)

    # ------------------------------------------------------------ where instances differ
    def _differing(self, place: int, texts: tuple[str, ...]) -> str:
        """What stands at a place at which the literals of instances differ."""
        column = Column([instance.holes[place][0] for instance in self._instances], texts)
        in_body = self._instances[0].holes[place][1]
        taken = self._instances[0].attributes if in_body else frozenset()
        name = None if column.is_fresh else self._same(column, taken)
        if name is None:
            related = None if in_body else self._related(column)
            if related is not None:
                return related
            name = self._new(column, taken)
        if in_body and name not in self._attributes:
            self._attributes.append(name)
        return f"self.{name}" if in_body else name

    def _same(self, column: Column, taken: frozenset[str]) -> str | None:
        """The argument that already has these values."""
        same = (name for name, known in self._parameters.items() if known.texts == column.texts)
        return next((name for name in same if name not in taken), None)

    def _related(self, column: Column) -> str | None:
        """A whole multiple or part of an argument that already is there."""
        values = column.sizes
        if not values:
            return None
        for name, known in self._parameters.items():
            others = known.sizes
            if not others:
                continue
            ratio = max(values[0] // others[0], 1)
            if ratio > 1 and all(value == ratio * other for value, other in zip(values, others)):
                return f"{ratio} * {name}"
            ratio = max(others[0] // values[0], 1)
            if ratio > 1 and all(other == ratio * value for value, other in zip(values, others)):
                return f"{name} // {ratio}"
        return None

    def _new(self, column: Column, taken: frozenset[str]) -> str:
        hints = column.holes[0].hints
        known = {*self._parameters, *taken, *NEEDED, *(made.name for made in self._classes)}
        name = next((hint for hint in hints if hint not in known), None)
        number = 2
        while name is None:
            candidate = f"{hints[-1]}_{number}"
            name = candidate if candidate not in known else None
            number += 1
        self._parameters[name] = column
        return name

    def _defaults(self) -> None:
        """Arguments in order, those without a default first; a value that most instances have is the default."""
        defaults: dict[str, str | None] = {}
        for name, column in self._parameters.items():
            text, count = Counter(column.texts).most_common(1)[0]
            common = count * 2 > len(column.texts) and not column.is_fresh
            defaults[name] = text if common else None
        order = sorted(defaults, key=lambda name: defaults[name] is not None)
        self.result.parameters = {name: defaults[name] for name in order}

    def _constructions(self) -> dict[str, Construction]:
        """How each instance is built."""
        names = tuple(self.result.parameters)
        rows = zip(*(self._parameters[name].holes for name in names), strict=True) if names else ()
        arguments = [tuple(zip(names, row, strict=True)) for row in rows] or [()] * len(self._instances)
        return {
            instance.path: Construction(self.result.number, own)
            for instance, own in zip(self._instances, arguments, strict=True)
        }

    # ------------------------------------------------------------ source
    def _key(self) -> Hashable:
        """Says all that the lines depend on; the first instance stands for what it is made of."""
        used = [self._classes[group] for group in self._instances[0].groups]
        inner = tuple([(known.name, *known.parameters.items()) for known in used])
        own = self.result.name, *self.result.parameters.items()
        ties = tuple([code.parts for code in self._ties])
        return id(self._instances[0]), own, tuple(self._texts), tuple(self._attributes), inner, ties

    def _lines(self) -> list[str]:
        instance = self._instances[0]
        texts = iter(zip(self._texts, (hole for hole, _ in instance.holes)))
        init = [self._fill(code.parts, texts) for code in instance.init]
        bodies = [
            (body, [(line.indent, self._fill(line.code.parts, texts)) for line in body.lines])
            for body in instance.bodies
        ]
        lines = [f"class {self.result.name}({instance.base}):"]
        if init or self.result.parameters or self._ties:
            lines += wrapped(f"    def __init__({', '.join(['self', *self._signature()])}):")
            lines += ["        super().__init__()"] if not instance.short else []
            lines += [f"        self.{name} = {name}" for name in self._attributes]
            for line in (*init, *("".join(map(str, code.parts)) for code in self._ties)):
                lines += wrapped(f"        {line}")
        for name, (body, written) in zip(instance.forwards, bodies, strict=True):
            lines += [""] if len(lines) > 1 else []
            lines += wrapped(f"    def {name}({', '.join(['self', *body.parameters])}):")
            for indent, line in written:
                lines += wrapped(f"        {'    ' * indent}{line}")
        return lines if len(lines) > 1 else [*lines, "    pass"]

    def _signature(self) -> list[str]:
        return [name if default is None else f"{name}={default}" for name, default in self.result.parameters.items()]

    def _fill(self, parts: Sequence[Part], texts: Iterator[tuple[str | None, Hole]]) -> str:
        """The parts as source."""
        written = ""
        for part in parts:
            match part:
                case Hole():
                    written += self._argument(written, part, next(texts)[0])
                case Construction(group=group, arguments=arguments):
                    made = f"{self._classes[group].name}("
                    for name, hole in arguments:
                        default = self._classes[group].parameters[name]
                        shown = Hole(
                            hole.text, argument=True, keyword="" if default is None else name, default=default or ""
                        )
                        made += self._argument(made, shown, next(texts)[0])
                    written += f"{made})"
                case _:
                    written += str(part)
        return written

    @staticmethod
    def _argument(before: str, hole: Hole, text: str | None) -> str:
        if not hole.argument:
            return hole.text if text is None else text
        if text is None and hole.text and hole.text == hole.default:
            return ""
        separator = "" if before.endswith("(") else ", "
        keyword = f"{hole.keyword}=" if hole.keyword else ""
        return separator + keyword + (hole.text if text is None else text)
