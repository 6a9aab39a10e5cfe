"""Architectures of spaces that decide block by block, as the sequences that are published."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from graphnas.errors import ArchError
from graphnas.ir.choice import Option


def chain_label(number: int) -> str:
    """The label of a block's decision."""
    return f"block.{number}"


def chain_arch(numbers: Sequence[int], options: Sequence[str], blocks: int) -> dict[str, Option]:
    """The architecture whose blocks have the options of these numbers.

    Raises:
        ArchError: there are more or fewer numbers than blocks, or a number without an option.
    """
    if len(numbers) != blocks:
        raise ArchError(f"the space has {blocks} blocks, but the architecture decides {len(numbers)}: {numbers!r}")
    for block, number in enumerate(numbers):
        if number not in range(len(options)):
            raise ArchError(
                f"block {block} has no option number {number!r}; options are {', '.join(options)}, from 0 on"
            )
    return {chain_label(block): options[number] for block, number in enumerate(numbers)}


def chain_numbers(arch: Mapping[str, Option], options: Sequence[str], blocks: int) -> tuple[int, ...]:
    """The numbers of the options that an architecture has for the blocks.

    Raises:
        ArchError: it decides nothing for a block, or what is no option.
    """
    numbers = []
    for label in map(chain_label, range(blocks)):
        if label not in arch:
            raise ArchError(f"the architecture decides nothing for {label!r}")
        if arch[label] not in options:
            raise ArchError(f"label {label!r} has no option {arch[label]!r}; options are {', '.join(options)}")
        numbers.append(options.index(arch[label]))  # type: ignore[arg-type]
    return tuple(numbers)
