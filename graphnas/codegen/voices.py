"""The `forward` of one class for variants of a call: the lines of each, written so that as many as can be are equal."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any, TypeAlias

from graphnas.codegen.alignment import Column, aligned
from graphnas.codegen.body import Writer
from graphnas.codegen.code import Code, Local
from graphnas.codegen.expressions import term_code
from graphnas.codegen.form import Form, Item, Literal
from graphnas.codegen.instance import structure
from graphnas.codegen.lines import Line, Passage, literals
from graphnas.codegen.variables import Variables
from graphnas.ir.choice import Apply
from graphnas.ir.frozen import FrozenDict
from graphnas.ir.node import Arg, List, Size, Slice

# A value of the variants: the column that computes it and the part of the result, or -1 and a parameter's place.
Key: TypeAlias = tuple[int, tuple[int | str, ...]]


def steps(form: Form) -> list[Hashable]:
    """What each item of a form does, values and literals aside."""
    return [_step(item) for item in form.items]


def _step(item: Item) -> Hashable:
    terms = item.args, item.kwargs, item.when
    results = tuple([path for path, _ in item.results])
    kind = "call" if item.kind in ("layer", "module") else item.kind
    return kind, item.target, _bare(terms), results, item.plan, item.options, item.take, item.merge


def _bare(tree: Any) -> Any:
    """A term without the values and literals in it."""
    match tree:
        case Local(item=item):
            return "value", item
        case Literal(text=text):
            return text if text in ("None", "...") else "literal"
        case tuple():
            return tuple(map(_bare, tree))
        case FrozenDict():
            return tuple([(key, _bare(value)) for key, value in tree.items()])
        case Apply(fn=fn, args=args):
            return fn, _bare(args)
        case List(items=items):
            return "list", _bare(items)
        case Size(of=of, dim=dim):
            return "size", _bare(of), dim
        case Slice(start=start, stop=stop, step=step):
            return "slice", _bare((start, stop, step))
    return tree


def marked(form: Form) -> Form:
    """The form with its literals numbered: two texts of it tell which literal stands where."""
    numbers = count()
    items = [
        replace(
            item, args=_numbered(item.args, numbers), kwargs=_numbered(item.kwargs, numbers),
            when=_numbered(item.when, numbers),
        )
        for item in form.items
    ]  # fmt: skip
    return replace(form, items=tuple(items), result=_numbered(form.result, numbers))


def _numbered(tree: Arg, numbers: Any) -> Any:
    match tree:
        case Literal(text=text):
            return Literal(text, next(numbers))
        case tuple():
            return tuple([_numbered(item, numbers) for item in tree])
        case FrozenDict():
            return FrozenDict({key: _numbered(value, numbers) for key, value in tree.items()})
        case Apply(fn=fn, args=args):
            return Apply(fn, _numbered(args, numbers))
        case List(items=items):
            return List(_numbered(items, numbers))
        case Size(of=of, dim=dim):
            return Size(_numbered(of, numbers), dim)
        case Slice(start=start, stop=stop, step=step):
            return Slice(*_numbered((start, stop, step), numbers))
    return tree


# ---------------------------------------------------------------- names
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

    def __init__(self, agreement: Agreement, variant: int) -> None:
        super().__init__()
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


# ---------------------------------------------------------------- lines
def harmonized(forms: Sequence[Form], guards: bool) -> tuple[tuple[str, ...], list[Passage]] | None:
    """The parameters and the lines of all variants; None where they cannot stand in one `forward`.

    The lines of a variant, read alone, are a `forward` of its form.

    Args:
        forms: marked.
        guards: whether the file checks the conditions under which the graph was traced.
    """
    if any(form.root or form.plan or form.asked or form.later for form in forms):
        return None
    columns = aligned([steps(form) for form in forms])
    voices = [Writer(form, guards) for form in forms]
    agreement = Agreement()
    for form, voice in zip(forms, voices, strict=True):
        agreement.add(form, voice.last, columns)
    _agree(agreement, voices, columns)
    for variant, voice in enumerate(voices):
        voice.variables = Shared(agreement, variant)
    parameters = [voice.parameters() for voice in voices]
    if len({*parameters}) > 1:
        return None
    passages: list[Passage] = []
    start = 0
    while start < len(columns):
        variants = columns[start].keys()
        end = start
        while end < len(columns) and columns[end].keys() == variants:
            end += 1
        written: dict[int, tuple[Line, ...]] = {}
        is_last = end == len(columns) and len(variants) == len(forms)
        for variant in variants:
            voice = voices[variant]
            before = len(voice.lines)
            voice.block([column[variant] for column in columns[start:end]])
            if is_last:
                voice.finish()
            elif not voice.pause():
                return None
            written[variant] = tuple(voice.lines[before:])
        passages += _passages(written)
        start = end
    if not columns or len(variants) < len(forms):
        written = {}
        for variant, voice in enumerate(voices):
            before = len(voice.lines)
            voice.finish()
            written[variant] = tuple(voice.lines[before:])
        passages += _passages(written)
    return parameters[0], passages


def _agree(agreement: Agreement, voices: Sequence[Writer], columns: Sequence[Column]) -> None:
    """Lets the variants assign the same values, and call by one name what they read in one place."""
    for column in columns:
        if len(column) > 1:
            agreement.join([(variant, voices[variant].codes[step]) for variant, step in column.items()])
        results = [voices[variant].form.items[step].results for variant, step in column.items()]
        for row in zip(*results, strict=True):
            most = max(voices[variant].reads[index] for variant, (_, index) in zip(column, row, strict=True))
            for (variant, step), (_, index) in zip(column.items(), row, strict=True):
                voices[variant].reads[index] = most
                voices[variant].last.setdefault(index, step)
    agreement.join([(variant, term_code(voice.form.result)) for variant, voice in enumerate(voices)])


def _passages(written: dict[int, tuple[Line, ...]]) -> list[Passage]:
    """Equal lines of several variants as one passage."""
    groups: dict[Hashable, list[int]] = {}
    for variant, lines in written.items():
        if lines:
            key = tuple([(line.indent, *structure(line.code.parts)) for line in lines])
            groups.setdefault(key, []).append(variant)
    return [
        Passage(written[group[0]], {variant: literals(written[variant]) for variant in group})
        for group in groups.values()
    ]
