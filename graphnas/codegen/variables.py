"""What the variables of a `forward` are called."""

from __future__ import annotations

import builtins
import keyword
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from graphnas.codegen.code import Code, Local
from graphnas.codegen.form import ALIAS, Form, Item
from graphnas.codegen.literals import as_name
from graphnas.ir.source import Target

_RESERVED = frozenset(
    {
        *("self", "torch", "nn", "F", "math", "operator", "plan", "runtime", "_guard", "_unpack"),
        *(*keyword.kwlist, *dir(builtins)),
    }
)
_CHAIN = ("x", "out", "y")  # what the value that passes from layer to layer is called


@dataclass
class Variables:
    """The variables of one call.

    Attributes:
        names: number of a value → its name.
        until: name → the last step that reads a value so called.
        chained: names of values that layers or modules returned, or that the call was given as `x`.
        spare: those of them that were taken since the better ones were in use.
        branched: numbers of the values that several layers and modules are given.
        called: number of a value → what the user's code calls it.
    """

    names: dict[int, str] = field(default_factory=dict)
    until: dict[str, int] = field(default_factory=dict)
    chained: set[str] = field(default_factory=set)
    spare: set[str] = field(default_factory=set)
    branched: frozenset[int] = frozenset()
    called: Mapping[int, str] = field(default_factory=dict)

    def give(self, index: int, name: str, until: int) -> str:
        """Calls a value so until a step has run."""
        self.names[index] = name
        self.until[name] = until
        return name

    def hold(self, codes: Iterable[Code], until: int) -> None:
        """Lets the values that codes read keep their names until a step has run: each round of a loop reads them."""
        for name in {self.names[part.index] for code in codes for part in code.locals if part.index in self.names}:
            self.until[name] = max(self.until.get(name, -1), until)

    def is_free(self, name: str, step: int) -> bool:
        """Whether nobody after `step` needs what is called so."""
        return name not in _RESERVED and self.until.get(name, -1) <= step

    def fresh(self, hint: str, step: int) -> str:
        """A name that is free after `step`, as close to the hint as can be."""
        number, name = 0, hint
        while not self.is_free(name, step):
            number += 1
            name = f"{hint}_{number}"
        return name

    def choose(self, item: Item, index: int, first: int | None, step: int) -> str:
        """A name for the result of an item.

        It is called as in the user's code if that name is free. Else the value that passes from layer to layer keeps
        its name, as a person would write it; what a function makes of a variable that nobody needs any more takes that
        variable.

        Args:
            item: what computes the value.
            index: the number of the value.
            first: the number of the first value that it reads, if any.
            step: when.
        """
        if item.target == "torch.Tensor.__bool__":  # a decision is not called like the data that it is about
            return self.fresh(as_name(item.hint or "decision"), step)
        layered = item.kind in ("layer", "module", ALIAS)
        called = self.called.get(index, "")
        if called and self.is_free(called, step):
            self.chained |= {called} if layered else set()
            return called
        if item.target == "torch.Tensor.size":  # nor is a shape called like what has it
            return self.fresh(as_name(item.hint), step)
        old = self.names.get(first) if first is not None else None
        keeps = old is not None and self.is_free(old, step) and (not layered or old in self.chained)
        if keeps and old is not None and (not layered or old not in self.spare):
            return old
        given = item.args[0] if item.args else None
        is_branch = layered and item.hint and isinstance(given, Local) and given.index in self.branched
        if layered and not is_branch:
            for name in _CHAIN[:2]:
                if self.is_free(name, step):
                    self.chained.add(name)
                    return name
        if keeps and old is not None:
            return old
        name = self.fresh(as_name(item.hint or "x"), step)
        if layered:
            self.chained.add(name)
            self.spare.add(name)
        return name


def called(form: Form, reads: Mapping[int, int]) -> dict[int, str]:
    """The values that the user's code has names for; one that is only a step to or from such a value is called so.

    Args:
        form: of the call.
        reads: how often each value is read.
    """
    found: dict[int, str] = {}
    steps: list[tuple[int, int]] = []  # a value that one function makes of another, which nobody else reads
    for item in form.items:
        for path, index in item.results:
            name = _part(item.called, path)
            if isinstance(name, str) and name.strip("_"):
                found[index] = f"{name}_" if name in _RESERVED else name
        given = item.args[0] if item.args and item.kind == "function" and len(item.results) == 1 else None
        if isinstance(given, Local) and not given.item and reads.get(given.index) == 1:
            steps.append((given.index, item.results[0][1]))
    for before, after in reversed(steps):
        if after in found:
            found.setdefault(before, found[after])
    for before, after in steps:
        if before in found:
            found.setdefault(after, found[before])
    return found


def _part(target: Target, path: tuple[int | str, ...]) -> Target:
    for place in path:
        if isinstance(target, str):  # the user has a name for all of it
            target = f"{target}_{place}" if target.strip("_") else ""
        else:
            target = target[place] if isinstance(place, int) and place < len(target) else ""
    return target


def branched(form: Form) -> frozenset[int]:
    """The values that several layers and modules are given: what these return is called after them."""
    calls = [item for item in form.items if item.kind in ("layer", "module") and item.args]
    read = Counter(item.args[0].index for item in calls if isinstance(item.args[0], Local) and not item.args[0].item)
    return frozenset(index for index, count in read.items() if count > 1)


def pattern(names: dict[tuple[int | str, ...], str], prefix: tuple[int | str, ...], item: Item) -> str:
    """`a, (b, _)` for the results that are wanted."""
    if prefix in names:
        return names[prefix]
    below = [path for path in names if path[: len(prefix)] == prefix]
    if not below:
        return "_"
    top = max(int(path[len(prefix)]) for path in below)
    parts = [pattern(names, (*prefix, place), item) for place in range(top + 1)]
    if item.kind != "module":
        parts += ["_"] * (item.count - len(parts)) if item.count else ["*_"]
    inside = ", ".join(parts) + ("," if len(parts) == 1 else "")
    return f"({inside})" if prefix else inside
