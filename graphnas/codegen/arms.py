"""The `forward` of a call with open choices: what may not be wanted is a function, and runs if it is asked for."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import replace

from graphnas.codegen.body import Writer
from graphnas.codegen.code import Code, Hole, Local, call, concat, separated, text
from graphnas.codegen.expressions import assignment_code, augmented, keywords, term_code
from graphnas.codegen.form import Form, Item
from graphnas.codegen.lines import Body, Line
from graphnas.codegen.literals import as_name, literal
from graphnas.codegen.placement import LAZY, Path, Place, arms, is_open, is_open_choice, places
from graphnas.codegen.variables import Variables
from graphnas.ir.node import Arg

_IN_PLACE = {"+=": "add_", "-=": "sub_", "*=": "mul_", "/=": "div_"}


class Fixed(Variables):
    """Variables of which each is assigned once: functions read them later."""

    def is_free(self, name: str, step: int) -> bool:
        """Whether nothing has been called so."""
        return name not in self.until and super().is_free(name, step)


def render(form: Form, guards: bool) -> Body:
    """The `forward` of a form."""
    return (OpenWriter if is_open(form) else Writer)(form, guards).body()


class OpenWriter(Writer):
    """Writes a call in which not all that it could compute need be wanted."""

    def __init__(self, form: Form, guards: bool) -> None:
        super().__init__(form, guards)
        self.variables = Fixed()
        self.places: list[Place] = places(form, self.codes)
        self.path: Path = ()
        self.asked: set[int] = set(form.asked)  # the values whose names are those of functions
        self.functions: dict[int, str] = {}  # step → what computes it when it is first asked for

    def block(self, steps: Sequence[int]) -> None:
        """Writes those of the items that belong to the present function."""
        super().block([step for step in steps if self.places[step].path == self.path])

    def is_placed(self, step: int) -> bool:
        """Whether an item is computed only when it is asked for."""
        return self.places[step].lazy

    def name(self, index: int) -> str:
        """The variable of a value; one that is computed when asked for is asked."""
        found = super().name(index)
        return f"{found}()" if index in self.asked else found

    def step(self, step: int) -> None:
        """Writes one item."""
        if self.places[step].lazy:
            self._postpone(step)
        else:
            self._ask(step)
            super().step(step)

    def value(self, step: int, item: Item, code: Code) -> None:
        """Writes an item that computes a value."""
        if arms(item) or item.asked or (augmented(item) and not self._is_variable(item.args[0])):
            self._assign(step, item, self._computed(step))
        else:
            super().value(step, item, code)

    def result(self) -> Code:
        """What the call returns."""
        if not self.form.later:
            return super().result()
        end, result = len(self.form.items), self.form.result
        if not isinstance(result, tuple):
            return self._handed_over(end, 0, result)
        parts = (
            self._handed_over(end, place, part) if place in self.form.later else term_code(part)
            for place, part in enumerate(result)
        )
        return concat("(", separated(parts), ")")

    # ------------------------------------------------------------ one item
    def _is_variable(self, term: Arg) -> bool:
        # Inside a function `x += y` would make x a variable of its own.
        return not self.path and isinstance(term, Local) and term.index not in self.asked

    def _ask(self, step: int) -> None:
        """Has done what an item must come after, where that waits to be asked for."""
        for earlier in self.form.items[step].after:
            if earlier in self.functions:
                self.line(text(f"{self.functions[earlier]}()"))

    def _computed(self, step: int) -> Code:
        """The value of an item as an expression; what it takes beyond one is written before it."""
        item = self.form.items[step]
        self.flush()
        if is_open_choice(item):
            return self._choice(step, item)
        if item.thunks:
            return self._call(step, item)
        sign = augmented(item)
        if sign:
            method = _IN_PLACE.get(sign) or item.target.rpartition(".")[2]
            return concat(term_code(item.args[0]), f".{method}(", term_code(item.args[1]), ")", nested=1)
        if assignment_code(item) is not None:
            super().step(step)
            return text("None")
        return self.codes[step]

    def _assign(self, step: int, item: Item, code: Code) -> None:
        named = self._named(code)
        self.flush()
        if not item.results:
            self.lines.append(Line(self.indent, named))
            return
        if len(item.results) > 1:
            targets = self._targets(item, step)
        else:
            path, index = item.results[0]
            targets = self.variables.give(index, self._fresh(item.hint), len(self.form.items))
            named = concat(named, *(f"[{key!r}]" for key in path))
        self.asked.update(item.asked)
        self.lines.append(Line(self.indent, concat(f"{targets} = ", named)))

    def _postpone(self, step: int) -> None:
        """What is computed at most once, when it is first asked for."""
        item = self.form.items[step]
        compute = self._function((step, LAZY), item.hint, lambda: self._asked_for(step))
        name = self._fresh(item.hint)
        self.lines.append(Line(self.indent, concat(f"{name} = ", call("runtime.lazy", [compute]))))
        self.functions[step] = name
        for path, index in item.results:
            plain = path == () and index not in item.asked
            written = name if plain else f"{name}()" + "".join(f"[{key!r}]" for key in path)
            self.variables.give(index, written, len(self.form.items))
            if plain or index in item.asked:
                self.asked.add(index)

    def _asked_for(self, step: int) -> Code:
        self._ask(step)
        return self._computed(step)

    def _fresh(self, hint: str) -> str:
        name = self.variables.fresh(as_name(hint or "x"), len(self.form.items))
        self.variables.until[name] = len(self.form.items)
        return name

    # ------------------------------------------------------------ functions
    def _choice(self, step: int, item: Item) -> Code:
        """`runtime.choose(plan[label], {option: function, ...})`."""
        options = []
        for arm, (option, arg) in enumerate(zip(item.options, item.args, strict=True)):
            function = self._function((step, arm), option.strip("\"'"), functools.partial(term_code, arg))
            options.append(concat(f"{option}: ", function))
        label = concat("plan[", Code((Hole(literal(item.target), None, (f"{as_name(item.hint)}_label",)),)), "]")
        merge = [] if item.take == 1 else [text(f"merge={literal(item.merge)}")]
        return call("runtime.choose", [label, concat("{", separated(options), "}"), *merge])

    def _call(self, step: int, item: Item) -> Code:
        """The call of a module that is given functions for what it may not need."""
        arguments = [
            self._handed_over(step, place, arg) if place in item.thunks else term_code(arg)
            for place, arg in enumerate(item.args)
        ]
        plan = [text("plan")] if item.plan else []
        return call(item.target, arguments + keywords(item) + plan)

    def _handed_over(self, step: int, place: int, term: Arg) -> Code:
        """A value as a function for others to ask, maybe repeatedly."""
        return self._function((step, place), "value", lambda: term_code(term), once=True)

    def _function(self, inside: tuple[int, int], hint: str, compute: Callable[[], Code], once: bool = False) -> Code:
        """A function without arguments: a lambda where an expression does, else the name of one defined before.

        Args:
            inside: whose function it is; it computes the items that are placed there.
            hint: what it may be called.
            compute: gives its result, once those items are written.
            once: whether it computes no more than once, however often it is called.
        """
        self.flush()
        step = inside[0]
        outer = self.lines, self.pending, self.indent, self.path, self.when
        self.lines, self.pending, self.indent, self.path, self.when = [], [], self.indent + 1, (*self.path, inside), ()
        self.block(range(step))
        self._leave(())
        self.when = ()
        result = self._used(compute(), step)
        self.flush()
        lines, result = _returned(self.lines, self._named(result), self.indent)
        self.lines, self.pending, self.indent, self.path, self.when = outer
        written = "".join(part for part in result.parts if isinstance(part, str))
        if not lines and written.endswith("()") and written[:-2].isidentifier():
            return text(written[:-2])  # a function already
        function = self._defined(hint, lines, result) if lines else concat("lambda: ", result)
        return call("runtime.lazy", [function]) if once and (lines or not written.isidentifier()) else function

    def _defined(self, hint: str, lines: list[Line], result: Code) -> Code:
        name = self._fresh(hint)
        self.lines.append(Line(self.indent, text(f"def {name}():")))
        self.lines += [*lines, Line(self.indent + 1, concat("return ", result))]
        return text(name)


def _returned(lines: list[Line], result: Code, indent: int) -> tuple[list[Line], Code]:
    """Lines and result without a variable that is assigned last and then returned."""
    if lines and len(result.parts) == 1 and lines[-1].indent == indent:
        first, *others = lines[-1].code.parts
        if first == f"{result.parts[0]} = " and isinstance(result.parts[0], str):
            return lines[:-1], replace(lines[-1].code, parts=tuple(others))
    return lines, result
