"""The `forward` of one class for variants of a call: the lines of each, written so that as many as can be are equal."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import Any

from graphnas.codegen.agreement import Agreement, Shared, aliased
from graphnas.codegen.alignment import Column, aligned
from graphnas.codegen.body import Writer
from graphnas.codegen.code import Code, Local
from graphnas.codegen.expressions import term_code
from graphnas.codegen.form import COLLECT, Form, Item, Literal
from graphnas.codegen.instance import structure
from graphnas.codegen.lines import Line, Passage, literals
from graphnas.codegen.trees import rewritten
from graphnas.ir.choice import Apply
from graphnas.ir.frozen import FrozenDict
from graphnas.ir.node import Given, List, Size, Slice

MAX_ALIASES = 3  # values that are given a second name, so that variants can call them alike


def steps(form: Form) -> list[Hashable]:
    """What each item of a form does, values and literals aside."""
    return [_step(item) for item in form.items]


def _step(item: Item) -> Hashable:
    terms = item.args, item.kwargs, item.when
    results = tuple([path for path, _ in item.results])
    kind = "call" if item.kind in ("layer", "module") else item.kind
    container = item.container[0] if item.kind == COLLECT and item.container is not None else ""
    return kind, item.target, container, _bare(terms), results, item.plan, item.options, item.take, item.merge


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
        case Given(of=of):
            return "given", _bare(of)
        case Slice(start=start, stop=stop, step=step):
            return "slice", _bare((start, stop, step))
    return tree


def marked(form: Form) -> Form:
    """The form with its literals numbered: two texts of it tell which literal stands where."""
    numbers = count()

    def numbered(term: Any) -> Any:
        fixed = not isinstance(term, Literal) or term.text in ("None", "...")
        return term if fixed else Literal(term.text, next(numbers))

    items = [
        replace(
            item, args=rewritten(item.args, numbered), kwargs=rewritten(item.kwargs, numbered),
            when=rewritten(item.when, numbered),
        )
        for item in form.items
    ]  # fmt: skip
    return replace(form, items=tuple(items), result=rewritten(form.result, numbered))


# ---------------------------------------------------------------- lines
@dataclass(frozen=True, slots=True)
class Harmony:
    """Variants of a call written together.

    Attributes:
        parameters: of the `forward`, as source.
        passages: the lines of all; those of one variant, read alone, are a `forward` of its form.
        columns: the items of all, side by side.
        codes: variant → what each of its items computes, and its result.
        agreement: what the values are called.
        is_split: variants do the same in one place, in other words.
    """

    parameters: tuple[str, ...]
    passages: tuple[Passage, ...]
    columns: Sequence[Column]
    codes: Sequence[Sequence[Code]]
    agreement: Agreement
    is_split: bool

    @property
    def length(self) -> int:
        """How many lines there are."""
        return sum(len(passage.lines) for passage in self.passages)


def harmonized(forms: Sequence[Form], guards: bool) -> Harmony | None:
    """The variants of a call written together; None where they cannot stand in one `forward`.

    Args:
        forms: marked.
        guards: whether the file checks the conditions under which the graph was traced.
    """
    found = _harmonized(forms, guards)
    for _ in range(MAX_ALIASES):
        if found is None or not found.is_split:
            break
        more = aliased(forms, found.columns, found.codes, found.agreement)
        other = _harmonized(more, guards) if more is not None else None
        if more is None or other is None or (other.length, other.is_split) >= (found.length, found.is_split):
            break
        forms, found = more, other
    return found


def _harmonized(forms: Sequence[Form], guards: bool) -> Harmony | None:
    if any(form.root or form.plan or form.asked or form.later for form in forms):
        return None
    columns = aligned([steps(form) for form in forms])
    voices = [Writer(form, guards) for form in forms]
    agreement = Agreement()
    for form, voice in zip(forms, voices, strict=True):
        agreement.add(form, voice.last, columns)
    _agree(agreement, voices, columns)
    for variant, voice in enumerate(voices):
        voice.variables = Shared(agreement, variant, voice.variables)
    parameters = [voice.parameters() for voice in voices]
    if len({*parameters}) > 1:
        return None
    passages: list[Passage] = []
    is_split = False
    everyone: Sequence[int] = range(len(forms))
    for variants, numbers in [*_segments(columns), (everyone, everyone[:0])]:
        written: dict[int, tuple[Line, ...]] = {}
        for variant in variants:
            voice = voices[variant]
            before = len(voice.lines)
            voice.block([columns[number][variant] for number in numbers])
            if not numbers:
                voice.finish()
            elif (len(variants) < len(forms) or numbers[-1] < len(columns) - 1) and not voice.pause():
                return None
            written[variant] = tuple(voice.lines[before:])
        found = _passages(written)
        is_split |= len(found) > 1
        passages += found
    codes = [[*voice.codes, term_code(voice.form.result)] for voice in voices]
    return Harmony(parameters[0], tuple(passages), columns, codes, agreement, is_split)


def _segments(columns: Sequence[Column]) -> Iterator[tuple[Sequence[int], Sequence[int]]]:
    """Variants, and the columns in a row that just these have."""
    start = 0
    while start < len(columns):
        end = start
        while end < len(columns) and columns[end].keys() == columns[start].keys():
            end += 1
        yield tuple(columns[start]), range(start, end)
        start = end


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
