"""One class for modules that differ in parts: what all variants share, and what only some have."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass

from graphnas.codegen.alignment import aligned
from graphnas.codegen.blocks import ITEMS, Block, Flag, find_flags
from graphnas.codegen.body import Writer
from graphnas.codegen.code import Code, Listing, listing, text
from graphnas.codegen.instance import Instance, holes, structure
from graphnas.codegen.lines import Line, Passage, literals
from graphnas.codegen.voices import harmonized, marked


@dataclass(frozen=True, slots=True)
class Template:
    """The text of a class whose instances are of several variants.

    Attributes:
        count: how many variants there are.
        init: the blocks of its `__init__`.
        bodies: the parameters and blocks of each `forward`.
        places: variant → the places in the text of its literals.
        size: how many places for literals there are.
        body: the first place in a `forward`.
        flags: the sets of variants that tests tell apart.
    """

    count: int
    init: tuple[Block, ...]
    bodies: tuple[tuple[tuple[str, ...], tuple[Block, ...]], ...]
    places: tuple[tuple[int, ...], ...]
    size: int
    body: int
    flags: tuple[Flag, ...]

    def blocks(self) -> Iterator[Block]:
        """All blocks in order."""
        yield from self.init
        for _, blocks in self.bodies:
            yield from blocks

    def tests(self) -> int:
        """How many branches are guarded by a test."""
        return sum(len(block.branches) - block.is_total for block in self.blocks())

    def length(self) -> int:
        """How many lines it takes, about."""
        return sum(len(branch.lines) + (not block.is_common) for block in self.blocks() for branch in block.branches)


def template(instances: Sequence[Instance], guards: bool) -> Template | None:
    """The class of instances of several variants, one each; None where they cannot share one."""
    if len({(len(instance.forms), instance.forwards) for instance in instances}) > 1:
        return None
    init = _constructor(instances)
    starts = [instance.body for instance in instances]
    bodies: list[tuple[tuple[str, ...], list[Passage]]] = []
    for number in range(len(instances[0].forms)):
        forms = [marked(instance.forms[number]) for instance in instances]
        found = harmonized(forms, guards)
        if found is None:
            return None
        alone = [Writer(form, guards).body().lines for form in forms]
        if any(not _same(own, one.bodies[number].lines) for own, one in zip(alone, instances, strict=True)):
            return None  # its text depends on its literals, as that of `x if a == 1 else y` may
        orders = [literals(lines) for lines in alone]
        bodies.append((found.parameters, [_moved(passage, orders, starts) for passage in found.passages]))
        starts = [start + len(order) for start, order in zip(starts, orders, strict=True)]
    blocks = _blocks(init, len(instances))
    written = [(parameters, _blocks(passages, len(instances))) for parameters, passages in bodies]
    places: list[dict[int, int]] = [{} for _ in instances]
    body = size = _place(blocks, places, 0)
    for _, found_blocks in written:
        size = _place(found_blocks, places, size)
    if any(sorted(own) != list(range(start)) for own, start in zip(places, starts, strict=True)):
        return None
    whole = [branch for found in (blocks, *(row for _, row in written)) for block in found for branch in block.branches]
    if starts != [sum(len(branch.literals.get(one, ())) for branch in whole) for one in range(len(instances))]:
        return None  # a condition that has a literal is written repeatedly
    ordered = tuple(tuple([own[place] for place in range(len(own))]) for own in places)
    flags = find_flags(blocks, [found for _, found in written], len(instances))
    return Template(len(instances), blocks, tuple(written), ordered, size, body, flags)


def _same(marked_lines: Sequence[Line], lines: Sequence[Line]) -> bool:
    """Whether the lines are the same, literals aside."""
    first, second = ([(line.indent, *structure(line.code.parts)) for line in own] for own in (marked_lines, lines))
    return first == second


def _moved(passage: Passage, orders: Sequence[Sequence[int]], starts: Sequence[int]) -> Passage:
    """The passage with the literals of a body numbered as the instance counts them."""
    moved = {
        variant: tuple([starts[variant] + orders[variant].index(number) for number in numbers])
        for variant, numbers in passage.literals.items()
    }
    return Passage(passage.lines, moved)


def _place(blocks: Sequence[Block], places: list[dict[int, int]], start: int) -> int:
    """Gives each literal of a text its place; the place after the last one."""
    for block in blocks:
        for branch in block.branches:
            count = 0
            for variant, numbers in branch.literals.items():
                count = len(numbers)
                places[variant] |= {number: start + offset for offset, number in enumerate(numbers)}
            start += count
    return start


def _blocks(passages: Sequence[Passage], count: int) -> tuple[Block, ...]:
    """Passages of different variants that follow each other as the branches of one block."""
    blocks: list[Block] = []
    waiting: list[Passage] = []
    for passage in [*passages, None]:
        known = {variant for branch in waiting for variant in branch.literals}
        if waiting and (passage is None or known & passage.literals.keys() or len(passage.literals) == count):
            # Behind `else` stand the variants of which there are most.
            waiting.sort(key=lambda branch: len(branch.literals))
            blocks.append(Block(tuple(waiting), len(known) == count))
            waiting = []
        if passage is not None:
            waiting.append(passage)
    return tuple(blocks)


# ---------------------------------------------------------------- constructors
@dataclass(frozen=True, slots=True)
class _Piece:
    """A line of a constructor, or a part of a line that builds a container item by item."""

    key: Hashable
    code: Code
    literals: tuple[int, ...]
    part: str = ""


def _constructor(instances: Sequence[Instance]) -> list[Passage]:
    """The lines of all constructors."""
    gathered = _gathered(instances)
    pieces = [_pieces(instance, gathered) for instance in instances]
    columns = aligned([[piece.key for piece in own] for own in pieces])
    passages: list[Passage] = []
    for column in columns:
        chosen = {variant: pieces[variant][place] for variant, place in column.items()}
        piece = next(iter(chosen.values()))
        numbers = {variant: own.literals for variant, own in chosen.items()}
        last = passages[-1] if passages else None
        if last is None or last.literals.keys() != numbers.keys():
            passages.append(Passage((Line(0, _written(piece)),), numbers))
            continue
        joined = {variant: (*last.literals[variant], *own) for variant, own in numbers.items()}
        more = _continued(last.lines[-1].code, piece)
        lines = (*last.lines, Line(0, _written(piece))) if more is None else (*last.lines[:-1], Line(0, more))
        passages[-1] = Passage(lines, joined)
    return passages


def _gathered(instances: Sequence[Instance]) -> set[str]:
    """The heads of the lines that build containers of which some items are not in all variants."""
    kinds: dict[str, list[list[Hashable]]] = {}
    for instance in instances:
        for code in instance.init:
            if isinstance(code, Listing):
                kinds.setdefault(code.head, []).append([tuple(structure(item.parts)) for item in code.items])
    found = set()
    for head, rows in kinds.items():
        if len({*map(tuple, rows)}) > 1:
            common = sum(len(column) == len(rows) for column in aligned(rows))
            if 2 * common >= min(map(len, rows)):
                found.add(head)
    return found


def _pieces(instance: Instance, gathered: set[str]) -> list[_Piece]:
    pieces: list[_Piece] = []
    number = 0
    for code in instance.init:
        if isinstance(code, Listing) and code.head in gathered:
            pieces.append(_Piece(("open", code.head), text(""), (), "open"))
            for item in code.items:
                count = sum(1 for _ in holes([item]))
                own = tuple(range(number, number + count))
                pieces.append(_Piece((code.head, *structure(item.parts)), item, own, "item"))
                number += count
            star = "" if code.head.endswith("[") else "*"
            head, tail = (code.head, code.tail) if star else (code.head[:-1], code.tail[1:])
            pieces.append(_Piece(("close", code.head), text(f"{head}{star}{ITEMS}{tail}"), (), "close"))
        else:
            count = sum(1 for _ in holes([code]))
            pieces.append(_Piece(tuple(structure(code.parts)), code, tuple(range(number, number + count))))
            number += count
    return pieces


def _written(piece: _Piece) -> Code:
    match piece.part:
        case "open":
            return listing(f"{ITEMS} = [", [], "]")
        case "item" if str(piece.code.parts[0]).startswith("*("):
            return listing(f"{ITEMS} += [", [piece.code], "]")
        case "item":
            return listing(f"{ITEMS}.append(", [piece.code], ")")
    return piece.code


def _continued(code: Code, piece: _Piece) -> Code | None:
    """The line with a further item, where it gathers items."""
    if piece.part != "item" or not isinstance(code, Listing) or not code.head.startswith(ITEMS):
        return None
    head = f"{ITEMS} += [" if code.head.endswith("append(") else code.head
    return listing(head, [*code.items, piece.code], "]")
