"""The rule `Swap`: a layer, function call or block becomes a choice between itself and named alternatives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from graphnas.ir.choice import Choice
from graphnas.ir.graph import Graph
from graphnas.mutations.alternatives import ORIGINAL, Alternative, checked, misfit, no_examples
from graphnas.mutations.explain import Explanation, Selection, explanation, select
from graphnas.mutations.labels import check_decisions, check_label
from graphnas.mutations.parts import with_alternatives
from graphnas.mutations.regions import candidates
from graphnas.mutations.selectors import Where
from graphnas.mutations.sites import Site, not_one_tensor
from graphnas.mutations.where import check_where


@dataclass(frozen=True)
class Swap:
    """Lets named alternatives take the place of a site. Option 0 is the site itself, called "original".

    An alternative is a class of modules that is built without arguments or with those of a `functools.partial`, a
    function of the site that gives a module, or a module as a template (its structure counts; each site has weights
    of its own). Those of `gn.library` fit themselves to a site; where one cannot, the rule passes over the site.
    An alternative is called with the distinct tensors that the site reads, parameters aside, and must give one tensor
    of the shape and dtype of the site's. What rules before have put around the site, such as the shortcut of a `Skip`,
    stays around whatever is chosen.

    Args:
        where: which layers, calls and blocks; see `graphnas.mutations.where`.
        alternatives: option → alternative.
        label: of the decision; may hold {node}. Without a placeholder all sites share one decision.
    """

    where: Where
    alternatives: Mapping[str, Alternative]
    label: str = "{node}"

    def __post_init__(self) -> None:
        check_where(self.where)
        check_label(self.label, ("node",))
        object.__setattr__(self, "alternatives", checked(self.alternatives))

    def __call__(self, graph: Graph) -> Graph:
        """The graph with the choices.

        Raises:
            GraphError: nothing matches; an alternative cannot be built or traced, or its result does not fit its site.
        """
        taken = self._selection(graph).required()
        check_decisions(graph, taken, self._choice)
        return with_alternatives(graph, taken, self.alternatives, self._choice)

    def explain(self, graph: Graph) -> Explanation:
        """The sites that the rule takes, those it passes over and why, and the decisions."""
        return explanation(self, graph, self._selection(graph), self.label, self._choice)

    def _selection(self, graph: Graph) -> Selection:
        return select(self.where, candidates(graph, self.where), self._unfit)

    def _unfit(self, site: Site) -> str:
        return not_one_tensor(site) or no_examples(site) or misfit(self.alternatives, site)

    def _choice(self, site: Site) -> Choice:
        return Choice(self.label.format(node=site.label), (ORIGINAL, *self.alternatives))
