"""What the values of several variants of a call are called together, so that their lines are equal."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from graphnas.codegen.alignment import Column
from graphnas.codegen.code import Code, Local
from graphnas.codegen.form import ALIAS, Form, Item
from graphnas.codegen.trees import rewritten
from graphnas.codegen.variables import Variables

# A value of the variants: the column that computes it and the part of the result, or -1 and a parameter's place.
Key: TypeAlias = tuple[int, tuple[int | str, ...]]


@dataclass
class Agreement:
    """What the variants' values are called together.

    Attributes:
        keys: variant → number of a value there → the value.
        last: variant → value → the last step that reads it there.
        steps: variant → column → the step there.
        partners: value → the values that the variants read in its place, itself first; they should have one name.
        names: value → its name.
        owners: name → the values that are called so.
        hints: value → what it may be called.
    """

    keys: list[dict[int, Key]] = field(default_factory=list)
    last: list[dict[Key, int]] = field(default_factory=list)
    steps: list[dict[int, int]] = field(default_factory=list)
    partners: dict[Key, set[Key]] = field(default_factory=lambda: defaultdict(set))
    names: dict[Key, str] = field(default_factory=dict)
    owners: dict[str, list[Key]] = field(default_factory=lambda: defaultdict(list))
    hints: dict[Key, str] = field(default_factory=dict)

    def add(self, form: Form, last: dict[int, int], columns: Sequence[Column]) -> None:
        """Takes in a variant."""
        variant = len(self.keys)
        places = {column[variant]: number for number, column in enumerate(columns) if variant in column}
        keys: dict[int, Key] = {index: (-1, (index,)) for index in range(len(form.formals))}
        for step, item in enumerate(form.items):
            found = {index: (places[step], path) for path, index in item.results}
            self.hints |= dict.fromkeys(found.values(), item.hint)
            keys |= found
        self.keys.append(keys)
        self.last.append({key: last.get(index, -1) for index, key in keys.items()})
        self.steps.append({column: step for step, column in places.items()})

    def join(self, codes: Sequence[tuple[int, Code]]) -> None:
        """Makes partners of what variants read in one column."""
        reads = [[self.keys[variant][local.index] for local in code.locals] for variant, code in codes]
        for keys in zip(*reads, strict=True) if len({*map(len, reads)}) == 1 else ():
            if len({*keys}) == 1:
                continue
            group: set[Key] = set().union(*(self.partners[key] or {key} for key in keys))
            for key in group:
                self.partners[key] = group

    def is_free(self, name: str, key: Key) -> bool:
        """Whether no variant needs another value that is called so once a value is computed."""
        group = self.partners.get(key) or {key}
        for last, steps in zip(self.last, self.steps, strict=True):
            for member in group & last.keys():
                step = steps.get(member[0], -1)
                for owner in self.owners[name]:
                    if owner[0] < member[0] and last.get(owner, -1) > step:
                        return False
        return True

    def agreed(self, key: Key) -> str | None:
        """What a value or a partner of it is called."""
        known = (self.names.get(member) for member in (key, *sorted(self.partners.get(key, ()), key=repr)))
        return next((name for name in known if name is not None), None)

    def hint(self, key: Key) -> str:
        """What a value may be called: `conv2` where it stands for the value of either `conv2` or `conv2_wide`."""
        own = self.hints.get(key, "")
        hints = [self.hints.get(member, "") for member in self.partners.get(key, ())]
        return min((hint for hint in hints if hint and own.startswith(f"{hint}_")), key=len, default=own)

    def give(self, key: Key, name: str) -> None:
        """Calls a value so."""
        if self.names.setdefault(key, name) == name and key not in self.owners[name]:
            self.owners[name].append(key)


class Shared(Variables):
    """The variables of one variant, called as in the others where that is possible."""

    def __init__(self, agreement: Agreement, variant: int, own: Variables) -> None:
        super().__init__(branched=own.branched, called=own.called)
        self._agreement, self._keys = agreement, agreement.keys[variant]
        self._asked: Key | None = None

    def choose(self, item: Item, index: int, first: int | None, step: int) -> str:
        """A name for the result of an item."""
        self._asked = self._keys[index]
        name = self._agreement.agreed(self._asked)
        if name is not None and super().is_free(name, step):
            if item.kind in ("layer", "module"):
                self.chained.add(name)
            return name
        return super().choose(replace(item, hint=self._agreement.hint(self._asked)), index, first, step)

    def is_free(self, name: str, step: int) -> bool:
        """Whether nobody needs what is called so, neither here nor in the other variants."""
        return super().is_free(name, step) and (self._asked is None or self._agreement.is_free(name, self._asked))

    def give(self, index: int, name: str, until: int) -> str:
        """Calls a value so until a step has run."""
        self._agreement.give(self._keys[index], name)
        return super().give(index, name, until)


# ---------------------------------------------------------------- second names
def aliased(
    forms: Sequence[Form], columns: Sequence[Column], codes: Sequence[Sequence[Code]], agreement: Agreement
) -> list[Form] | None:
    """The forms with a second name for a value that others have computed anew: `out = x`; None where that is no help.

    Where one variant reads what it was given and another what an optional part made of it, both can read `out`.
    """
    for column in columns:
        reads = {variant: [agreement.keys[variant][part.index] for part in codes[variant][step].locals]
                 for variant, step in column.items()}  # fmt: skip
        if len({*map(len, reads.values())}) > 1:
            continue
        for place in range(len(next(iter(reads.values())))):
            keys = {variant: found[place] for variant, found in reads.items()}
            newest = max(keys.values(), key=lambda key: key[0])
            name = agreement.names.get(newest)
            stale = [variant for variant, key in keys.items()
                     if key[0] < newest[0] and agreement.names.get(key) != name]  # fmt: skip
            held = [(variant, columns[keys[variant][0]][variant]) for variant in stale if keys[variant][0] >= 0]
            if any(forms[variant].items[step].when for variant, step in held):
                continue  # what is not always computed cannot always be named
            if not stale or newest[0] < 0:
                continue
            leader = next(variant for variant, key in keys.items() if key == newest)
            rows = [(row, codes[leader], agreement.keys[leader]) for row in columns if leader in row]
            result = list(forms)
            for variant in stale:
                reading = {row[variant] for row, all_codes, known in rows if variant in row
                           and any(known[part.index] == newest for part in all_codes[row[leader]].locals)}  # fmt: skip
                first = min(step for row, step in ((row, row.get(variant)) for row in columns[newest[0] + 1 :])
                            if step is not None)  # fmt: skip
                result[variant] = _with_alias(forms[variant], first, agreement.keys[variant], keys[variant], reading,
                                              agreement.hints.get(newest, ""))  # fmt: skip
            return result
    return None


def _with_alias(form: Form, first: int, keys: dict[int, Key], old: Key, reading: set[int], hint: str) -> Form:
    index = next(number for number, key in keys.items() if key == old)
    new = Local(form.values)

    def renamed(term: Any) -> Any:
        return replace(term, index=new.index) if isinstance(term, Local) and term.index == index else term

    alias = Item(ALIAS, "", (Local(index),), results=(((), new.index),), hint=hint)
    items = [
        replace(item, args=rewritten(item.args, renamed), kwargs=rewritten(item.kwargs, renamed))
        if step in reading
        else item
        for step, item in enumerate(form.items)
    ]
    return replace(form, items=(*items[:first], alias, *items[first:]), values=form.values + 1)
