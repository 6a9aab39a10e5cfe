"""How many numbers the parameters of a child hold, row by row of the module table."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

from graphnas.analysis.diagrams import Diagram, Diagrams
from graphnas.analysis.meta import first_line, layer
from graphnas.analysis.rows import Rows
from graphnas.errors import GraphError
from graphnas.ir.choice import Option, choices_in
from graphnas.ir.closing import close
from graphnas.ir.frozen import FrozenDict
from graphnas.ir.graph import Graph
from graphnas.ir.modules import owner
from graphnas.ir.node import Arg, Entry


class Parameters:
    """How many numbers each row of the module table holds, where the child has it."""

    def __init__(self, space: Graph, diagrams: Diagrams) -> None:
        self._space = space
        self._diagrams = diagrams
        self._stays = Rows(space, diagrams).stays
        self._ties = {entry.path: entry for entry in space.modules if entry.kind == "parameter" and entry.same_as}
        self._held: dict[str, Diagram] = {}  # first name of what is shared → whether the rows so far hold it

    def counts(self) -> Iterator[Diagram]:
        """The number for every row of a layer or parameter."""
        for entry in self._space.modules:
            if entry.kind == "layer":
                yield self._once(entry, self._stays[entry.path], self._stays[entry.path], self._of_layer(entry))
            elif entry.kind == "parameter" and entry.same_as:
                yield self._of_tie(entry)
            elif entry.kind == "parameter":
                yield self._once(entry, self._stays[entry.path], self._stays[entry.path], self._size(entry.path))

    def _of_tie(self, entry: Entry) -> Diagram:
        """Of a layer's parameter only the tie may end: the layer then has one of its own."""
        make = self._diagrams
        parent = entry.path.rpartition(".")[0]
        around = owner(self._space.entries, parent)
        held = self._stays[around.path] if around is not None else make.true
        tied = make.both(held, self._stays[entry.path])
        there = held if around is not None and around.kind == "layer" else tied
        return self._once(entry, there, tied, self._size(entry.path))

    def _once(self, entry: Entry, there: Diagram, tied: Diagram, size: Diagram) -> Diagram:
        """The size of what an entry names, unless an entry before it that is tied to it counts already."""
        make = self._diagrams
        first = entry.same_as or entry.path
        before = self._held.get(first) or self._first(first) if entry.same_as else make.false
        self._held[first] = make.either(before, tied)
        counts = make.both(there, make.negation(make.both(tied, before)))
        return make.choose(counts, size, make.zero)

    def _first(self, path: str) -> Diagram:
        """Whether there is the first name of a tensor that has no row of its own."""
        around = owner(self._space.entries, path)
        return self._stays[around.path] if around is not None else self._diagrams.false

    def _of_layer(self, entry: Entry) -> Diagram:
        """What a layer holds, without those of its parameters that are tied to earlier ones."""
        tied = [path for path in self._ties if path.startswith(f"{entry.path}.")]
        sizes = self._sizes(entry)
        return self._diagrams.combine(
            lambda found: sum(size for name, size in found.items() if f"{entry.path}.{name}" not in tied), sizes
        )

    def _size(self, path: str) -> Diagram:
        """How many numbers the parameter at a path has."""
        entry = self._space.entries.get(path)
        if entry is not None and entry.kind == "parameter" and "shape" in entry.config:
            return self._of_config(entry, lambda config: math.prod(config["shape"]))
        around = owner(self._space.entries, path.rpartition(".")[0])
        if around is None or around.kind != "layer":
            assert entry is not None  # `verify` has found what it is tied to
            return self._size(entry.same_as)
        name = path[len(around.path) + 1 :]
        return self._diagrams.combine(lambda found: found[name], self._sizes(around))

    def _sizes(self, entry: Entry) -> Diagram:
        """The sizes of a layer's parameters, by name."""
        return self._of_config(entry, lambda config: _layer_sizes(entry, config))

    def _of_config(self, entry: Entry, function: Callable[[FrozenDict[str, Arg]], Any]) -> Diagram:
        make = self._diagrams
        choices = tuple(dict.fromkeys(choices_in(entry.config)))

        def value(*options: Option) -> Any:
            decided = {choice.label: option for choice, option in zip(choices, options, strict=True)}
            return function(close(entry.config, decided))

        return make.combine(value, *[make.of(choice, lambda option: option) for choice in choices])


def _layer_sizes(entry: Entry, config: FrozenDict[str, Arg]) -> FrozenDict[str, int]:
    try:
        module = layer(entry.type, config)
    except Exception as error:  # whatever somebody's module raises
        raise GraphError(
            f"the parameters of {entry.path!r} are not known: {entry.type} cannot be built, {first_line(error)}\n"
            f"  at the module {entry.path!r}. Give it a constructor that works without data, or trace into it."
        ) from error
    return FrozenDict({name: parameter.numel() for name, parameter in module.named_parameters()})
