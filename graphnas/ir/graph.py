"""The graph: a network, or with open choices a search space. It never changes; every edit gives a new one."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from graphnas.errors import GraphError, nearest
from graphnas.ir import counting, liveness, pages, printing
from graphnas.ir.choice import Choice, Expr, choices_in
from graphnas.ir.frozen import FrozenDict, Remembering
from graphnas.ir.naming import without_calls
from graphnas.ir.node import Arg, Entry, Input, Node, Parameter, Ref, refs_in

if TYPE_CHECKING:
    from graphnas.ir.counting import Estimate

Formals = FrozenDict[tuple[str, int], FrozenDict[Ref, str]]


@dataclass(frozen=True)
class Graph(Remembering):
    """A network as data.

    Attributes:
        inputs: the tensors that it is given.
        nodes: in topological order, which is also the order of random draws.
        output: argument tree of references.
        constraints: Boolean expressions that every architecture satisfies, unless it lacks labels that they need: a
            label that only what an `if` does not select speaks of is not needed.
        modules: the module table, in registration order: `state_dict` order, containers, unused state, ties.
        formals: (path, call) of a module call → what its values are called inside.
        name: the root module's class.
        signature: the parameters of the root's `forward`.
    """

    inputs: tuple[Input, ...]
    nodes: tuple[Node, ...]
    output: Arg
    constraints: tuple[Expr, ...] = ()
    modules: tuple[Entry, ...] = (Entry("", "module", "Net"),)
    formals: Formals = field(default_factory=FrozenDict)
    name: str = "Net"
    signature: tuple[Parameter, ...] = ()

    @cached_property
    def choices(self) -> FrozenDict[str, Choice]:
        """The open choices by label, in node order.

        Raises:
            GraphError: a label is used with differing options.
        """
        found: dict[str, Choice] = {}
        for node in self.nodes:
            for choice in node.choices:
                _enter(found, choice, node.where)
        for choice in choices_in(self.constraints):
            _enter(found, choice, "a constraint")
        return FrozenDict(found)

    @cached_property
    def by_name(self) -> dict[str, Node]:
        """Nodes by name."""
        return {node.name: node for node in self.nodes}

    @cached_property
    def entries(self) -> dict[str, Entry]:
        """Rows of the module table by path."""
        return {entry.path: entry for entry in self.modules}

    @cached_property
    def readers(self) -> dict[str, tuple[str, ...]]:
        """Name of a node or input → names of the nodes that read it."""
        found: dict[str, list[str]] = {}
        for node in self.nodes:
            for name in dict.fromkeys(ref.name for ref in node.refs):
                found.setdefault(name, []).append(node.name)
        return {name: tuple(nodes) for name, nodes in found.items()}

    @cached_property
    def flow(self) -> liveness.Flow:
        """Who is needed by whom; what liveness, counting and canonical architectures are read from."""
        return liveness.Flow(self)

    def node(self, name: str) -> Node:
        """The node called `name`.

        Raises:
            GraphError: there is none; the message has the nearest names.
        """
        try:
            return self.by_name[name]
        except KeyError:
            raise GraphError(f"graph {self.name} has no node {name!r}.{nearest(name, self.by_name)}") from None

    def matching(self, pattern: str) -> Iterator[Node]:
        """The nodes whose names, `@k` marks dropped, match a glob such as `layer[34].*.conv2`."""
        return (node for node in self.nodes if fnmatch.fnmatchcase(without_calls(node.name), pattern))

    def size(self, estimate: bool = False) -> int | Estimate:
        """How many architectures the space has, each counted once in canonical form.

        Raises:
            GraphError: choices or constraints are too entangled to count; `size(estimate=True)` samples instead.
        """
        return counting.estimate(self) if estimate else counting.count(self)

    @cached_property
    def output_names(self) -> frozenset[str]:
        """Names of the nodes and inputs that the output reads."""
        return frozenset(ref.name for ref in self.reads)

    @property
    def reads(self) -> tuple[Ref, ...]:
        """What the output reads."""
        return tuple(dict.fromkeys(refs_in(self.output)))

    def __str__(self) -> str:
        return printing.text(self)

    def _repr_html_(self) -> str:
        """What notebooks show: a picture, the choices, the text."""
        return pages.fragment(self)

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        """What a notebook shows and keeps; as a text it is what `print` shows."""
        return {"text/plain": str(self), "text/html": self._repr_html_()}


def _enter(found: dict[str, Choice], choice: Choice, where: str) -> None:
    if found.setdefault(choice.label, choice) != choice:
        raise GraphError(
            f"label {choice.label!r} has options {choice.options!r} (take={choice.take}) at {where}, "
            f"but {found[choice.label].options!r} (take={found[choice.label].take}) elsewhere; "
            "one label is one decision: give the two places different labels, or the same options"
        )
