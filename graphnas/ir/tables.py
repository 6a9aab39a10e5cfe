"""The table of choices that notebooks and pages show."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from graphnas.ir.markup import Markup, element, plain

if TYPE_CHECKING:
    from graphnas.ir.choice import Arch, Choice

LEFT = "text-align:left"


def choices(rows: Iterable[Choice], arch: Arch | None = None) -> Markup:
    """Label, options, default and how many are taken of each choice; with an architecture also what it decides.

    Args:
        rows: the choices.
        arch: decisions; a choice without one is not live.
    """
    columns = ["label", "options", "default", "take", *(() if arch is None else ("chosen",))]
    head = element("tr", *(element("th", plain(column), style=LEFT) for column in columns))
    body = (element("tr", *_cells(choice, arch)) for choice in rows)
    return element("table", element("thead", head), element("tbody", *body))


def _cells(choice: Choice, arch: Arch | None) -> Iterable[Markup]:
    texts = [choice.label, _listed(choice), repr(choice.default), choice.manner.removesuffix(" of")]
    if arch is not None:
        texts.append(repr(arch[choice.label]) if choice.label in arch else "–")
    return (element("td", plain(text), style=LEFT) for text in texts)


def _listed(choice: Choice) -> str:
    return ", ".join(map(repr, choice.options))
