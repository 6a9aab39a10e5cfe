"""The `forward` of a call with open choices: arms as thunks, of which the plan decides which run."""

from __future__ import annotations

from collections.abc import Sequence

from graphnas.codegen.body import Body, Line, Writer
from graphnas.codegen.code import Code, Hole, call, concat, separated, text
from graphnas.codegen.expressions import augmented, term_code
from graphnas.codegen.form import Form, Item
from graphnas.codegen.literals import as_name, literal
from graphnas.codegen.placement import LAZY, Path, Place, is_open_choice, places
from graphnas.codegen.variables import Variables
from graphnas.ir.node import Arg

_IN_PLACE = {"+=": "add_", "-=": "sub_", "*=": "mul_", "/=": "div_"}


class Fixed(Variables):
    """Variables of which each is assigned once: thunks read them later."""

    def is_free(self, name: str, step: int) -> bool:
        """Whether nothing has been called so."""
        return name not in self.until and super().is_free(name, step)


def render(form: Form, guards: bool) -> Body:
    """The `forward` of a form."""
    is_open = any(is_open_choice(item) for item in form.items)
    return (OpenWriter if is_open else Writer)(form, guards).body()


class OpenWriter(Writer):
    """Writes a call in which choices are open."""

    def __init__(self, form: Form, guards: bool) -> None:
        super().__init__(form, guards)
        self.variables = Fixed()
        self.places: list[Place] = places(form, self.codes)
        self.path: Path = ()
        self.lazy: set[int] = set()

    def block(self, steps: Sequence[int]) -> None:
        """Writes those of the items that belong to the present place."""
        super().block([step for step in steps if self.places[step].path == self.path and not self.places[step].dropped])

    def is_placed(self, step: int) -> bool:
        """Whether an item is computed only when it is asked for."""
        return self.places[step].lazy

    def name(self, index: int) -> str:
        """The variable of a value; one that is computed when asked for is asked."""
        found = super().name(index)
        return f"{found}()" if index in self.lazy else found

    def value(self, step: int, item: Item, code: Code) -> None:
        """Writes an item that computes a value."""
        if is_open_choice(item):
            code = self._choice(step, item)
        if self.places[step].lazy:
            self._thunk(step, item, code)
        elif is_open_choice(item):
            self._assign(step, item, code)
        elif self.path and (sign := augmented(item)) and item.results:
            self._assign(step, item, self._without_augment(item, sign))
        else:
            super().value(step, item, code)

    def _assign(self, step: int, item: Item, code: Code) -> None:
        named = self._named(code)
        self.flush()
        if not item.results:
            self.lines.append(Line(self.indent, named))
            return
        index = item.results[0][1]
        name = self.variables.give(index, self.variables.fresh(as_name(item.hint), step), self.last.get(index, step))
        self.lines.append(Line(self.indent, concat(f"{name} = ", named)))

    def _without_augment(self, item: Item, sign: str) -> Code:
        # Inside a function, `x += y` would make x a variable of its own.
        self.flush()
        method = _IN_PLACE.get(sign) or item.target.rpartition(".")[2]
        return concat(term_code(item.args[0]), f".{method}(", term_code(item.args[1]), ")", nested=1)

    def _thunk(self, step: int, item: Item, code: Code) -> None:
        """What is computed at most once, when it is first asked for."""
        self.flush()
        name = self.variables.fresh(as_name(item.hint or "x"), step)
        self.variables.until[name] = len(self.form.items)
        self.lines.append(Line(self.indent, concat(f"{name} = runtime.lazy(lambda: ", self._named(code), ")")))
        if len(item.results) == 1 and item.results[0][0] == ():
            index = item.results[0][1]
            self.variables.names[index] = name
            self.lazy.add(index)
            return
        for path, index in item.results:
            self.variables.names[index] = f"{name}()" + "".join(f"[{key!r}]" for key in path)

    # ------------------------------------------------------------ choices
    def _choice(self, step: int, item: Item) -> Code:
        """`runtime.choose(plan[label], {option: thunk, ...})`."""
        self.flush()
        arms = []
        for arm, (option, arg) in enumerate(zip(item.options, item.args, strict=True)):
            arms.append(concat(f"{option}: ", self._arm(step, arm, arg, option)))
        label = concat("plan[", Code((Hole(literal(item.target), None, (f"{as_name(item.hint)}_label",)),)), "]")
        merge = [] if item.take == 1 else [text(f"merge={literal(item.merge)}")]
        return call("runtime.choose", [label, concat("{", separated(arms), "}"), *merge])

    def _arm(self, step: int, arm: int, arg: Arg, option: str) -> Code:
        """A thunk: a lambda where an expression does, else the name of a function that is defined before the choice."""
        outer = self.lines, self.pending, self.indent, self.path, self.when
        place = (*self.places[step].path, *(((step, LAZY),) if self.places[step].lazy else ()))
        self.lines, self.pending, self.indent, self.path, self.when = [], [], self.indent + 1, (*place, (step, arm)), ()
        self.block(range(step))
        self._leave(())
        self.when = ()
        result = self._used(term_code(arg), step)
        self.flush()
        result, lines = self._named(result), self.lines
        self.lines, self.pending, self.indent, self.path, self.when = outer
        if not lines:
            return concat("lambda: ", result)
        name = self.variables.fresh(as_name(option.strip("\"'")), step)
        self.variables.until[name] = len(self.form.items)
        self.lines.append(Line(self.indent, text(f"def {name}():")))
        self.lines += [*lines, Line(self.indent + 1, concat("return ", result))]
        return text(name)


