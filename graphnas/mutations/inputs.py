"""The rule `Inputs`: a site may read earlier results in place of its own input."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from graphnas.analysis.options import check_options
from graphnas.analysis.shapes import Shape, Unknown, shape_of, shapes
from graphnas.errors import GraphError
from graphnas.ir.choice import Choice, conjuncts
from graphnas.ir.effects import awaited_in
from graphnas.ir.frozen import FrozenDict
from graphnas.ir.graph import Graph
from graphnas.ir.node import MERGES, Choose, Node, Param
from graphnas.mutations.explain import Explanation, Selection, explanation, select
from graphnas.mutations.insertion import pointed, renamed
from graphnas.mutations.labels import check_decisions, check_label
from graphnas.mutations.naming import INPUT, Names
from graphnas.mutations.overwriting import overwriting
from graphnas.mutations.regions import candidates
from graphnas.mutations.selectors import Where
from graphnas.mutations.sites import OPEN_SHAPE, Site, not_one_tensor, with_choices
from graphnas.mutations.where import check_where, describe, matches, suggestions

ORIGINAL = "original"
PLACES = 3  # sources that a message names


@dataclass(frozen=True)
class Inputs:
    """Lets a site read an earlier result in place of the first of its inputs. Option 0 is its own, called "original".

    Whatever rules before have put in the place of the site or around it reads what is chosen as well; of a source it is
    read what they have put in its place. Other readers of the site's own input keep it.

    Args:
        where: which layers, calls and blocks; see `graphnas.mutations.where`.
        sources: which earlier layers, calls and blocks may be read, in the same forms: those with one result of the
            shape and dtype of the site's own input. Their names are the options. Where a source and something inside it
            both match, the outer one is meant.
        take: 1, or None for any non-empty subset of the own input and the sources; the original is the own one alone.
        merge: how several are joined: "sum", "mean", or "concat" along dimension 1, where the network takes that.
        label: of the decision; may hold {node}. Without a placeholder all sites share one decision.
    """

    where: Where
    sources: Where
    take: int | None = 1
    merge: str = "sum"
    label: str = "{node}.input"

    def __post_init__(self) -> None:
        check_where(self.where)
        check_where(self.sources)
        check_label(self.label, ("node",))
        if self.take is not None and (type(self.take) is not int or self.take != 1):
            raise ValueError(
                f"take must be 1, or None for any subset, since the original reads one input, but is {self.take!r}"
            )
        if self.merge not in MERGES:
            raise ValueError(f"merge must be one of {', '.join(MERGES)}, but is {self.merge!r}")

    def __call__(self, graph: Graph) -> Graph:
        """The graph with the choices.

        Raises:
            GraphError: nothing matches, no source suits a site that matches, or the network cannot take several of the
                sources joined.
        """
        finder = _Finder(graph, self.where, self.sources)
        taken = self._selection(finder).required()
        check_decisions(graph, taken, lambda site: self._choice(finder, site))
        names = Names(graph)
        result = graph
        for site in taken:
            chosen = Node(
                names.beside(site.name, INPUT), Choose(self._choice(finder, site), self.merge),
                (site.inputs[0], *(source.outputs[0] for source in finder.sources(site).matched)),
                scope=site.scope, when=site.when, source=site.source,
            )  # fmt: skip
            result = _with_input(result, site, chosen)
        if self.take is None:
            _check_joined(graph, result, [self._choice(finder, site) for site in taken], self.merge)
        return result

    def explain(self, graph: Graph) -> Explanation:
        """The sites that the rule takes, those it passes over and why, and the decisions."""
        finder = _Finder(graph, self.where, self.sources)
        selection = self._selection(finder)
        found = explanation(self, graph, selection, self.label, lambda site: self._choice(finder, site))
        notes = (note for site in selection.matched if (note := finder.note(site)))
        return replace(found, notes=(*found.notes, *notes))

    def _selection(self, finder: _Finder) -> Selection:
        return select(self.where, finder.candidates, lambda site: finder.unfit(site, self._label(site)))

    def _label(self, site: Site) -> str:
        return self.label.format(node=site.label)

    def _choice(self, finder: _Finder, site: Site) -> Choice:
        options = (ORIGINAL, *(source.name for source in finder.sources(site).matched))
        return Choice(self._label(site), options, self.take)


class _Finder:
    """The sites of a graph as rules have left them, and what each of them may read."""

    def __init__(self, graph: Graph, where: Where, sources: Where) -> None:
        self._graph = graph
        self._shapes, self._awaited = shapes(graph), awaited_in(graph)
        self._names = tuple(graph.by_name)
        self._order = {name: position for position, name in enumerate(self._names)}
        self.candidates = tuple(with_choices(graph, site) for site in candidates(graph, where))
        self._sources = sources
        self._earlier = tuple(with_choices(graph, site) for site in candidates(graph, sources))
        self._matching = tuple(site for site in self._earlier if matches(sources, site))
        self._known: dict[str, Selection] = {}

    def sources(self, site: Site) -> Selection:
        """The sources that a site may read, and those that it may not and why."""
        if site.name not in self._known:
            start = self._order[_first(self._graph, site)]
            earlier = [source for source in self._matching if self._order[source.nodes[-1]] < start]
            self._known[site.name] = select(self._sources, earlier, lambda source: self._unread(source, site))
        return self._known[site.name]

    def unfit(self, site: Site, label: str) -> str:
        """Why a site cannot read anything else than it does; empty where it can."""
        if site.unfit:
            return site.unfit
        if not site.inputs:
            return "it reads no tensor but parameters"
        own, shape = site.inputs[0], site.input_shapes[0]
        if isinstance(shape, Unknown):
            return f"the shape of its input depends on the data: {shape.reason}"
        if not isinstance(shape, Shape):
            return "its input is not one tensor"
        if site.elastic:
            return OPEN_SHAPE
        made = self._graph.by_name.get(own.name)
        if made is not None and any(choice.label == label for choice in made.choices):
            return f"label {label!r} decides what it reads already; apply the rule once, or give it another label"
        if write := overwriting(self._graph, map(self._graph.node, site.nodes), own, self._awaited):
            return f"{write.where} changes in place what it is given, which others may read; let it write out of place"
        found = self.sources(site)
        if found.matched:
            return ""
        if not self._matching:
            return f"nothing is like its sources, {describe(self._sources)}.{suggestions(self._sources, self._earlier)}"
        if not found.passed:
            return f"no earlier site is among its sources, {describe(self._sources)}"
        return f"it can read none of its sources: {_listed(found.passed)}"

    def note(self, site: Site) -> str:
        """Which sources a site that is taken cannot read."""
        passed = self.sources(site).passed
        return f"{site.name} cannot read {len(passed)} of its sources: {_listed(passed)}" if passed else ""

    def _unread(self, source: Site, site: Site) -> str:
        if reason := not_one_tensor(source):
            return reason
        (result,) = source.outputs
        if result == site.inputs[0]:
            return "its result is the own input"
        if source.output_shapes[0] != site.input_shapes[0]:
            return f"it gives {source.output_shapes[0]}, but the own input is {site.input_shapes[0]}"
        conditions = conjuncts(site.when)
        if any(part not in conditions for part in conjuncts(self._graph.node(result.name).when)):
            return "it runs only under a condition"
        between = self._names[self._order[source.nodes[-1]] + 1 : self._order[site.nodes[-1]] + 1]
        if write := overwriting(self._graph, map(self._graph.node, between), result, self._awaited):
            return f"{write.where} changes it in place"
        return ""


def _first(graph: Graph, site: Site) -> str:
    """The first node of a site; reading a parameter is no computation, and may stand anywhere."""
    return next(name for name in site.nodes if not isinstance(graph.node(name).op, Param))


def _listed(passed: Sequence[tuple[Site, str]]) -> str:
    some = "; ".join(f"{source.name}, since {reason}" for source, reason in passed[:PLACES])
    return f"{some}; and {len(passed) - PLACES} more" if len(passed) > PLACES else some


def _with_input(graph: Graph, site: Site, chosen: Node) -> Graph:
    """The graph in which a site reads what is chosen in place of its first input."""
    own, first, inside = site.inputs[0], _first(graph, site), set(site.nodes)
    nodes: list[Node] = []
    for node in graph.nodes:
        if node.name == first:
            nodes.append(chosen)
        nodes.append(pointed(node, own, chosen.name) if node.name in inside else node)
    calls = {(frame.path, frame.call) for name in site.nodes for frame in graph.node(name).scope[len(site.scope) :]}
    formals = {
        call: renamed(names, own, chosen.name) if call in calls else names for call, names in graph.formals.items()
    }
    return replace(graph, nodes=tuple(nodes), formals=FrozenDict(formals))


def _check_joined(before: Graph, after: Graph, choices: Sequence[Choice], merge: str) -> None:
    """Make sure that the network takes several values joined, and still gives what it gave."""
    remedy = "join them by 'sum', or take one"
    if merge == "concat":
        try:
            check_options(after)
        except GraphError as error:
            raise GraphError(f"the network cannot take values side by side; {remedy}: {error}") from error
    for choice in choices:
        found = shapes(after, {choice.label: choice.domain[-1]})
        for ref in before.reads:
            own, now = shape_of(shapes(before), ref), shape_of(found, ref)
            if own != now:
                raise GraphError(
                    f"{choice.label}={choice.domain[-1]!r} changes the network's output from {own} to {now}; {remedy}"
                )
