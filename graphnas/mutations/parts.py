"""Alternatives in the place of sites: recorded on the shapes of the sites, put behind them, and chosen among."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from graphnas.analysis.shapes import Result, shape_of, shapes
from graphnas.errors import GraphError, TraceError
from graphnas.ir import effects
from graphnas.ir.choice import Choice, conjunction
from graphnas.ir.frozen import FrozenDict
from graphnas.ir.graph import Formals, Graph
from graphnas.ir.node import ALIAS, Arg, Call, Choose, Entry, Layer, List, Node, Param, Ref
from graphnas.mutations.alternatives import Alternative, built, examples, untouched_randomness
from graphnas.mutations.insertion import Insertion, places, pointed, renamed, with_insertions
from graphnas.mutations.naming import CHOICE, Names, suffixed
from graphnas.mutations.overwriting import overwriting
from graphnas.mutations.sites import Site
from graphnas.tracing.recording import recording
from graphnas.tracing.tracer import trace_alternative


def with_alternatives(
    graph: Graph, taken: Iterable[Site], alternatives: Mapping[str, Alternative], choose: Callable[[Site], Choice]
) -> Graph:
    """The graph in which every site is a choice between itself and the alternatives.

    Args:
        graph: has the sites.
        taken: the sites, in the order in which they are computed.
        alternatives: option → alternative.
        choose: the choice that a site gets; its first option is the site itself, the others are those alternatives.

    Raises:
        GraphError: an alternative cannot be built or traced, or its result does not fit its site.
    """
    builder = _Builder(graph)
    insertions, arms = [], []
    for site in taken:
        parts = [builder.part(site, option, alternative) for option, alternative in alternatives.items()]
        chosen = tuple(
            Node(
                builder.names.beside(site.name, CHOICE),
                Choose(choose(site)),
                (output, *(part.results[position] for part in parts)),
                scope=place.scope,
                when=site.when,
                source=site.source,
            )
            for position, (output, place) in enumerate(zip(site.outputs, places(graph, site), strict=True))
        )
        insertions.append(builder.insertion(site, parts, chosen))
        arms += [(site, option, part) for option, part in zip(alternatives, parts, strict=True)]
    result = with_insertions(graph, insertions)
    try:
        found = shapes(result)
    except GraphError as error:
        raise GraphError(f"an alternative does not run where it is to stand: {error}") from error
    for site, option, part in arms:
        for wanted, ref in zip(site.output_shapes, part.results, strict=True):
            _check_fit(site, option, wanted, shape_of(found, ref))
    return result


@dataclass(frozen=True)
class _Part:
    """An alternative as nodes: what it gives, and where its rows of the module table stand."""

    parameters: tuple[Node, ...]
    nodes: tuple[Node, ...]
    results: tuple[Ref, ...]
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
        results = _results(site, option, traced.output)
        part = _part(site, path, traced.nodes, results, traced.formals)
        self.names.taken.update(node.name for node in part.nodes)
        self.names.taken.update(entry.path for entry in traced.entries)
        for given in site.inputs:
            part = self._copied(part, site, given, option)
            part = self._behind_writes(part, site, given, option)
        return replace(part, parameters=()) if call else replace(part, entries=traced.entries)

    def insertion(self, site: Site, parts: list[_Part], chosen: tuple[Node, ...]) -> Insertion:
        """The alternatives and the choices behind their site; each module that holds the site's layer holds them."""
        formals = {call: names for part in parts for call, names in part.formals.items()}
        rows = tuple(entry for part in parts for entry in part.entries)
        entries = {site.path: rows} if rows else {}
        for alias in self._graph.modules:
            if rows and alias.same_as and alias.same_as == site.path:
                entries[alias.path] = tuple(self._alias(entry, alias) for part in parts for entry in part.entries[:1])
        nodes = (*(node for part in parts for node in part.nodes), *chosen)
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
        if given in part.results:  # it needs a node that stands behind the writes
            name = self.names.beside(site.name, f"{option}_alias")
            alias = Node(name, Call(ALIAS), (given,), scope=site.scope, when=site.when, source=site.source)
            results = tuple(Ref(name) if ref == given else ref for ref in part.results)
            part = replace(part, nodes=(*part.nodes, alias), results=results)
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
        results = tuple(Ref(copy.name) if ref == given else ref for ref in part.results)
        return replace(part, nodes=nodes, results=results, formals=FrozenDict(formals))


def _results(site: Site, option: str, output: Arg) -> tuple[Ref, ...]:
    """What an alternative gives, one reference for each result of the site."""
    several = output.items if isinstance(output, List) else output
    found = several if isinstance(several, tuple) and len(site.outputs) > 1 else (output,)
    if len(found) == len(site.outputs) and all(isinstance(ref, Ref) for ref in found):
        return found
    wanted = f"a tuple of {len(site.outputs)} tensors" if len(site.outputs) > 1 else "one tensor"
    given = f"a tuple of {len(found)}" if len(found) > 1 else "one value" if isinstance(output, Ref) else None
    raise GraphError(
        f"alternative {option!r} gives {given or f'a {type(output).__name__}'} at {site.where}; it must give {wanted}"
    )


def _part(site: Site, path: str, nodes: tuple[Node, ...], results: tuple[Ref, ...], formals: Formals) -> _Part:
    """The nodes under the site's condition; those that read parameters stand before everything and have none."""
    parameters = tuple(node for node in nodes if isinstance(node.op, Param))
    own = tuple(replace(node, when=conjunction(site.when, node.when)) for node in nodes if node not in parameters)
    if len(own) == 1 and isinstance(own[0].op, Layer) and own[0].op.path == path:
        own = (replace(own[0], name=suffixed(site.name, path.removeprefix(site.label)), source=site.source),)
        results = (Ref(own[0].name),)
    return _Part(parameters, own, results, formals=formals)


def _check_fit(site: Site, option: str, wanted: Result, found: Result) -> None:
    if found != wanted:
        raise GraphError(
            f"alternative {option!r} gives {found} at {site.where}, which gives {wanted}; build it from "
            "site.input_shape and site.output_shape so that they agree, or leave the site out by where"
        )
