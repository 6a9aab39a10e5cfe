"""The rule `Swap`: a layer, function call or block becomes a choice between itself and named alternatives."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from graphnas.analysis.shapes import Result, Shape, Unknown, shape_of, shapes
from graphnas.errors import GraphError, TraceError
from graphnas.ir import effects
from graphnas.ir.choice import Choice, conjunction
from graphnas.ir.frozen import FrozenDict
from graphnas.ir.graph import Formals, Graph
from graphnas.ir.node import ALIAS, Call, Choose, Entry, Layer, Node, Param, Ref
from graphnas.mutations.alternatives import Alternative, built, examples, unfit, untouched_randomness
from graphnas.mutations.explain import Explanation, Selection, explanation, select
from graphnas.mutations.insertion import Insertion, pointed, renamed, with_insertions
from graphnas.mutations.labels import check_decisions, check_label
from graphnas.mutations.naming import CHOICE, Names, suffixed
from graphnas.mutations.overwriting import overwriting
from graphnas.mutations.regions import candidates
from graphnas.mutations.selectors import Where
from graphnas.mutations.sites import Site, not_one_tensor
from graphnas.mutations.where import check_where
from graphnas.tracing.recording import recording
from graphnas.tracing.tracer import trace_alternative

ORIGINAL = "original"


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
        if not isinstance(self.alternatives, Mapping) or not self.alternatives:
            raise TypeError(
                f"alternatives are a mapping, option → alternative, and not empty, but are {self.alternatives!r:.100}"
            )
        object.__setattr__(self, "alternatives", FrozenDict(self.alternatives))
        for option, alternative in self.alternatives.items():
            if not isinstance(option, str) or not re.fullmatch(r"\w+", option) or option == ORIGINAL:
                raise ValueError(
                    f"an option is a word of letters, digits and _ other than 'original', but is {option!r}"
                )
            if not callable(alternative):
                raise TypeError(
                    f"alternative {option!r} must be a module, a class or a function, but is {alternative!r}"
                )

    def __call__(self, graph: Graph) -> Graph:
        """The graph with the choices.

        Raises:
            GraphError: nothing matches; an alternative cannot be built or traced, or its result does not fit its site.
        """
        taken = self._selection(graph).required()
        check_decisions(graph, taken, self._choice)
        builder = _Builder(graph)
        insertions, arms = [], []
        for site in taken:
            parts = [builder.part(site, option, alternative) for option, alternative in self.alternatives.items()]
            results = [part.result for part in parts]
            chosen = Node(
                builder.names.beside(site.name, CHOICE), Choose(self._choice(site)), (*site.outputs, *results),
                scope=site.scope, when=site.when, source=site.source,
            )  # fmt: skip
            insertions.append(builder.insertion(site, parts, chosen))
            arms.append((site, results))
        result = with_insertions(graph, insertions)
        try:
            found = shapes(result)
        except GraphError as error:
            raise GraphError(f"an alternative does not run where it is to stand: {error}") from error
        for site, results in arms:
            for option, ref in zip(self.alternatives, results, strict=True):
                _check_fit(site, option, shape_of(found, ref))
        return result

    def explain(self, graph: Graph) -> Explanation:
        """The sites that the rule takes, those it passes over and why, and the decisions."""
        return explanation(self, self._selection(graph), self.label, self._choice)

    def _selection(self, graph: Graph) -> Selection:
        return select(self.where, candidates(graph, self.where), self._unfit)

    def _unfit(self, site: Site) -> str:
        if reason := _not_swappable(site):
            return reason
        found = ((option, unfit(alternative, site)) for option, alternative in self.alternatives.items())
        return next((f"alternative {option!r} does not fit: {reason}" for option, reason in found if reason), "")

    def _choice(self, site: Site) -> Choice:
        return Choice(self.label.format(node=site.label), (ORIGINAL, *self.alternatives))


@dataclass(frozen=True)
class _Part:
    """An alternative as nodes: what it gives, and where its rows of the module table stand."""

    parameters: tuple[Node, ...]
    nodes: tuple[Node, ...]
    result: Ref
    entries: tuple[Entry, ...] = ()
    formals: Formals = field(default_factory=FrozenDict)


class _Builder:
    """Makes the alternatives of one rule; all calls of a module share theirs."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self.names = Names(graph)
        self._paths: dict[tuple[str, str], str] = {}
        self._rows: dict[str, tuple[Entry, ...]] = {}
        self._calls: dict[str, int] = {}

    def part(self, site: Site, option: str, alternative: Alternative) -> _Part:
        """The nodes of an alternative at a site."""
        key = (site.label, option)
        if key not in self._paths:
            self._paths[key] = self.names.beside(site.label, option)
        path = self._paths[key]
        call = self._calls.get(path, 0)
        self._calls[path] = call + 1
        with untouched_randomness():
            with recording():
                module = built(option, alternative, site)
            try:
                traced = trace_alternative(
                    module, examples(site), path, site.scope, self.names.taken, call, given=site.inputs
                )
            except TraceError as error:
                raise GraphError(
                    f"alternative {option!r} cannot stand at {site.where}, which is given "
                    f"{', '.join(map(str, site.input_shapes))}: {error}"
                ) from error
        if self._rows.setdefault(path, traced.entries) != traced.entries:
            raise GraphError(
                f"alternative {option!r} differs between the calls of {site.label}, which share their weights, at "
                f"{site.where}; let it depend on what is the same at every call"
            )
        if not isinstance(traced.output, Ref):
            kind = type(traced.output).__name__
            raise GraphError(f"alternative {option!r} gives a {kind} at {site.where}; it must give one tensor")
        part = _part(site, path, traced.nodes, traced.output, traced.formals)
        self.names.taken.update(node.name for node in part.nodes)
        self.names.taken.update(entry.path for entry in traced.entries)
        for given in site.inputs:
            part = self._copied(part, site, given, option)
            part = self._behind_writes(part, site, given, option)
        return replace(part, parameters=()) if call else replace(part, entries=traced.entries)

    def insertion(self, site: Site, parts: list[_Part], chosen: Node) -> Insertion:
        """The alternatives and the choice behind their site; each module that holds the site's layer holds them."""
        formals = {call: names for part in parts for call, names in part.formals.items()}
        rows = tuple(entry for part in parts for entry in part.entries)
        entries = {site.path: rows} if rows else {}
        for alias in self._graph.modules:
            if rows and alias.same_as and alias.same_as == site.path:
                entries[alias.path] = tuple(self._alias(entry, alias) for part in parts for entry in part.entries[:1])
        nodes = (*(node for part in parts for node in part.nodes), chosen)
        parameters = tuple(node for part in parts for node in part.parameters)
        return Insertion(site, nodes, parameters, FrozenDict(entries), FrozenDict(formals))

    def _alias(self, entry: Entry, beside: Entry) -> Entry:
        path = self.names.beside(beside.path, entry.path.removeprefix(f"{beside.same_as}_"))
        self.names.taken.add(path)
        return replace(entry, path=path, same_as=entry.path)

    def _behind_writes(self, part: _Part, site: Site, given: Ref, option: str) -> _Part:
        """The alternative reading a value after the same writes into it as the site."""
        known, after = {given.name}, dict[str, None]()
        for node in map(self._graph.node, site.nodes):
            if not known.isdisjoint(ref.name for ref in node.refs):
                after.update(dict.fromkeys(name for name in node.after if name not in site.nodes))
                if effects.shares_storage(node):
                    known.add(node.name)
        if not after:
            return part
        if part.result == given:  # it needs a node that stands behind the writes
            name = self.names.beside(site.name, f"{option}_alias")
            alias = Node(name, Call(ALIAS), (given,), scope=site.scope, when=site.when, source=site.source)
            part = replace(part, nodes=(*part.nodes, alias), result=Ref(name))
        nodes = (
            replace(node, after=tuple(dict.fromkeys((*after, *node.after)))) if given in node.refs else node
            for node in part.nodes
        )
        return replace(part, nodes=tuple(nodes))

    def _copied(self, part: _Part, site: Site, given: Ref, option: str) -> _Part:
        """The alternative given a copy of what it would overwrite, which others may read as well."""
        awaited = {name for node in part.nodes for name in node.after}
        if overwriting(self._graph, part.nodes, given, awaited) is None:
            return part
        copy = Node(
            self.names.beside(site.name, f"{option}_copy"), Call("torch.Tensor.clone"), (given,),
            scope=site.scope, when=site.when, source=site.source,
        )  # fmt: skip
        formals = {call: renamed(names, given, copy.name) for call, names in part.formals.items()}
        nodes = (copy, *(pointed(node, given, copy.name) for node in part.nodes))
        return replace(part, nodes=nodes, formals=FrozenDict(formals))


def _part(site: Site, path: str, nodes: tuple[Node, ...], result: Ref, formals: Formals) -> _Part:
    """The nodes under the site's condition; those that read parameters stand before everything and have none."""
    parameters = tuple(node for node in nodes if isinstance(node.op, Param))
    own = tuple(replace(node, when=conjunction(site.when, node.when)) for node in nodes if node not in parameters)
    if len(own) == 1 and isinstance(own[0].op, Layer) and own[0].op.path == path:
        own = (replace(own[0], name=suffixed(site.name, path.removeprefix(site.label)), source=site.source),)
        result = Ref(own[0].name)
    return _Part(parameters, own, result, formals=formals)


def _not_swappable(site: Site) -> str:
    if reason := not_one_tensor(site):
        return reason
    if not site.inputs:
        return "it reads no tensor but parameters"
    for found in site.input_shapes:
        if isinstance(found, Unknown):
            return f"the shape of an input depends on the data: {found.reason}"
        if not isinstance(found, Shape):
            return "an input is not one tensor"
    return ""


def _check_fit(site: Site, option: str, found: Result) -> None:
    (wanted,) = site.output_shapes
    if found != wanted:
        raise GraphError(
            f"alternative {option!r} gives {found} at {site.where}, which gives {wanted}; build it from "
            "site.input_shape and site.output_shape so that they agree, or leave the site out by where"
        )
