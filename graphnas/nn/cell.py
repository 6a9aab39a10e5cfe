"""The word `Cell`: nodes that join what operators make of earlier nodes."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from graphnas.nn.input_choice import InputChoice
from graphnas.nn.layer_choice import LayerChoice
from graphnas.nn.parts import Decision, check_modules, itself
from graphnas.tracing.choosing import choose

OUTPUTS = ("concat", "last", "loose")


@dataclass(frozen=True, slots=True)
class Edge:
    """Where an operator stands in a cell.

    Attributes:
        node: which node reads it; the inputs count as the first ones.
        source: which input or node it reads.
        branch: which branch of the node it belongs to; 0 where a node has none.
    """

    node: int
    source: int
    branch: int = 0


class Cell(nn.Module):
    """Nodes in order, each of which joins what operators make of the inputs and of nodes before it.

    Without `branches` there is an operator on every edge, and a node joins all of its edges, or `take` of them (DARTS,
    NAS-Bench-201). With `branches` a node has that many, and each picks one source and one operator (NASNet, ENAS);
    every pair of source and operator has weights of its own.

    Args:
        operators: option → what makes the operator of an edge: a function of the `Edge`, which has `node`, `source` and
            `branch`. The first option runs before any search.
        nodes: how many, each with all inputs and nodes before it as sources; or the sources of each, as numbers.
        inputs: how many tensors the cell is given.
        take: how many edges a node keeps; None for all. A node with no more edges than that keeps all of them.
        branches: how many pairs of source and operator a node has; None for operators on edges.
        merge: how a node joins its edges or branches: "sum", "mean", or "concat" along dimension 1.
        output: "concat" of all nodes along dimension 1, the "last" node, or "loose": the sum of the nodes that no
            other node picks, each through its projection, which is what a 1x1 convolution makes of their concatenation.
        project: of a loose node what makes its projection; by default none.
        label: what the labels of the decisions begin with; by default the path of the cell. Cells of one label share
            their decisions.

    Raises:
        ValueError: a node has no sources or later ones, leads nowhere, or the arguments do not suit each other.

    Reference: Zoph et al. 2018, arXiv:1707.07012; Pham et al. 2018, arXiv:1802.03268; Liu et al. 2019,
    arXiv:1806.09055; Dong and Yang 2020, arXiv:2001.00326.
    """

    def __init__(
        self,
        operators: Mapping[str, Callable[[Edge], nn.Module]],
        nodes: int | Sequence[Sequence[int]],
        inputs: int = 2,
        take: int | None = None,
        branches: int | None = None,
        merge: str = "sum",
        output: str = "concat",
        project: Callable[[int], nn.Module] | None = None,
        label: str | None = None,
    ) -> None:
        super().__init__()
        self.sources = _sources(nodes, inputs)
        if output not in OUTPUTS:
            raise ValueError(f"output is one of {', '.join(OUTPUTS)}, but got {output!r}")
        if branches is not None and take is not None:
            raise ValueError(f"a node has branches or keeps some of its edges, but got {branches=} and {take=}")
        if output == "loose" and branches is None:
            raise ValueError("output='loose' is for nodes with branches, whose sources are picked one by one")
        if output == "last":
            _check_reached(self.sources)
        self.branches, self.merge, self.output = branches, merge, output
        self.edges, self.inputs, self.operators = nn.ModuleDict(), nn.ModuleDict(), nn.ModuleDict()
        for node, sources in self.sources.items():
            named = functools.partial(_named, label)
            if branches is None:
                self._add_edges(operators, node, sources, take, named)
            else:
                self._add_branches(operators, node, sources, branches, named)
        loose = self.sources if output == "loose" and project is not None else ()
        self.projections = nn.ModuleDict({str(node): project(node) for node in loose if project is not None})

    def _add_edges(
        self,
        operators: Mapping[str, Callable[[Edge], nn.Module]],
        node: int,
        sources: Sequence[int],
        take: int | None,
        named: Callable[[str], str | None],
    ) -> None:
        for source in sources:
            made = {option: make(Edge(node, source)) for option, make in operators.items()}
            name = f"{node}_{source}"
            self.edges[name] = LayerChoice(made, named(f"edges.{name}"))
        if take is not None and take < len(sources):
            self.inputs[str(node)] = InputChoice(sources, take, self.merge, named(f"inputs.{node}"))

    def _add_branches(
        self,
        operators: Mapping[str, Callable[[Edge], nn.Module]],
        node: int,
        sources: Sequence[int],
        branches: int,
        named: Callable[[str], str | None],
    ) -> None:
        for branch in range(branches):
            name = f"{node}_{branch}"
            self.operators[name] = Decision(tuple(operators), label=named(f"operators.{name}"))
            self.inputs[name] = InputChoice(sources, label=named(f"inputs.{name}"))
            for source in sources:
                made = {option: make(Edge(node, source, branch)) for option, make in operators.items()}
                check_modules("Cell", made)
                self.edges[f"{name}_{source}"] = nn.ModuleDict(made)

    def forward(self, *inputs: Any) -> Tensor:
        """What the nodes give in the end.

        Args:
            *inputs: the inputs, or one list of them.

        Raises:
            ValueError: there are more or fewer than the cell has.
        """
        given = inputs[0] if len(inputs) == 1 and isinstance(inputs[0], list | tuple) else inputs
        found: dict[int, Tensor] = dict(enumerate(given))
        first = next(iter(self.sources))
        if len(found) != first:
            raise ValueError(f"the cell has {first} inputs, but got {len(found)}")
        for node, sources in self.sources.items():
            if self.branches is None:
                values = [self.edges[f"{node}_{source}"](found[source]) for source in sources]
                found[node] = self.inputs[str(node)](values) if str(node) in self.inputs else self._joined(values)
            else:
                found[node] = self._joined([self._branch(node, branch, found) for branch in range(self.branches)])
        made = [found[node] for node in self.sources]
        if self.output == "loose":
            return self._loose(found)
        return made[-1] if self.output == "last" else torch.cat(made, dim=1)

    def _branch(self, node: int, branch: int, found: Mapping[int, Tensor]) -> Tensor:
        name = f"{node}_{branch}"
        values = []
        for source in self.sources[node]:
            arms = self.edges[f"{name}_{source}"]
            assert isinstance(arms, nn.ModuleDict)
            values.append(self.operators[name](arms.values(), found[source]))
        result: Tensor = self.inputs[name](values)
        return result

    def _joined(self, values: Sequence[Tensor]) -> Tensor:
        total, *further = values
        if self.merge == "concat" and further:
            return torch.cat(tuple(values), dim=1)
        for value in further:
            total = total + value  # as people write it, and so the file of a network does
        return total / len(values) if self.merge == "mean" and further else total

    def _loose(self, found: Mapping[int, Tensor]) -> Tensor:
        """The sum of the projected nodes that no branch picks; the last node is always one of them."""
        *earlier, last = self.sources
        total = self._projected(last, found)
        for node in reversed(earlier):
            value = total + self._projected(node, found)
            for pick in self._picks_of(node):
                arms = [total if source == node else value for source in pick.choice.options]
                value = choose(pick, [functools.partial(itself, arm) for arm in arms])
            total = value
        return total

    def _projected(self, node: int, found: Mapping[int, Tensor]) -> Tensor:
        name = str(node)
        return self.projections[name](found[node]) if name in self.projections else found[node]

    def _picks_of(self, node: int) -> Iterator[InputChoice]:
        """The choices that may pick a node."""
        for pick in self.inputs.values():
            if isinstance(pick, InputChoice) and node in pick.choice.options:
                yield pick


def _named(label: str | None, rest: str) -> str | None:
    return None if label is None else f"{label}.{rest}"


def _sources(nodes: int | Sequence[Sequence[int]], inputs: int) -> dict[int, tuple[int, ...]]:
    """Node → the inputs and nodes that it may read."""
    if inputs < 1:
        raise ValueError(f"a cell has at least one input, but got {inputs=}")
    listed = [range(inputs + number) for number in range(nodes)] if isinstance(nodes, int) else list(nodes)
    if not listed:
        raise ValueError("a cell has at least one node, but got none")
    found = {inputs + number: tuple(sources) for number, sources in enumerate(listed)}
    for node, sources in found.items():
        odd = [source for source in sources if source not in range(node)]
        if odd or not sources or len(set(sources)) < len(sources):
            raise ValueError(
                f"node {node} of a cell reads {sources}; give it distinct sources among the inputs and nodes before "
                f"it, 0 to {node - 1}"
            )
    return found


def _check_reached(sources: Mapping[int, Sequence[int]]) -> None:
    """Make sure that every node leads to the last one, which alone is the result."""
    *_, last = sources
    reached, waiting = set[int](), [last]
    while waiting:
        node = waiting.pop()
        if node not in reached:
            reached.add(node)
            waiting += sources.get(node, ())
    lost = [node for node in sources if node not in reached]
    if lost:
        raise ValueError(
            f"nobody reads node {lost[0]} of the cell, whose result is node {last}; name it among the sources of a "
            "later node, or take output='concat'"
        )
