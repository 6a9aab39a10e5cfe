"""Names for what a rule adds, beside the names that a graph has."""

from __future__ import annotations

import itertools
import re

from graphnas.ir.graph import Graph

CHOICE = "choice"  # what the node is called that a rule puts beside a site
INPUT = "input"  # what the choice is called that a site reads


def suffixed(name: str, suffix: str) -> str:
    """The name with a suffix before its trailing `@k`."""
    stem, mark, call = name.rpartition("@")
    return f"{stem}{suffix}@{call}" if mark and call.isdecimal() else f"{name}{suffix}"


def is_beside(found: str, name: str, suffix: str) -> bool:
    """Whether `found` is a name that `Names.beside` gives for a name and a suffix."""
    pattern = suffixed(re.escape(name), rf"_{suffix}(_\d+)?")
    return re.fullmatch(pattern, found) is not None


class Names:
    """The names that are taken, of nodes, inputs and state alike; every name given out is taken from then on."""

    def __init__(self, graph: Graph) -> None:
        self.taken = {*graph.by_name, *graph.entries, *(given.name for given in graph.inputs)}

    def beside(self, name: str, suffix: str) -> str:
        """`<name>_<suffix>`, before a trailing `@k`; with a number behind it where that is taken."""
        for number in itertools.count():
            found = suffixed(name, f"_{suffix}_{number}" if number else f"_{suffix}")
            if found not in self.taken:
                self.taken.add(found)
                return found
        raise AssertionError("counting never ends")
