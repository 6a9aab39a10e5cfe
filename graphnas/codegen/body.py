"""From the form of a module call to the lines of its `forward`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from graphnas.codegen.branches import Arms, Block, Conditions, blocks, common, conjunction, is_opposite
from graphnas.codegen.code import Code, Local, call, concat, substituted, text
from graphnas.codegen.expressions import assignment_code, augmented, effect_code, item_code, term_code, truth
from graphnas.codegen.form import COLLECT, Form, Item
from graphnas.codegen.lines import Body, Line
from graphnas.codegen.literals import NEEDED
from graphnas.codegen.loops import Loop, find_loop
from graphnas.codegen.signature import check_hidden
from graphnas.codegen.usage import Pending, origin_of, usage
from graphnas.codegen.variables import Variables, branched, called, pattern
from graphnas.errors import EmitError
from graphnas.ir.node import ENTERS, EXITS, GUARD, Arg

MAX_INLINE = 60  # characters that an expression may take inside another
MAX_DEPTH = 3  # calls within calls


class Writer:
    """Writes the items of one call in order. `graphnas.codegen.arms` adds what open choices need."""

    def __init__(self, form: Form, guards: bool) -> None:
        self.form, self.guards = form, guards
        self.lines: list[Line] = []
        self.pending: list[Pending] = []
        self.indent = 0
        self.when: Conditions = ()
        self.blocks: list[Block] = []
        self.codes = [self._code(item) for item in form.items]
        self.reads, self.last = usage(form, self.codes)
        self.variables = Variables(branched=branched(form), called=called(form, self.reads))
        self.arms = self._arms()
        for group in set(self.arms.groups.values()):
            members = self.arms.members(group)
            self.last |= dict.fromkeys(members, max(self.last.get(index, -1) for index in members))
        self.shared: dict[int, str] = {}  # a group of values → their variable

    def body(self) -> Body:
        """The whole `forward`."""
        parameters = self.parameters()
        self.block(range(len(self.form.items)))
        self.finish()
        return Body(parameters, tuple(self.lines) or (Line(0, text("pass")),))

    def finish(self) -> None:
        """Writes what comes after the last item."""
        self.enter(())
        if self.form.result is not None and self.form.result != ():
            self.line(concat("return ", self._used(self.result(), len(self.form.items))))

    def result(self) -> Code:
        """What the call returns."""
        return term_code(self.form.result)

    # ------------------------------------------------------------ what is read when
    def _code(self, item: Item) -> Code:
        if item.target in EXITS or (item.target == GUARD and not self.guards):
            return Code(())
        if item.target in ENTERS or item.target == GUARD:
            return effect_code(item)
        if item.kind == "choose":
            return concat(*(term_code(arg) for arg in item.args))
        return assignment_code(item) or item_code(item)

    def _arms(self) -> Arms:
        return Arms(self.form)

    # ------------------------------------------------------------ lines
    def line(self, code: Code) -> None:
        """Adds a line, after what is pending."""
        self.flush()
        self.lines.append(Line(self.indent, self._named(code)))

    def _named(self, code: Code) -> Code:
        values = {part.index: text(self.name(part.index)) for part in code.locals}
        return substituted(code, values) if values else code

    def name(self, index: int) -> str:
        """The variable of a value.

        Raises:
            EmitError: it has none yet: the graph reads it before it is computed, or across conditions.
        """
        if index not in self.variables.names:
            raise EmitError(f"{self.form.where} reads a value before it is computed")
        return self.variables.names[index]

    def variable(self, index: int, item: Item, first: int | None, step: int) -> str:
        """A name for the result of an item, which it may share with those of other arms."""
        group = self.arms.groups.get(index)
        if group is None:
            return self.variables.choose(item, index, first, step)
        if group not in self.shared:
            self.shared[group] = self.variables.choose(item, index, first, step)
        return self.shared[group]

    def parameters(self) -> tuple[str, ...]:
        """The parameters as source; values that the call is given have names from then on."""
        root = self.form.root
        if root is not None:
            return self._root_parameters()
        names = [self._formal(index, formal) for index, formal in enumerate(self.form.formals)]
        return (*names, "plan") if self.form.plan else tuple(names)

    def _formal(self, index: int, formal: str) -> str:
        name, number = formal, 0
        while name in self.variables.until or name in NEEDED:
            number += 1
            name = f"{formal}_{number}"
        return self._given(index, name)

    def _given(self, index: int, name: str) -> str:
        if name in ("x", "input", "inputs", "hidden_states", "out", "images"):
            self.variables.chained.add(name)
        if index in self.arms.groups:
            self.shared[self.arms.groups[index]] = name
        return self.variables.give(index, name, self.last.get(index, -1))

    def _root_parameters(self) -> tuple[str, ...]:
        root = self.form.root
        assert root is not None  # the caller asked
        for index, access in enumerate(root.inputs):
            if access in root.names:
                self._given(index, access)
        check_hidden(self.form, root, self.codes)
        for name in root.names:
            self.variables.until.setdefault(name, len(self.form.items) if name in root.asked else -1)
        for test, remedy in root.refused:
            if self.guards:
                self.lines.append(Line(0, call("_guard", [text(test), text(remedy)])))
        for index, access in enumerate(root.inputs):
            if access not in root.names and index in self.last:
                name = self.variables.fresh(self.form.formals[index], -1)
                self.lines.append(Line(0, text(f"{name} = {access}")))
                self._given(index, name)
        return root.signature

    # ------------------------------------------------------------ items
    def block(self, steps: Sequence[int]) -> None:
        """Writes some of the items, in order."""
        position = 0
        while position < len(steps):
            step = steps[position]
            item = self.form.items[step]
            self.enter(item.when, [self.form.items[later] for later in steps[position:]])
            loop = self._loop(steps[position:])
            if loop is not None:
                self._write_loop(loop, step)
                position += loop.length
                continue
            self.step(step)
            position += 1

    def step(self, step: int) -> None:
        """Writes one item."""
        item, code = self.form.items[step], self.codes[step]
        if item.target in ENTERS:
            self.line(self._used(code, step))
            self.indent += 1
        elif item.target in EXITS:
            self.flush()
            self._close_region()
        elif item.target == GUARD:
            if self.guards:
                self.line(self._used(code, step))
        elif item.kind == COLLECT:
            self._collect(step, item)
        elif assignment_code(item) is not None:
            self.line(self._used(code, step))
        else:
            self.value(step, item, code)

    def value(self, step: int, item: Item, code: Code) -> None:
        """Writes an item that computes a value: now, or later where it is used."""
        sign = augmented(item)
        if sign and self._augment(step, item, sign):
            return
        if len(item.results) == 1 and item.results[0][0] == ():
            index = item.results[0][1]
            if item.kind == "join":  # only one side of it is computed
                self.flush()
                if index in self.arms.joined:  # each arm has assigned it
                    self.variables.give(index, self.variable(index, item, None, step), self.last.get(index, step))
                    return
            used = self._used(code, step)
            self.pending.append(Pending(index, item, used, step))
            more = self.last.get(index) == len(self.form.items)  # `return` takes as much as a line does
            wide = used.width > MAX_INLINE + 30 * more or used.depth > MAX_DEPTH + more
            if self.reads[index] != 1 or wide or item.writes:
                self.flush()
            return
        used = self._used(code, step)
        self.flush()
        if not item.results:
            self.lines.append(Line(self.indent, self._named(used)))
            return
        named = self._named(used)
        self.lines.append(Line(self.indent, concat(self._targets(item, step), " = ", named)))

    def _augment(self, step: int, item: Item, sign: str) -> bool:
        """Writes `x += y`; false where the result of writing into something else is read."""
        base, operand = item.args
        origin = origin_of(item)
        is_part = isinstance(base, Local) and base.item  # no other can be put in its place in a tuple
        if is_part or (item.results and origin is None):
            return False
        if origin is not None and any(entry.index == origin for entry in self.pending):
            self.flush()
        code = self._used(term_code(operand, "value"), step)
        self.line(concat(term_code(base), f" {sign} ", code))
        if origin is not None:
            index = item.results[0][1]
            name = self.variables.names[origin]
            self.variables.names[index] = name
            self.variables.until[name] = max(self.variables.until.get(name, -1), self.last.get(index, -1))
        return True

    def _targets(self, item: Item, step: int) -> str:
        """The left side of an assignment to several variables."""
        first = next((part.index for part in item_code(item).locals), None)
        names = {}
        for path, index in item.results:
            variable = self.variable(index, item, None if first is None or len(item.results) > 1 else first, step)
            names[path] = self.variables.give(index, variable, self.last.get(index, step))
        return pattern(names, (), item)

    # ------------------------------------------------------------ values written where they are used
    def _used(self, code: Code, step: int) -> Code:
        """The code with pending values in their places, where that keeps the order in which all is computed."""
        known = {entry.index for entry in self.pending}
        order = [part.index for part in code.locals if part.index in known]
        if not order:
            return code
        tail = self.pending[-len(order) :]
        if [entry.index for entry in tail] == order:
            merged = substituted(code, {entry.index: entry.code for entry in tail})
            if merged.width <= MAX_INLINE + 30 and merged.depth <= MAX_DEPTH + 1:
                del self.pending[-len(order) :]
                return merged
        self.flush()
        return code

    def flush(self) -> None:
        """Assigns the values that are pending."""
        waiting, self.pending = self.pending, []
        for entry in waiting:
            item, first = entry.item, next((part.index for part in entry.code.locals), None)
            given = item.args[0] if item.args else None
            inside = isinstance(given, Local) and given.index not in self.variables.names and item.kind == "function"
            if inside and any("self." in part for part in entry.code.parts if isinstance(part, str)):
                item, first = replace(item, kind="layer"), None  # it passes on what a layer in it returned
            named = self._named(entry.code)
            if self.reads[entry.index] == 0:
                self.lines.append(Line(self.indent, named))
                continue
            name = self.variable(entry.index, item, first, entry.step)
            self.variables.give(entry.index, name, self.last[entry.index])
            self.lines.append(Line(self.indent, concat(f"{name} = ", named)))

    # ------------------------------------------------------------ conditions, regions, loops
    def enter(self, when: Conditions, items: Sequence[Item] = ()) -> None:
        """Closes the blocks whose conditions no longer hold, and opens those of the item that is written next.

        Args:
            when: the conditions under which it runs.
            items: that item, and those that come behind it.
        """
        if when == self.when:
            return
        self.flush()
        shared = common(self.when, when)
        closed: Arg = None
        while self.blocks and self.blocks[-1].end > shared:
            block = self.blocks.pop()
            self.indent -= 1
            start = self.blocks[-1].end if self.blocks else 0
            is_empty = block.line == len(self.lines) - 1
            has_else = not is_empty and not block.is_else and (start, block.end) == (shared, shared + 1)
            closed = self.when[start] if has_else else None
            if is_empty:
                del self.lines[block.line]
        start = self.blocks[-1].end if self.blocks else 0
        for end in blocks(items, start) if when else ():
            is_else = closed is not None and end == start + 1 and is_opposite(closed, when[start])
            test = text("else:") if is_else else concat("if ", truth(conjunction(when[start:end])), ":")
            test = self._named(test)
            self.blocks.append(Block(end, len(self.lines), is_else))
            self.lines.append(Line(self.indent, test))
            self.indent += 1
            start, closed = end, None
        self.when = when

    def pause(self) -> bool:
        """Ends what is begun, so that other lines may follow; false inside of a region, which cannot be ended."""
        self.enter(())
        self.flush()
        return not self.indent

    def _close_region(self) -> None:
        self.indent -= 1
        if self.lines and self.lines[-1].code.parts[:1] and self.lines[-1].indent == self.indent:
            del self.lines[-1]  # nothing ran in it

    def _loop(self, steps: Sequence[int]) -> Loop | None:
        if self.form.items[steps[0]].kind != "module" or self.is_placed(steps[0]):
            return None
        return find_loop([self.form.items[step] for step in steps], self.reads)

    def is_placed(self, step: int) -> bool:
        """Whether an item is computed only when it is asked for."""
        return False

    def _collect(self, step: int, item: Item) -> None:
        """Writes a loop that gathers in a list what the modules of a container return."""
        assert item.container is not None  # an item of this kind has one
        index, container = item.results[0][1], item.container[0]
        self.variables.hold(map(term_code, item.args[1:]), step + 1)
        self.line(concat(name := self.variables.fresh(item.hint, step), " = ", term_code(item.args[0])))
        self.variables.give(index, name, self.last.get(index, step))
        element = self.variables.fresh("layer" if "layer" in container else "block", step)
        self.line(text(f"for {element} in {container}:"))
        made = item_code(replace(item, kind="function", args=(Local(index), *item.args[1:])))
        self.lines.append(Line(self.indent + 1, self._named(concat(f"{name}.append({element}(", made, "))"))))

    def _write_loop(self, loop: Loop, step: int) -> None:
        self.flush()
        source = term_code(loop.first)
        first = loop.first.index if isinstance(loop.first, Local) else None
        end = step + loop.length - 1
        constant = [term_code(arg) for place, arg in enumerate(loop.item.args) if place != loop.position]
        self.variables.hold(constant, end + 1)
        name = self.variable(loop.result, loop.item, first, end)
        before = self._named(source)
        if before.parts != (name,):
            self.lines.append(Line(self.indent, concat(f"{name} = ", before)))
        others = [self._named(term_code(arg)) for arg in loop.item.args]
        element = self.variables.fresh("layer" if "layer" in loop.container else "block", end)
        arguments = [text(name) if place == loop.position else other for place, other in enumerate(others)]
        plan = [text("plan")] if loop.item.plan else []
        self.lines.append(Line(self.indent, text(f"for {element} in {loop.container}:")))
        self.lines.append(Line(self.indent + 1, concat(f"{name} = ", call(element, arguments + plan))))
        self.variables.give(loop.result, name, self.last.get(loop.result, end))
