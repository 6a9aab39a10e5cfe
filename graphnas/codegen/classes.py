"""One class per distinct kind of module: instances that differ only in literals share it, by arguments."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeAlias

from graphnas.codegen.blocks import ITEMS, Block, Written, constructed, told_apart
from graphnas.codegen.code import PLACE, Code, Construction, Hole, Part
from graphnas.codegen.column import Column
from graphnas.codegen.conditions import Conditions
from graphnas.codegen.instance import Instance
from graphnas.codegen.literals import NEEDED
from graphnas.codegen.memory import Memory
from graphnas.codegen.template import Template
from graphnas.codegen.wrapping import wrapped


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


_Texts: TypeAlias = Iterator[tuple[str | None, Hole]]  # what instances differ in, and the literal otherwise
_Written: TypeAlias = tuple[list[str], list[tuple[tuple[str, ...], list[str]]]]  # __init__, and each forward
_NOTHING: frozenset[str] = frozenset()
_LINES: Memory[list[str]] = Memory()


class Unifier:
    """Makes the class of instances that are of one kind, or of the kinds of a template.

    Args:
        number, name: of the class.
        instances: its instances.
        classes: those made before.
        ties: the lines that come last in `__init__`.
        template: the text that instances of several kinds share.
        variants: the kind of each instance.
    """

    def __init__(
        self,
        number: int,
        name: str,
        instances: Sequence[Instance],
        classes: Sequence[Class],
        ties: Sequence[Code],
        template: Template | None = None,
        variants: Sequence[int] = (),
    ) -> None:
        self._instances, self._classes, self._ties, self._template = instances, classes, ties, template
        self._variants = variants
        self.result = Class(number, name)
        self._parameters: dict[str, Column] = {}
        self._attributes: list[str] = []
        self._holes, rows = self._spread()
        self._texts = [
            None if texts.count(texts[0]) == len(texts) else self._differing(place, texts)
            for place, texts in enumerate(zip(*rows, strict=True))
        ]
        self._conditions: Conditions | None = None
        if template is not None:
            names = [known.name for known in classes]
            self._conditions = Conditions(template, variants, self._parameters, self._attributes, names, self._held)
        self._defaults()
        self.constructions = self._constructions()
        self.result.lines = _LINES.of(self._key(), (instances[0], template), self._lines)

    def _spread(self) -> tuple[Sequence[Sequence[Hole | None]], Iterable[Sequence[str | None]]]:
        """The literals of each instance, and their texts, each at its place in the text of the class."""
        template = self._template
        if template is None:
            return [instance.literals for instance in self._instances], [one.texts for one in self._instances]
        rows: list[list[Hole | None]] = []
        for instance, variant in zip(self._instances, self._variants, strict=True):
            row: list[Hole | None] = [None] * template.size
            for place, hole in zip(template.places[variant], instance.literals, strict=True):
                row[place] = hole
            rows.append(row)
        return rows, [[None if hole is None else hole.text for hole in row] for row in rows]

    # ------------------------------------------------------------ where instances differ
    def _differing(self, place: int, texts: tuple[str | None, ...]) -> str | None:
        """What stands at a place at which the literals of instances differ; None where those that have one agree."""
        if len({*texts} - {None}) < 2:
            return None
        column = Column([row[place] for row in self._holes], texts)
        in_body = place >= (self._instances[0].body if self._template is None else self._template.body)
        if not in_body and column.is_fresh and (found := column.classes()):
            named, arguments = found
            return f"{self._same(named, _NOTHING) or self._new(named, _NOTHING)}({arguments})"
        column = column.filled(self._holes, place)
        taken = self._held if in_body else _NOTHING
        name = None if column.is_fresh else self._same(column, taken)
        if name is None:
            related = None if in_body else self._related(column)
            if related is not None:
                return related
            name = self._new(column, taken)
        if in_body and name not in self._attributes:
            self._attributes.append(name)
        if any(hole is not None and hole.own for hole in (row[place] for row in self._holes)):
            own = f"{name}.clone()"
            return own if {*texts}.isdisjoint((None, "None")) else f"None if {name} is None else {own}"
        return f"self.{name}" if in_body else name

    @cached_property
    def _held(self) -> frozenset[str]:
        """What instances have as modules: no argument that they keep may be called so."""
        return _NOTHING.union(*(instance.attributes for instance in self._kinds()))

    def _same(self, column: Column, taken: frozenset[str]) -> str | None:
        """The argument that already has these values."""
        for name, known in self._parameters.items():
            if name not in taken and not known.is_fresh and known.fits(column):
                self._parameters[name] = known.joined(column)
                return name
        return None

    def _related(self, column: Column) -> str | None:
        """A whole multiple or part of an argument that already is there."""
        for name, known in self._parameters.items():
            found = column.ratio(known)
            if found is not None:
                sign, factor = found
                return f"{factor} * {name}" if sign == "*" else f"{name} // {factor}"
        return None

    def _new(self, column: Column, taken: frozenset[str]) -> str:
        hints = column.first.hints
        known = {*self._parameters, *taken, *NEEDED, ITEMS, PLACE, *(made.name for made in self._classes)}
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
        known = self._conditions.defaults if self._conditions is not None else {}
        defaults = {name: known.get(name) or column.default("None") for name, column in self._parameters.items()}
        order = sorted(defaults, key=lambda name: defaults[name] is not None)
        self.result.parameters = {name: defaults[name] for name in order}

    def _constructions(self) -> dict[str, Construction]:
        """How each instance is built."""
        names = tuple(self.result.parameters)
        rows = zip(*(self._arguments(name) for name in names), strict=True) if names else ()
        arguments = [tuple(zip(names, row, strict=True)) for row in rows] or [()] * len(self._instances)
        return {
            instance.path: Construction(self.result.number, own)
            for instance, own in zip(self._instances, arguments, strict=True)
        }

    def _arguments(self, name: str) -> Sequence[Hole]:
        """What the instances are given for an argument; its default where they have no use for it."""
        column, default = self._parameters[name], self.result.parameters[name]
        nothing = Hole(default or "", None, column.first.hints, fresh=column.is_fresh)
        return [nothing if hole is None else hole for hole in column.holes]

    # ------------------------------------------------------------ source
    def _key(self) -> Hashable:
        """Says all that the lines depend on; the first instance stands for what it is made of."""
        numbers = dict.fromkeys([group for instance in self._kinds() for group in instance.groups])
        used = [self._classes[group] for group in numbers]
        inner = tuple([(known.name, *known.parameters.items()) for known in used])
        own = self.result.name, *self.result.parameters.items()
        ties = tuple([code.parts for code in self._ties])
        key = own, tuple(self._texts), tuple(self._attributes), inner, ties
        if self._conditions is None:
            return id(self._instances[0]), *key
        shown = tuple([hole.text for hole in self._shown()])
        return id(self._template), self._instances[0].base, shown, tuple(self._conditions.tests), *key

    def _kinds(self) -> Sequence[Instance]:
        """An instance of each kind."""
        return [*dict(zip(self._variants, self._instances)).values()] if self._template else self._instances[:1]

    def _shown(self) -> Sequence[Hole]:
        """The literals that are written where all that have one have the same."""
        if self._template is None:
            return self._instances[0].literals
        return [next(hole for hole in column if hole is not None) for column in zip(*self._holes, strict=True)]

    def _lines(self) -> list[str]:
        texts = iter(zip(self._texts, self._shown(), strict=True))
        instance = self._instances[0]
        init, bodies = self._plain(texts) if self._conditions is None else self._branched(self._conditions, texts)
        lines = [f"class {self.result.name}({instance.base}):"]
        if init or self.result.parameters or self._ties:
            lines += wrapped(f"    def __init__({', '.join(['self', *self._signature()])}):")
            lines += ["        super().__init__()"] if not instance.short else []
            lines += [f"        self.{name} = {name}" for name in self._attributes]
            for line in (*init, *("".join(map(str, code.parts)) for code in self._ties)):
                lines += wrapped(f"        {line}")
        for name, (parameters, written) in zip(instance.forwards, bodies, strict=True):
            lines += [""] if len(lines) > 1 else []
            lines += wrapped(f"    def {name}({', '.join(['self', *parameters])}):")
            for line in written:
                lines += wrapped(f"        {line}")
        return lines if len(lines) > 1 else [*lines, "    pass"]

    def _plain(self, texts: _Texts) -> _Written:
        """The lines of instances of one kind."""
        instance = self._instances[0]
        init = [self._fill(code.parts, texts) for code in instance.init]
        return init, [
            (body.parameters, [f"{'    ' * line.indent}{self._fill(line.code.parts, texts)}" for line in body.lines])
            for body in instance.bodies
        ]

    def _branched(self, conditions: Conditions, texts: _Texts) -> _Written:
        """The lines of instances of several kinds."""
        template = self._template
        assert template is not None  # there are no conditions without one

        def filled(block: Block) -> list[Written]:
            return [
                [(line.indent, self._fill(line.code.parts, texts)) for line in branch.lines]
                for branch in block.branches
            ]

        init = [
            line
            for block in template.init
            for line in constructed(block, filled(block), conditions.constructing, conditions.attribute)
        ]
        return init, [
            (parameters, [line for block in blocks for line in told_apart(block, filled(block), conditions.calling)])
            for parameters, blocks in template.bodies
        ]

    def _signature(self) -> list[str]:
        return [name if default is None else f"{name}={default}" for name, default in self.result.parameters.items()]

    def _fill(self, parts: Sequence[Part], texts: _Texts) -> str:
        """The parts as source."""
        written = ""
        for part in parts:
            match part:
                case Hole():
                    text, hole = next(texts)
                    written += self._argument(written, hole, text)
                case Construction():
                    written += self._construction(part, texts)
                case _:
                    written += str(part)
        return written

    def _construction(self, part: Construction, texts: _Texts) -> str:
        """What builds an instance of a class."""
        known = self._classes[part.group]
        shown = [next(texts) for _ in (*part.arguments, *part.steps)]
        rises = {name: hole.text if text is None else text
                 for (name, _), (text, hole) in zip(part.steps, shown[len(part.arguments) :])}  # fmt: skip
        made = f"{known.name}("
        for (name, _), (text, hole) in zip(part.arguments, shown):
            default = known.parameters[name]
            if name in rises:
                step = PLACE if rises[name] == "1" else f"{rises[name]} * {PLACE}"
                text = f"{hole.text if text is None else text} + {step}"
            own = Hole(hole.text, argument=True, keyword="" if default is None else name, default=default or "")
            made += self._argument(made, own, text)
        return f"{made})"

    @staticmethod
    def _argument(before: str, hole: Hole, text: str | None) -> str:
        if not hole.argument:
            return hole.text if text is None else text
        if text is None and hole.text and hole.text == hole.default:
            return ""
        separator = "" if before.endswith("(") else ", "
        keyword = f"{hole.keyword}=" if hole.keyword else ""
        return separator + keyword + (hole.text if text is None else text)
