"""The rule `Skip`: an optional shortcut around a layer, call or block."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from graphnas.ir.choice import Choice
from graphnas.ir.effects import awaited_in
from graphnas.ir.graph import Graph
from graphnas.ir.node import Call, Choose, Node, Ref
from graphnas.mutations.explain import Explanation, Selection, explanation, select
from graphnas.mutations.insertion import Insertion, with_insertions
from graphnas.mutations.labels import check_decisions, check_label
from graphnas.mutations.naming import CHOICE, Names
from graphnas.mutations.overwriting import overwriting
from graphnas.mutations.regions import candidates
from graphnas.mutations.selectors import Where
from graphnas.mutations.sites import Site, not_one_tensor, with_choices
from graphnas.mutations.where import check_where


@dataclass(frozen=True)
class Skip:
    """Lets a site `y` become `y + x`, where `x` is the first of its inputs that has the shape of `y`. Option 0 is `y`.

    Where rules before have put choices in a site's place, `y` is what they choose.

    Args:
        where: which layers, calls and blocks; see `graphnas.mutations.where`.
        label: of the decision; may hold {node}. Without a placeholder all sites share one decision.
    """

    where: Where
    label: str = "{node}.skip"

    def __post_init__(self) -> None:
        check_where(self.where)
        check_label(self.label, ("node",))

    def __call__(self, graph: Graph) -> Graph:
        """The graph with the shortcuts as choices.

        Raises:
            GraphError: nothing matches, or no site that matches has equal input and output shapes.
        """
        names = Names(graph)
        taken = self._selection(graph).required()
        check_decisions(graph, taken, self._choice)
        return with_insertions(graph, [Insertion(site, self._nodes(site, names)) for site in taken])

    def explain(self, graph: Graph) -> Explanation:
        """The sites that the rule takes, those it passes over and why, and the decisions."""
        return explanation(self, graph, self._selection(graph), self.label, self._choice)

    def _selection(self, graph: Graph) -> Selection:
        awaited = awaited_in(graph)
        found = (with_choices(graph, site) for site in candidates(graph, self.where))
        return select(self.where, found, lambda site: _unfit(graph, site, awaited))

    def _choice(self, site: Site) -> Choice:
        return Choice(self.label.format(node=site.label), (False, True))

    def _nodes(self, site: Site, names: Names) -> tuple[Node, Node]:
        (result,) = site.outputs
        total = Node(
            names.beside(site.name, "sum"), Call("torch.Tensor.__add__"), (result, _given(site)),
            scope=site.scope, when=site.when, source=site.source,
        )  # fmt: skip
        chosen = Node(
            names.beside(site.name, CHOICE), Choose(self._choice(site)), (result, Ref(total.name)),
            scope=site.scope, when=site.when, source=site.source,
        )  # fmt: skip
        return total, chosen


def _given(site: Site) -> Ref:
    """The input that a shortcut adds: the first that has the shape of the output."""
    return site.inputs[site.input_shapes.index(site.output_shapes[0])]


def _unfit(graph: Graph, site: Site, awaited: Collection[str]) -> str:
    if reason := not_one_tensor(site):
        return reason
    if site.output_shapes[0] not in site.input_shapes:
        given = ", ".join(map(str, site.input_shapes)) or "nothing"
        return f"no input has its output's shape: it takes {given} and gives {site.output_shapes[0]}"
    if write := overwriting(graph, map(graph.node, site.nodes), _given(site), awaited):
        return f"{write.where} changes in place what a shortcut would add; let it write out of place"
    return ""
