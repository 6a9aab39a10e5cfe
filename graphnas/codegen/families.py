"""Which modules of one name share a class: those that have most in common."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from typing import TypeAlias

from graphnas.codegen.alignment import likeness
from graphnas.codegen.code import Listing
from graphnas.codegen.instance import Instance, structure
from graphnas.codegen.memory import Memory, Numbers
from graphnas.codegen.template import Template, template
from graphnas.codegen.voices import steps

ALIKE = 0.6  # the share of what two modules do that must be common to both
MAX_TESTS, MAX_FLAGS = 10, 5
_NUMBERS, _PARTS = Numbers(), Numbers()
# The numbers of the kinds of each class, and its text where they are several.
Families: TypeAlias = tuple[tuple[tuple[int, ...], Template | None], ...]
_FAMILIES: Memory[Families] = Memory()


def families(kinds: Sequence[Instance], guards: bool) -> Families:
    """Puts kinds of modules that go by one name into classes.

    Args:
        kinds: one instance of each kind.
        guards: whether the file checks the conditions under which the graph was traced.
    """
    if len(kinds) == 1:
        return (((0,), None),)
    key = guards, *map(number, kinds)
    return _FAMILIES.of(key, (), lambda: tuple(_families(kinds, guards)))


def number(instance: Instance) -> int:
    """A number for all that the text of a class depends on, literals aside."""

    def counted() -> int:
        named = [tuple([(item.hint, item.called) for item in form.items]) for form in instance.forms]
        does = [(form.formals, *steps(form), *hints) for form, hints in zip(instance.forms, named, strict=True)]
        return _NUMBERS.number((instance.skeleton, instance.forwards, *does), ())

    return _PARTS.of(id(instance), (instance,), counted)


def _families(kinds: Sequence[Instance], guards: bool) -> Iterator[tuple[tuple[int, ...], Template | None]]:
    groups: list[list[int]] = []
    sequences = [_sequence(kind) for kind in kinds]
    for place, sequence in enumerate(sequences):
        alike = [max(likeness(sequences[other], sequence) for other in group) for group in groups]
        best = max(range(len(groups)), key=alike.__getitem__, default=-1)
        if best >= 0 and alike[best] >= ALIKE:
            groups[best].append(place)
        else:
            groups.append([place])
    for group in groups:
        yield from _split(group, kinds, guards)


def _split(
    group: list[int], kinds: Sequence[Instance], guards: bool
) -> Iterator[tuple[tuple[int, ...], Template | None]]:
    """The classes of kinds that have much in common: one, or as few as read well."""
    waiting = group
    while waiting:
        taken, found = waiting[:1], None
        whole = _good([kinds[place] for place in waiting], guards)
        if whole is not None:
            taken, found = waiting, whole
        else:
            for place in waiting[1:]:
                larger = _good([kinds[other] for other in (*taken, place)], guards)
                if larger is not None:
                    taken, found = [*taken, place], larger
        yield tuple(taken), found
        waiting = [place for place in waiting if place not in taken]


def _good(kinds: Sequence[Instance], guards: bool) -> Template | None:
    """The class of several kinds, if it is shorter than theirs and not a maze."""
    if len(kinds) < 2:
        return None
    found = template(kinds, guards)
    if found is None or len(found.flags) > MAX_FLAGS or found.tests() > MAX_TESTS:
        return None
    apart = sum(len(kind.init) + sum(len(body.lines) + 2 for body in kind.bodies) + 5 for kind in kinds)
    return found if found.length() + len(found.flags) + 5 < apart else None


def _sequence(kind: Instance) -> list[Hashable]:
    """What a module builds and does, step by step."""
    found: list[Hashable] = []
    for code in kind.init:
        if isinstance(code, Listing):
            found += [code.head, *(tuple(structure(item.parts)) for item in code.items)]
        else:
            found.append(tuple(structure(code.parts)))
    for form in kind.forms:
        found += steps(form)
    return found
