"""One class per distinct kind of module: instances that differ only in literals share it, by arguments."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from graphnas.codegen.body import Body
from graphnas.codegen.code import Code, Construction, Hole, Part
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
    """

    path: str
    name: str
    base: str
    init: tuple[Code, ...]
    bodies: tuple[Body, ...]
    short: bool = False

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


class Unifier:
    """Makes the class of instances with equal skeletons."""

    def __init__(
        self, number: int, name: str, instances: Sequence[Instance], classes: Sequence[Class], ties: Sequence[Code]
    ) -> None:
        self._instances, self._classes, self._ties = instances, classes, ties
        self.result = Class(number, name)
        self._columns = [instance.holes for instance in instances]
        texts = zip(*(instance.texts for instance in instances), strict=True)
        self._parameters: dict[str, list[Hole]] = {}
        self._attributes: list[str] = []
        self._texts = [
            None if column.count(column[0]) == len(column) else self._column(place)
            for place, column in enumerate(texts)
        ]
        self._defaults()
        self.constructions = self._constructions()
        self.result.lines = _LINES.of(self._key(), (instances[0],), self._lines)

    # ------------------------------------------------------------ where instances differ
    def _column(self, place: int) -> str:
        """What stands at a place at which the literals of instances differ."""
        holes = [found[place][0] for found in self._columns]
        in_body = self._columns[0][place][1]
        name = self._same(holes)
        if name is None:
            related = None if in_body else self._related(holes)
            if related is not None:
                return related
            name = self._new(holes)
        if in_body and name not in self._attributes:
            self._attributes.append(name)
        return f"self.{name}" if in_body else name

    def _same(self, holes: list[Hole]) -> str | None:
        """The argument that already has these values. One that is built is never shared by two places."""
        if holes[0].fresh:
            return None
        texts = [hole.text for hole in holes]
        return next((name for name, known in self._parameters.items() if [hole.text for hole in known] == texts), None)

    def _related(self, holes: list[Hole]) -> str | None:
        """A whole multiple or part of an argument that already is there."""
        values = [hole.value for hole in holes]
        if not all(type(value) is int and value > 0 for value in values):
            return None
        for name, known in self._parameters.items():
            others = [hole.value for hole in known]
            if not all(type(other) is int and other > 0 for other in others):
                continue
            ratio = max(values[0] // others[0], 1)
            if ratio > 1 and all(value == ratio * other for value, other in zip(values, others)):
                return f"{ratio} * {name}"
            ratio = max(others[0] // values[0], 1)
            if ratio > 1 and all(other == ratio * value for value, other in zip(values, others)):
                return f"{name} // {ratio}"
        return None

    def _new(self, holes: list[Hole]) -> str:
        hints = holes[0].hints
        name = next((hint for hint in hints if hint not in self._parameters), None)
        number = 2
        while name is None:
            candidate = f"{hints[-1]}_{number}"
            name = candidate if candidate not in self._parameters else None
            number += 1
        self._parameters[name] = holes
        return name

    def _defaults(self) -> None:
        """Arguments in order, those without a default first; a value that most instances have is the default."""
        defaults: dict[str, str | None] = {}
        for name, holes in self._parameters.items():
            text, count = Counter(hole.text for hole in holes).most_common(1)[0]
            common = count * 2 > len(holes) and not any(hole.fresh for hole in holes)
            defaults[name] = text if common else None
        order = sorted(defaults, key=lambda name: defaults[name] is not None)
        self.result.parameters = {name: defaults[name] for name in order}

    def _constructions(self) -> dict[str, Construction]:
        """How each instance is built."""
        found = {}
        for place, instance in enumerate(self._instances):
            arguments = tuple((name, self._parameters[name][place]) for name in self.result.parameters)
            found[instance.path] = Construction(self.result.number, arguments)
        return found

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
        texts = iter(zip(self._texts, (hole for hole, _ in self._columns[0])))
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
        for number, (body, written) in enumerate(bodies):
            lines += [""] if len(lines) > 1 else []
            lines += wrapped(
                f"    def forward{f'_{number}' if number else ''}({', '.join(['self', *body.parameters])}):"
            )
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
