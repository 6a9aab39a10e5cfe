"""What tells the instances of a class apart that have a part from those that have not."""

from __future__ import annotations

import itertools
import re
from collections.abc import Collection, Sequence

from graphnas.codegen.blocks import ITEMS, Flag
from graphnas.codegen.code import PLACE, Hole
from graphnas.codegen.column import Column
from graphnas.codegen.lines import Passage
from graphnas.codegen.literals import NEEDED
from graphnas.codegen.template import Template

_SNAKE = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


class Conditions:
    """The tests of a class.

    An argument that only the instances with a part have a use for tells by being None; otherwise a flag is added.

    Args:
        template: the text of the class.
        variants: the kind of each instance.
        parameters: the arguments of its constructor; flags are added.
        attributes: the arguments that it keeps; those that a `forward` asks for are added.
        classes: the names of the classes made before, by which a part may be called.
        taken: what no argument that is kept may be called.

    Attributes:
        defaults: of the arguments that tell of a part: that it is not there, unless most instances have it.
        tests: of each flag of the template, in `__init__` and in a `forward`.
    """

    def __init__(
        self,
        template: Template,
        variants: Sequence[int],
        parameters: dict[str, Column],
        attributes: list[str],
        classes: Sequence[str],
        taken: frozenset[str],
    ) -> None:
        self._template = template
        self.defaults: dict[str, str] = {}
        self.tests: list[tuple[str, str]] = []
        for flag in template.flags:
            has = [variant in flag.variants for variant in variants]
            kept = flag.asked and not flag.attribute
            name = _teller({name: parameters[name] for name in parameters if not (kept and name in taken)}, has)
            if name is not None:
                self.defaults[name] = "None"
                suffix = " is not None"
            else:
                name = _free(flag, parameters, taken, classes)
                texts = tuple([str(one) for one in has])
                parameters[name] = Column([Hole(text, None, (name,)) for text in texts], texts)
                self.defaults[name] = str(2 * sum(has) > len(has))
                suffix = ""
            if flag.attribute:
                self.tests.append((f"{name}{suffix}", f"self.{flag.attribute} is not None"))
                continue
            if flag.asked and name not in attributes:
                attributes.append(name)
            self.tests.append((f"{name}{suffix}", f"self.{name}{suffix}"))

    def constructing(self, branch: Passage) -> str:
        """The test of a branch in `__init__`."""
        return self._test(branch, 0)

    def calling(self, branch: Passage) -> str:
        """The test of a branch in a `forward`."""
        return self._test(branch, 1)

    def _test(self, branch: Passage, place: int) -> str:
        variants = branch.literals.keys()
        for flag, tests in zip(self._template.flags, self.tests, strict=True):
            test = tests[place]
            if flag.variants == variants:
                return test
            if len(flag.variants) + len(variants) == self._template.count and not flag.variants & variants:
                return test.replace(" is not None", " is None") if test.endswith(" is not None") else f"not {test}"
        raise AssertionError("a template has a flag for each branch that needs a test")

    def attribute(self, branch: Passage) -> str:
        """What is None where a branch is not taken and a `forward` asks for; "" for nothing."""
        flags = (flag for flag in self._template.flags if flag.variants == branch.literals.keys() and flag.asked)
        return next((flag.attribute for flag in flags), "")


def _teller(parameters: dict[str, Column], has: Sequence[bool]) -> str | None:
    """The argument that just these instances have a use for."""
    fitting = [
        name
        for name, column in parameters.items()
        if [text is not None for text in column.texts] == has and "None" not in column.texts
    ]
    built = (name for name in fitting if parameters[name].is_fresh)
    return next(built, fitting[0] if fitting else None)


def _free(flag: Flag, parameters: Collection[str], taken: Collection[str], classes: Sequence[str]) -> str:
    """A name for a flag: not that of an argument, and where it is kept not that of another attribute."""
    others = {*parameters, *NEEDED, *classes, ITEMS, PLACE}

    def is_free(name: str) -> bool:
        kept = flag.asked and not flag.attribute
        return name not in others and not (kept and name in taken)

    hints = [hint if isinstance(hint, str) else _SNAKE.sub("_", classes[hint]).lower() for hint in flag.hints]
    numbered = (f"{hints[0]}_{number}" for number in itertools.count(2))
    return next(filter(is_free, itertools.chain(hints, (f"has_{hint}" for hint in hints), numbered)))
