"""Lines that only some instances of a class run: how they are told apart, and how that is written."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from graphnas.codegen.code import Construction, Hole
from graphnas.codegen.lines import Passage
from graphnas.codegen.literals import as_name, is_identifier
from graphnas.codegen.wrapping import WIDTH

ITEMS = "layers"  # the list in which a constructor gathers what a container holds
Written: TypeAlias = list[tuple[int, str]]  # lines with their indentation, in steps
_SET = re.compile(r"self\.(\w+) = ")
_CALLED = re.compile(r"self\.(\w+)\(|(?:F|torch)\.(\w+)\(|\.(\w+)\(")
_MADE = re.compile(r"(?:^|[\[(* ])nn\.(\w+)\(")
_REGISTERED = re.compile(r'self\.\w+\("(\w+)"')
_WORDS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_SUM = re.compile(r" \+=? ")


@dataclass(frozen=True, slots=True)
class Block:
    """Lines of which each variant has those of one branch, or none.

    Attributes:
        branches: passages of variants that are told apart.
        is_total: every variant has one; the last needs no test.
    """

    branches: tuple[Passage, ...]
    is_total: bool

    @property
    def is_common(self) -> bool:
        """Whether all variants have the same lines there."""
        return self.is_total and len(self.branches) == 1


@dataclass(frozen=True, slots=True)
class Flag:
    """A set of variants that have what others lack.

    Attributes:
        variants: the set.
        hints: what an argument that says so may be called, best first; a number stands for the name of a class.
        attribute: what is None in the others, and can be asked in `forward`; "" where a flag must be kept for that.
        asked: whether a `forward` asks.
    """

    variants: frozenset[int]
    hints: tuple[str | int, ...]
    attribute: str
    asked: bool


def find_flags(init: Sequence[Block], bodies: Iterable[Sequence[Block]], count: int) -> tuple[Flag, ...]:
    """The sets of variants for which the blocks need tests; the others of such a set need none of their own."""
    everyone = frozenset(range(count))
    labels: dict[frozenset[int], list[str | int]] = {}
    asked = set()
    called = [block for blocks in bodies for block in blocks]
    for block in (*init, *called):
        names = [_label(branch) for branch in block.branches]
        if len({*names}) < len(names):
            names = [_made(branch) or name for branch, name in zip(block.branches, names, strict=True)]
        for place, branch in enumerate(block.branches[: -1 if block.is_total else None]):
            variants = frozenset(branch.literals)
            key = everyone - variants if everyone - variants in labels else variants
            others = [name for other, name in enumerate(names) if other != place]
            labels.setdefault(key, [])
            if key == variants:
                labels[key] += [_without_stem(names[place], others), names[place]]
            asked |= {key} if block in called else set()
    alone: dict[frozenset[int], str] = {}
    for block in init:
        if len(block.branches) == 1 and not block.is_total and (name := _attribute(block.branches[0])):
            alone.setdefault(frozenset(block.branches[0].literals), name)
    return tuple(
        Flag(
            key,
            tuple(dict.fromkeys(name for name in names if name != "")) or ("variant",),
            alone.get(key, ""),
            key in asked,
        )
        for key, names in labels.items()
    )


def _attribute(branch: Passage) -> str:
    """The module or parameter that a branch of a constructor registers first, or ""."""
    parts = branch.lines[0].code.parts
    found = _SET.match(str(parts[0]))
    return found[1] if found is not None and parts[0] != f"{found[0]}None" else ""


def _label(branch: Passage) -> str | int:
    """What a branch is about, in a word; or the number of the class of what it builds."""
    for line in branch.lines:
        parts = line.code.parts
        text = "".join(part if isinstance(part, str) else "x" for part in parts)
        if text.startswith("return") or text.endswith(":"):
            continue
        if found := _REGISTERED.match(text):  # in a dict of modules a name may be a number
            return found[1] if is_identifier(found[1]) else as_name(f"layer_{found[1]}")
        if found := _SET.match(text):
            return found[1]
        if text.startswith(ITEMS):
            made = next((part for part in parts if not isinstance(part, str)), None)
            return _made(branch) or (made.hints[0] if isinstance(made, Hole) else "")
        if found := _CALLED.search(text):
            return next(name for name in found.groups() if name)
        if _SUM.search(text):
            return "residual"
    return ""


def _made(branch: Passage) -> str | int:
    """What a branch builds first, in a word; or the number of its class."""
    for part in branch.lines[0].code.parts:
        if isinstance(part, Construction):
            return part.group
        if isinstance(part, str) and (found := _MADE.search(part)):
            return as_name(_WORDS.sub("_", found[1])).lower()
    return ""


def _without_stem(name: str | int, others: Iterable[str | int]) -> str | int:
    """`conv2_wide` beside `conv2` is "wide"."""
    for other in others:
        if other and isinstance(name, str) and name.startswith(f"{other}_"):
            return name[len(str(other)) + 1 :]
    return name


# ---------------------------------------------------------------- text
def constructed(
    block: Block, written: Sequence[Written], test: Callable[[Passage], str], attribute: Callable[[Passage], str]
) -> Iterator[str]:
    """The lines of a block of a constructor.

    Args:
        block: what is told apart.
        written: the lines of each branch.
        test: of a branch.
        attribute: of a branch: what is None where it is not taken, since a `forward` asks for it, or "".
    """
    asked = attribute(block.branches[0]) if len(block.branches) == 1 and not block.is_total else ""
    if asked and written[0][0][1].startswith(f"self.{asked} = "):
        (_, first), *more = written[0]
        head = f"self.{asked} = "
        condition = test(block.branches[0])
        if condition == f"{first[len(head) :]} is not None":
            yield first
            written = [more]
            if not more:
                return
        elif not more and " if " not in first and len(f"{first} if {condition} else None") + 8 <= WIDTH:
            yield f"{first} if {condition} else None"
            return
        else:
            yield f"{head}None"
    yield from told_apart(block, written, test)


def told_apart(block: Block, written: Sequence[Written], test: Callable[[Passage], str]) -> Iterator[str]:
    """The lines of a block under `if`, `elif` and `else`; short alternatives in one line."""
    if block.is_common:
        yield from (f"{'    ' * indent}{line}" for indent, line in written[0])
        return
    if short := _conditional(block, written, test):
        indent = written[0][0][0]
        if len(short) + 4 * indent + 8 <= WIDTH:
            yield f"{'    ' * indent}{short}"
            return
    for place, (branch, lines) in enumerate(zip(block.branches, written, strict=True)):
        is_else = block.is_total and place == len(block.branches) - 1
        yield "else:" if is_else else f"{'elif' if place else 'if'} {test(branch)}:"
        yield from (f"    {'    ' * indent}{line}" for indent, line in lines)


def _conditional(block: Block, written: Sequence[Written], test: Callable[[Passage], str]) -> str:
    """`x = a if test else b` for two branches that do no more than that, else ""."""
    if len(written) != 2 or not block.is_total or any(len(lines) != 1 for lines in written):
        return ""
    (_, yes), (_, no) = written[0][0], written[1][0]
    target, sign, value = yes.partition(" = ")
    if not sign or not re.fullmatch(r"(self\.)?\w+", target) or not no.startswith(f"{target} = "):
        return ""
    if " if " in yes or " if " in no:
        return ""  # a conditional inside of another reads badly
    return f"{target} = {value} if {test(block.branches[0])} else {no[len(target) + 3 :]}"
