"""Names for what a rule adds, beside the names that a graph has."""

from __future__ import annotations

import itertools
import re

from graphnas.ir.graph import Graph

_MARK = re.compile(r"(@\d+)?$")


class Names:
    """The names that are taken, of nodes, inputs and state alike; every name given out is taken from then on."""

    def __init__(self, graph: Graph) -> None:
        self.taken = {*graph.by_name, *graph.entries, *(given.name for given in graph.inputs)}

    def beside(self, name: str, suffix: str) -> str:
        """`<name>_<suffix>`, before a trailing `@k`; with a number behind it where that is taken."""
        stem, mark = _MARK.sub("", name), _MARK.search(name)[0]  # type: ignore[index]  # the pattern matches any text
        for number in itertools.count():
            found = f"{stem}_{suffix}{f'_{number}' if number else ''}{mark}"
            if found not in self.taken:
                self.taken.add(found)
                return found
        raise AssertionError("counting never ends")
