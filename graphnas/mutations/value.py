"""The rule `Value`: an argument becomes a choice between its own value and others."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from graphnas.analysis.elastic import bending_choices
from graphnas.analysis.shapes import shape_of, shapes
from graphnas.errors import GraphError, nearest
from graphnas.ir.choice import Apply, Arch, Choice, Expr, Option
from graphnas.ir.frozen import FrozenDict
from graphnas.ir.graph import Graph
from graphnas.ir.node import Arg, Entry, Layer, Node, transform
from graphnas.mutations.arguments import Argument, argument_of, known_arguments, with_argument
from graphnas.mutations.explain import Explanation, Selection, explanation, select
from graphnas.mutations.labels import check_decisions, check_label
from graphnas.mutations.regions import candidates
from graphnas.mutations.selectors import Where
from graphnas.mutations.sites import Site
from graphnas.mutations.where import check_where

# How many combinations of options that change shapes are run before a rule is refused.
COMBINATIONS = 256
SCALARS = (bool, int, float, str, type(None))


@dataclass(frozen=True)
class Value:
    """Lets an argument of a layer's constructor or of a call take other values. Option 0 is the site's own value.

    Args:
        where: which layers and calls; see `graphnas.mutations.where`.
        argument: its name; of a call also its position.
        options: the other values, scalars or tuples of scalars.
        label: of the decision; may hold {node} and {argument}. Without a placeholder all sites share one decision.
        also: further arguments of the same site, as functions of the value: `{"padding": lambda k: k // 2}`. At the
            site's own value they must give what the site has.
    """

    where: Where
    argument: str | int
    options: tuple[Option, ...]
    label: str = "{node}.{argument}"
    also: Mapping[str | int, Callable[[Any], Any]] = field(default_factory=FrozenDict)

    def __post_init__(self) -> None:
        check_where(self.where)
        check_label(self.label, ("node", "argument"))
        if isinstance(self.options, str) or not isinstance(self.options, Iterable):
            raise TypeError(f"options are a tuple of values, but are {self.options!r}")
        object.__setattr__(self, "options", tuple(self.options))
        object.__setattr__(self, "also", FrozenDict(self.also))
        for argument, follows in self.also.items():
            if not callable(follows):
                raise TypeError(
                    f"also[{argument!r}] is a function of the value, as lambda k: k // 2 is, but is {follows!r}"
                )
        if not self.options or not all(map(_is_plain, self.options)):
            raise ValueError(f"options must be numbers, strings, None, or tuples of them, but are {self.options!r}")

    def __call__(self, graph: Graph) -> Graph:
        """The graph with the choices.

        Raises:
            GraphError: nothing matches, `also` does not give what a site has, or an option changes a shape that the
                rest of the network cannot take.
        """
        taken = self._selection(graph).required()
        choose = functools.partial(self._choice, graph)
        check_decisions(graph, taken, choose)
        opened = {site.nodes[0]: choose(site) for site in taken}
        changed = {node.name: node for name, choice in opened.items() for node in self._opened(graph, name, choice)}
        result = replace(
            graph,
            nodes=tuple(changed.get(node.name, node) for node in graph.nodes),
            modules=tuple(_entry(graph, entry, changed.values()) for entry in graph.modules),
        )
        _check_shapes(graph, result, opened)
        return result

    def explain(self, graph: Graph) -> Explanation:
        """The sites that the rule takes, those it passes over and why, and the decisions."""
        return explanation(self, graph, self._selection(graph), self.label, functools.partial(self._choice, graph))

    def _selection(self, graph: Graph) -> Selection:
        found = (site for site in candidates(graph, self.where) if site.kind != "block")
        return select(self.where, found, lambda site: self._unfit(graph, site))

    def _unfit(self, graph: Graph, site: Site) -> str:
        if site.node is None:
            return f"a {site.kind} has no arguments; name what stands in it"
        node = site.node
        for key in (self.argument, *self.also):
            found = argument_of(node, key)
            if found is None:
                return f"{site.type} has no argument {key!r}.{nearest(key, known_arguments(node))}"
            if key == "inplace":
                return "whether it writes in place changes no result, and is no decision"
            if isinstance(found.value, Expr):
                return f"its {key} depends on choices, sizes or the mode already"
        own = self._own(node).value
        if not _is_plain(own):
            return f"its {self.argument} is no number, string or tuple of them but {own!r}"
        return "" if any(option != own for option in self.options) else f"its {self.argument} is {own!r} already"

    def _own(self, node: Node) -> Argument:
        found = argument_of(node, self.argument)
        assert found is not None, "sites without the argument are passed over"
        return found

    def _choice(self, graph: Graph, site: Site) -> Choice:
        own = self._own(graph.node(site.nodes[0])).value
        label = self.label.format(node=site.label, argument=self.argument)
        return Choice(label, tuple(dict.fromkeys((own, *self.options))))

    def _opened(self, graph: Graph, name: str, choice: Choice) -> Iterator[Node]:
        """The node with the choice in place; every call of a layer, which has one constructor."""
        changed = graph.node(name)
        arguments = {self.argument: lambda value: value, **self.also}
        for key, function in arguments.items():
            found = argument_of(changed, key)
            assert found is not None, "sites without the argument are passed over"
            value = _derived(function, choice, f"also[{key!r}] of {changed.where}")
            if _at(value, choice, choice.default) != found.value:
                raise GraphError(
                    f"also[{key!r}] gives {_at(value, choice, choice.default)!r} at the site's own {self.argument} "
                    f"{choice.default!r}, but {changed.where} has {key}={found.value!r}; "
                    "change the function, or leave such sites out by where"
                )
            changed = with_argument(changed, found, value)
        if not isinstance(changed.op, Layer):
            yield changed
            return
        for node in graph.nodes:
            if isinstance(node.op, Layer) and _owner(graph, node.op) == _owner(graph, changed.op):
                yield replace(node, op=replace(node.op, config=changed.op.config))


def _owner(graph: Graph, layer: Layer) -> str:
    """The path that a layer with several names is known by."""
    return graph.entries[layer.path].same_as or layer.path


def _entry(graph: Graph, entry: Entry, changed: Iterable[Node]) -> Entry:
    """The row of the module table, with the config of the layer that it builds."""
    if entry.kind != "layer":
        return entry
    for node in changed:
        if isinstance(node.op, Layer) and _owner(graph, node.op) == (entry.same_as or entry.path):
            was = graph.node(node.name).op
            assert isinstance(was, Layer)
            return replace(entry, config=node.op.config) if entry.config == was.config else entry
    return entry


def _is_plain(value: object) -> bool:
    if type(value) is tuple:
        return all(map(_is_plain, value))
    return isinstance(value, SCALARS) and value == value  # NaN is not


# ---------------------------------------------------------------- values that follow from the chosen one
def _derived(function: Callable[[Any], Any], choice: Choice, what: str) -> Arg:
    """What a function gives for the chosen value: an expression, or where it has none a table of cases."""
    try:
        table = tuple(function(option) for option in choice.options)
    except Exception as error:
        raise GraphError(
            f"{what} cannot be computed for the values {choice.options!r}: {type(error).__name__}: {error}; "
            "it must accept the site's own value and every option"
        ) from error
    try:
        value = function(choice)
    except Exception:  # the function asks more of a value than an expression can answer: an `if`, `int()`, a method
        return _cases(choice, table)
    agrees = all(_at(value, choice, option) == expected for option, expected in zip(choice.options, table, strict=True))
    return value if agrees else _cases(choice, table)


def _cases(choice: Choice, table: tuple[Any, ...]) -> Arg:
    rest = zip(choice.options[:-1], table[:-1], strict=True)
    return functools.reduce(
        lambda value, case: Apply("if", (choice.equals(case[0]), case[1], value)), reversed(list(rest)), table[-1]
    )


def _at(value: Arg, choice: Choice, option: Option) -> Arg:
    return transform(value, lambda leaf: option if leaf == choice else leaf)


# ---------------------------------------------------------------- what must hold afterwards
def _check_shapes(before: Graph, after: Graph, opened: Mapping[str, Choice]) -> None:
    """Every combination of options must run; where none changes a shape, one run an option shows it."""
    choices = {choice.label: (choice, before.node(name).where) for name, choice in opened.items()}
    own = shapes(before)
    longest = max(len(choice.options) for choice, _ in choices.values())
    for position in range(1, longest):
        arch = {label: choice.options[min(position, len(choice.options) - 1)] for label, (choice, _) in choices.items()}
        if not _same(own, after, arch):
            break
    else:
        return
    bending = [choice for choice, where in choices.values() if _bends(own, after, choice, where)]
    bending += [choice for choice in bending_choices(before) if _bends(own, after, choice, "an earlier rule")]
    combinations = math.prod(len(choice.domain) for choice in bending)
    if combinations > COMBINATIONS:
        raise GraphError(
            f"the options change shapes at {len(bending)} decisions, which makes {combinations} combinations, too many "
            f"to see that all of them run; share one label among sites, or keep the shapes by also={{'padding': ...}}"
        )
    for options in itertools.product(*(choice.domain for choice in bending)):
        _runs(after, {choice.label: option for choice, option in zip(bending, options, strict=True)}, "several sites")


def _same(own: Mapping[str, Any], graph: Graph, arch: Arch) -> bool:
    """Whether no shape changes under an architecture."""
    try:
        return shapes(graph, arch) == own
    except GraphError:
        return False


def _bends(own: Mapping[str, Any], graph: Graph, choice: Choice, where: str) -> bool:
    """Whether an option, taken alone, changes any shape; each must run."""
    return any(
        [_runs(graph, {choice.label: option}, where) != own for option in choice.domain]
    )  # every option must run


def _runs(graph: Graph, arch: Arch, where: str) -> Mapping[str, Any]:
    remedy = "Tie what must change with it at the same site by also=, or leave the option out"
    decided = ", ".join(f"{label}={option!r}" for label, option in arch.items())
    try:
        found = shapes(graph, arch)
    except GraphError as error:
        raise GraphError(f"{decided} at {where} gives a network that cannot run: {error}. {remedy}") from error
    for ref in graph.reads:
        own, now = shape_of(shapes(graph), ref), shape_of(found, ref)
        if own != now:
            raise GraphError(f"{decided} at {where} changes the network's output from {own} to {now}. {remedy}")
    return found
