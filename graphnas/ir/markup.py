"""HTML and SVG as text: elements whose texts and attributes are escaped, so that foreign names stay names."""

from __future__ import annotations

from html import escape
from typing import NewType

# Only the functions below make it: whatever else becomes part of an element has to go through `plain`.
Markup = NewType("Markup", str)


def plain(text: str) -> Markup:
    """A text as itself. What cannot be printed, and so has no place in XML, shows as a replacement character."""
    printed = "".join(sign if sign.isprintable() or sign == "\n" else "\N{REPLACEMENT CHARACTER}" for sign in text)
    return Markup(escape(printed))


def element(tag: str, *children: Markup, **attributes: str | float | None) -> Markup:
    """An element, well-formed in HTML and in XML.

    Args:
        tag: its name.
        children: what stands in it, in order.
        attributes: their names with `_` for `-`, and another `_` behind names that are Python's; None leaves one out.
    """
    pairs = ((key.rstrip("_").replace("_", "-"), value) for key, value in attributes.items() if value is not None)
    opening = tag + "".join(f' {key}="{plain(str(value))}"' for key, value in pairs)
    return Markup(f"<{opening}>{''.join(children)}</{tag}>" if children else f"<{opening}/>")


def joined(*parts: Markup) -> Markup:
    """Pieces one after the other, each on a line of its own."""
    return Markup("\n".join(parts))
