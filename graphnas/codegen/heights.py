"""In which order classes are written: what a class builds comes before it."""

from __future__ import annotations

from collections.abc import Sequence

from graphnas.codegen.table import Table
from graphnas.ir.node import Entry


def heights(table: Table, rows: Sequence[Entry]) -> dict[str, int]:
    """Of each module how many levels of modules are below it, or below another of its class: they have one level."""
    children = {row.path: [child.path for child in table.children[row.path] if child.kind == "module"] for row in rows}
    named = {row.path: row.path if table.is_plain(row) else table.class_name(row) + "." for row in rows}
    below: dict[str, set[str]] = {}
    for path, name in named.items():
        below.setdefault(name, set()).update(named.get(child, child) for child in children[path])
    by_class = _levels(below)
    if by_class is not None:
        return {path: by_class[name] for path, name in named.items()}
    by_path = _levels({path: set(held) for path, held in children.items()})
    assert by_path is not None  # no module is below itself
    return {path: by_path[path] for path in named}


def _levels(below: dict[str, set[str]]) -> dict[str, int] | None:
    """The length of the longest way down from each; None where one leads back to itself."""
    found: dict[str, int] = {}
    entered: set[str] = set()

    def level(name: str) -> int | None:
        if name in found:
            return found[name]
        if name in entered:
            return None
        entered.add(name)
        inner = [level(other) for other in below.get(name, ())]
        if None in inner:
            return None
        found[name] = 1 + max((one for one in inner if one is not None), default=0)
        return found[name]

    return found if all(level(name) is not None for name in below) else None
