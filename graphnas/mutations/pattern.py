"""The rule `Pattern`: wherever a subgraph occurs, it becomes a choice between itself and named alternatives."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from graphnas.analysis.patterns import Match, occurrences
from graphnas.errors import GraphError
from graphnas.ir.choice import Choice
from graphnas.ir.graph import Graph
from graphnas.ir.node import ENTERS, EXITS, Call, Ref
from graphnas.mutations.alternatives import ORIGINAL, Alternative, checked, misfit, no_examples
from graphnas.mutations.compound import compound, leak, with_ends
from graphnas.mutations.explain import Explanation, Selection, explanation
from graphnas.mutations.labels import check_decisions, check_label
from graphnas.mutations.operators import Drawing, drawn
from graphnas.mutations.parts import with_alternatives
from graphnas.mutations.selectors import Where
from graphnas.mutations.sites import Site, facts_of, not_tensors, sites
from graphnas.mutations.where import check_where, describe, matches, suggestions


@dataclass(frozen=True, repr=False)
class Pattern:
    """Lets named alternatives take the place of a subgraph wherever it occurs. Option 0 is the subgraph itself.

    A pattern is a function of values, which applies operators to them:

        conv, norm, relu = gn.op(nn.Conv2d, kernel_size=3), gn.op(nn.BatchNorm2d), gn.op(nn.ReLU)
        gn.Pattern(lambda x: relu(norm(conv(x))), {"fused": lambda site: Fused(site.parts[0].config["out_channels"])})

    An operator stands for every way in which its operation can be written, as a layer, a function or a method, in place
    or not; `a + b` and `a * b` also for `b + a` and `b * a`. Parameters are no values of a pattern. A match of which
    something else is used than what the pattern gives is passed over. Alternatives are those of `Swap`; they are called
    with what the pattern is given, one by one, and where the pattern gives a tuple, they give one as well.

    Args:
        pattern: a function of as many values as it is given, that gives a value or a tuple of values.
        alternatives: option → alternative. In `site.parts` an alternative finds the operations of the match in the
            order in which the pattern applies them.
        label: of the decision; may hold {node}. Without a placeholder all matches share one decision.
        where: which matches, by the names of their sites, such as "layer1.0.conv1_to_relu", or by a predicate on them.
    """

    pattern: Callable[..., Any]
    alternatives: Mapping[str, Alternative]
    label: str = "{node}"
    where: Where = "*"
    drawing: Drawing = field(init=False, compare=False)

    def __post_init__(self) -> None:
        check_where(self.where)
        check_label(self.label, ("node",))
        object.__setattr__(self, "alternatives", checked(self.alternatives))
        object.__setattr__(self, "drawing", drawn(self.pattern))

    def __call__(self, graph: Graph) -> Graph:
        """The graph with the choices.

        Raises:
            GraphError: nothing matches, or two matches overlap; an alternative cannot be built or traced, or its result
                does not fit its site.
        """
        taken = self._selection(graph).required()
        _check_overlap(graph, taken)
        check_decisions(graph, taken, self._choice)
        return with_alternatives(graph, taken, self.alternatives, self._choice)

    def __repr__(self) -> str:
        return f"Pattern({self.drawing.text}, {self.alternatives!r}, label={self.label!r}, where={self.where!r})"

    def explain(self, graph: Graph) -> Explanation:
        """The matches that the rule takes, those it passes over and why, and the decisions."""
        return explanation(self, graph, self._selection(graph), self.label, self._choice)

    def _selection(self, graph: Graph) -> Selection:
        found = _sites(graph, self.drawing)
        wanted = [site for site in found if matches(self.where, site)]
        rows = [(site, site.unfit or _unfit(graph, site) or misfit(self.alternatives, site)) for site in wanted]
        hint = suggestions(self.where, found) if found else _missing(graph, self.drawing)
        return Selection(
            self.drawing.text if self.where == "*" else f"{self.drawing.text} at {describe(self.where)}",
            tuple(site for site, reason in rows if not reason),
            tuple((site, reason) for site, reason in rows if reason),
            "" if wanted else hint,
        )

    def _choice(self, site: Site) -> Choice:
        return Choice(self.label.format(node=site.label), (ORIGINAL, *self.alternatives))


def _sites(graph: Graph, drawing: Drawing) -> list[Site]:
    """The occurrences of a pattern, one that reads another behind it."""
    by_node = {site.nodes[0]: site for site in sites(graph) if site.node is not None}
    facts = facts_of(graph)
    place = {name: number for number, name in enumerate(graph.by_name)}

    def site(match: Match) -> Site:
        parts = tuple(by_node[name] for name in match.nodes)
        names = sorted(match.nodes, key=place.__getitem__)
        nodes = [graph.node(name) for name in names]
        outputs = tuple(Ref(match.nodes[made.step], made.item) for made in drawing.outputs)
        ends = by_node[names[0]], by_node[names[-1]]
        whole = compound(facts, "pattern", drawing.text, ends, nodes)
        made = with_ends(facts, whole, ends, match.inputs, outputs)
        return replace(made, parts=parts, unfit=leak(graph, nodes, outputs))

    found = map(site, occurrences(graph, drawing.steps))
    return sorted(found, key=lambda site: min(place[found.behind] for found in site.places))


def _unfit(graph: Graph, site: Site) -> str:
    """Why a match that leaks nothing cannot be replaced all the same; empty where it can."""
    position = {name: number for number, name in enumerate(graph.by_name)}
    for ref, place in zip(site.outputs, site.places, strict=True):
        readers = [name for name in graph.readers.get(ref.name, ()) if name not in site.nodes]
        if not readers and ref.name not in graph.output_names:
            return f"nobody reads {ref.name}; leave it out of what the pattern gives"
        if early := next((name for name in readers if position[name] <= position[place.behind]), None):
            return f"{graph.node(early).where} reads {ref.name} before all of the match is given"
    if len({graph.node(name).when for name in site.nodes}) > 1:
        return "its operations run under differing conditions"
    between = graph.nodes[position[site.nodes[0]] : position[site.nodes[-1]]]
    switch = next((n for n in between if isinstance(n.op, Call) and n.op.target in ENTERS | EXITS), None)
    if switch is not None:
        return f"{switch.where} changes in the midst of it how torch computes"
    return not_tensors(site) or no_examples(site)


def _check_overlap(graph: Graph, taken: Iterable[Site]) -> None:
    """Make sure that no node stands in two matches.

    Raises:
        GraphError: one does.
    """
    holders: dict[str, Site] = {}
    for site in taken:
        for name in site.nodes:
            other = holders.setdefault(name, site)
            if other is not site:
                raise GraphError(
                    f"the pattern {site.type} matches overlapping sites: {other.where} and {site.where} both hold "
                    f"{graph.node(name).where}; write more into the pattern, or take one of them by where"
                )


def _missing(graph: Graph, drawing: Drawing) -> str:
    """Which operation of a pattern is nowhere in a graph; that they are not connected so, where all of them are."""
    for operator in drawing.operators:
        if not any(map(operator.accepts, graph.nodes)):
            return f" There is no {operator} at all.{suggestions(operator.kind, sites(graph))}"
    return " Each of its operations is there, but nowhere are they connected so."
