"""The shapes of a picture: cards with words, the options of a choice, boxes around what is arranged."""

from __future__ import annotations

import math
from collections.abc import Sequence
from unicodedata import east_asian_width

from graphnas.ir.arrangement import Arrangement, Tile
from graphnas.ir.markup import Markup, element, joined, plain

LETTER, LINE, PAD = 6.65, 18, 8  # a letter's width, a line's height, the room around
BASE = 13  # from the top of a line to where its letters stand
ACCENT = "#e07b1a"  # of choices: it stands out on white and on black
PALE = 0.35

Words = Sequence[tuple[str, bool]]  # pieces of a line, and whether they are bold


def wide(text: str) -> int:
    """The width of a text, even: what is as wide has its middle on a pixel."""
    return 2 * math.ceil(sum(2 if east_asian_width(letter) in "WF" else 1 for letter in text) * LETTER / 2)


def line(x: float, y: float, words: Words, anchor: str = "start") -> Markup:
    """A line of text at the height `y`."""
    parts = (element("tspan", plain(word), font_weight="bold") if bold else plain(word) for word, bold in words)
    return element("text", *parts, x=f"{x:g}", y=f"{y + BASE:g}", text_anchor=anchor)


def moved(x: float, y: float, picture: Markup) -> Markup:
    """A picture elsewhere."""
    return element("g", picture, transform=f"translate({x:g} {y:g})")


def tip(text: str) -> Markup:
    """What shows where the mouse rests."""
    return element("title", plain(text))


def card(
    lines: Sequence[Words],
    reads: Sequence[str],
    gives: Sequence[str],
    about: str,
    chosen: bool = False,
    rounded: int = 3,
    dashed: bool = False,
) -> Tile:
    """Lines of text with an edge around them.

    Args:
        lines: the text.
        reads: the values that flow in, in the middle.
        gives: those that flow out.
        about: what shows where the mouse rests.
        chosen: whether something in it depends on a choice.
        rounded: the radius of its corners.
        dashed: whether its edge is.
    """
    width = 2 * PAD + max(wide("".join(word for word, _ in words)) for words in lines)
    height = LINE * len(lines) + 4
    color = ACCENT if chosen else "currentColor"
    edge = element(
        "rect", width=f"{width:g}", height=height, rx=rounded, fill=color, fill_opacity=0.07, stroke=color,
        stroke_opacity=1 if chosen else 0.5, stroke_dasharray="4 2" if dashed else None,
    )  # fmt: skip
    texts = (line(width / 2, 2 + place * LINE, words, "middle") for place, words in enumerate(lines))
    picture = element("g", tip(about), edge, *texts)
    middle = width / 2
    return Tile(width, height, picture, tuple((name, middle) for name in reads), dict.fromkeys(gives, middle))


def chooser(
    head: str, options: Sequence[str], marks: Sequence[tuple[bool, bool]], about: str, upright: bool
) -> tuple[Tile, list[float]]:
    """A choice: its label and its options, the original one bold, those that are taken filled.

    Args:
        head: the label.
        options: their texts.
        marks: whether each is the original one, and whether it is taken.
        about: what shows where the mouse rests.
        upright: whether the options stand below the label; otherwise they are side by side above it.

    Returns:
        The choice, without lines, and how far from the left the middles of its options are.
    """
    widths = [wide(option) + 2 * PAD for option in options]
    width = max(wide(head) + 2 * PAD, max(widths) if upright else sum(widths))
    height = LINE * (len(options) + 1 if upright else 2)
    x, y = (0, LINE) if upright else ((width - sum(widths)) // 2, 0)
    parts, middles = [], []
    for option, narrow, mark in zip(options, widths, marks, strict=True):
        chip = width if upright else narrow
        parts.append(moved(x, y, _chip(option, chip, *mark)))
        middles.append(x + chip / 2)
        x, y = (x, y + LINE) if upright else (x + chip, y)
    edge = element("rect", width=width, height=height, fill=ACCENT, fill_opacity=0.12, stroke=ACCENT)
    label = line(width / 2, 0 if upright else LINE, [(head, False)], "middle")
    return Tile(width, height, element("g", tip(about), edge, *parts, label)), middles


def _chip(option: str, width: float, original: bool, taken: bool) -> Markup:
    edge = element(
        "rect", width=f"{width:g}", height=LINE, stroke=ACCENT, stroke_opacity=0.6, fill=ACCENT,
        fill_opacity=0.5 if taken else 0,
    )  # fmt: skip
    return element("g", edge, line(width / 2, 0, [(option, original)], "middle"))


def placed(arrangement: Arrangement, tiles: Sequence[Tile]) -> Markup:
    """Arranged tiles with the lines between them."""
    lines = element("path", d=arrangement.lines, fill="none", stroke="currentColor", stroke_opacity=0.55)
    heads = element("path", d=arrangement.heads, fill="currentColor", fill_opacity=0.7)
    pictures = (moved(*corner, tile.picture) for corner, tile in zip(arrangement.corners, tiles, strict=True))
    return element(
        "g", joined(*([lines] if arrangement.lines else []), *([heads] if arrangement.heads else []), *pictures)
    )


def box(arrangement: Arrangement, tiles: Sequence[Tile], title: Words = (), about: str = "") -> Tile:
    """An edge around arranged tiles.

    Args:
        arrangement: where they are.
        tiles: what is arranged.
        title: stands in the upper edge beside the lines that enter. A choice has none, since its label is inside.
        about: what shows where the mouse rests on the edge.
    """
    width = arrangement.width + 2 * PAD
    top = LINE + 2 if title else 0
    entries = {value: x + PAD for value, x in arrangement.entries.items()}
    left, width = _beside(wide("".join(word for word, _ in title)), sorted(entries.values()), width)
    height = top + arrangement.height + (0 if arrangement.exits else PAD)
    edge = element(
        "rect", *([tip(about)] if about else []), width=f"{width:g}", height=f"{height:g}", rx=4,
        fill="currentColor" if title else "none", fill_opacity=0.03, stroke="currentColor" if title else ACCENT,
        stroke_opacity=0.3 if title else 0.8, stroke_dasharray=None if title else "3 3",
    )  # fmt: skip
    down = "".join(f"M{x:g} 0v{top}" for x in entries.values()) if top else ""
    lines = [element("path", d=down, stroke="currentColor", stroke_opacity=0.55)] if down else []
    header = [line(left, 1, title)] if title else []
    picture = element("g", edge, *lines, *header, moved(PAD, top, placed(arrangement, tiles)))
    exits = {value: x + PAD for value, x in arrangement.exits.items()}
    return Tile(width, height, picture, tuple(entries.items()), exits, pointed=False)


def _beside(title: float, lines: Sequence[float], width: float) -> tuple[float, float]:
    """Where a title begins so that no line runs through it, and how wide the box must be."""
    if not lines or PAD + title + PAD <= lines[0]:
        return PAD, max(width, title + 2 * PAD)
    return lines[-1] + PAD, max(width, lines[-1] + title + 2 * PAD)
