"""The rule `Depth`: the last of repeated blocks may be dropped."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace

from graphnas.analysis.elastic import elastic
from graphnas.analysis.shapes import Shape, Unknown, shape_of, shapes
from graphnas.ir.choice import Choice, conjuncts
from graphnas.ir.effects import homes
from graphnas.ir.graph import Graph
from graphnas.ir.node import Choose, Node, Ref
from graphnas.mutations.chains import Chain, chains
from graphnas.mutations.explain import Explanation, Selection, explanation, select
from graphnas.mutations.insertion import Insertion, with_insertions
from graphnas.mutations.labels import check_decisions, check_label
from graphnas.mutations.naming import Names
from graphnas.mutations.selectors import Where
from graphnas.mutations.sites import OPEN_SHAPE, Site
from graphnas.mutations.where import check_where


@dataclass(frozen=True)
class Depth:
    """Lets a container keep only the first of its blocks: n, n - 1, ..., `least` of them. Option 0, n, is the original.

    A container is a `Sequential` that is called, or a `ModuleList` or another module whose numbered children are called
    one after the other. The blocks up to one that hands on another shape than the last, or whose result is read beyond
    the loop, always stay.

    Args:
        where: which containers; see `graphnas.mutations.where`.
        least: how many blocks are kept at the least, from 1 on.
        label: of the decision; may hold {node}. Without a placeholder all containers share one decision.
    """

    where: Where
    least: int = 1
    label: str = "{node}.depth"

    def __post_init__(self) -> None:
        check_where(self.where)
        check_label(self.label, ("node",))
        if type(self.least) is not int:
            raise TypeError(f"least is a number of blocks, but is {self.least!r}")
        if self.least < 1:
            raise ValueError(f"at least one block stays: least must be 1 or more, but is {self.least}")

    def __call__(self, graph: Graph) -> Graph:
        """The graph with the choices.

        Raises:
            GraphError: nothing matches, or no container that matches has a block that can be dropped.
        """
        finder = _Finder(graph, self.least)
        taken = self._selection(finder).required()
        check_decisions(graph, taken, lambda site: self._choice(finder, site))
        names = Names(graph)
        insertions = []
        for site in taken:
            choice, links = self._choice(finder, site), finder.chains[site.name].links
            chosen = Node(
                names.beside(site.name, "depth"), Choose(choice), tuple(links[kept - 1] for kept in choice.options),  # type: ignore[operator]
                scope=site.scope, when=graph.node(links[-1].name).when, source=site.source,
            )  # fmt: skip
            insertions.append(Insertion(site, (chosen,)))
        return with_insertions(graph, insertions)

    def explain(self, graph: Graph) -> Explanation:
        """The containers that the rule takes, those it passes over and why, the blocks that stay, and the decisions."""
        finder = _Finder(graph, self.least)
        selection = self._selection(finder)
        found = explanation(self, graph, selection, self.label, lambda site: self._choice(finder, site))
        limits = ((site, finder.limits[site.name]) for site in selection.matched)
        notes = (
            f"{site.name} keeps its first {limit.options[-1]} of {limit.options[0]} blocks: {limit.reason}"
            for site, limit in limits
            if limit.reason
        )
        return replace(found, notes=(*found.notes, *notes))

    def _selection(self, finder: _Finder) -> Selection:
        candidates = (chain.site for chain in finder.chains.values())
        found = select(self.where, candidates, finder.unfit)
        return replace(found, looked_for=f"containers among {found.looked_for}")

    def _choice(self, finder: _Finder, site: Site) -> Choice:
        return Choice(self.label.format(node=site.label), finder.limits[site.name].options)


@dataclass(frozen=True)
class _Limit:
    """How many blocks of a chain can be kept, all of them first, and why no fewer."""

    options: tuple[int, ...]
    reason: str = ""


class _Finder:
    """The chains of a graph by name, and how many of their blocks must stay."""

    def __init__(self, graph: Graph, least: int) -> None:
        self._graph = graph
        self._least = least
        self._order = {name: position for position, name in enumerate(graph.by_name)}
        self._shapes, self._elastic, self._homes = shapes(graph), elastic(graph), homes(graph)
        self._later: dict[str, list[Node]] = {}  # name → the nodes that read it or are after it
        for node in graph.nodes:
            for name in dict.fromkeys((*(ref.name for ref in node.refs), *node.after)):
                self._later.setdefault(name, []).append(node)
        self.chains = {chain.site.name: chain for chain in chains(graph)}
        self.limits = {name: self._limit(chain) for name, chain in self.chains.items()}

    def unfit(self, site: Site) -> str:
        """Why none of a container's blocks can be dropped; empty where one can."""
        if fault := self.chains[site.name].fault:
            return fault
        if label := self._label(self.chains[site.name]):
            return f"label {label!r} decides how many of its blocks run already; apply the rule once"
        limit = self.limits[site.name]
        if len(limit.options) > 1:
            return ""
        return limit.reason or f"it has {len(self.chains[site.name].blocks)} blocks, and {self._least} are to stay"

    def _label(self, chain: Chain) -> str:
        """The label by which the depth is chosen already; empty where it is not."""
        depths = range(1, len(chain.links) + 1)
        for node in self._later.get(chain.links[-1].name, ()):
            match node.op:
                case Choose(choice=Choice(label=label, options=options)) if all(kept in depths for kept in options):
                    if node.args == tuple(chain.links[kept - 1] for kept in options):  # type: ignore[operator]
                        return label
        return ""

    def _limit(self, chain: Chain) -> _Limit:
        options = [len(chain.blocks)]
        if chain.fault:
            return _Limit(tuple(options))
        for kept in range(len(chain.blocks) - 1, self._least - 1, -1):
            if reason := self._shape_differs(chain, kept) or self._is_read(chain, kept):
                return _Limit(tuple(options), reason)
            options.append(kept)
        return _Limit(tuple(options))

    def _shape_differs(self, chain: Chain, kept: int) -> str:
        """Why what the last block to be kept hands on cannot stand for what the last one does."""
        link, last = chain.links[kept - 1], chain.links[-1]
        block, found, wanted = chain.blocks[kept - 1], shape_of(self._shapes, link), shape_of(self._shapes, last)
        if isinstance(wanted, Unknown):
            return f"the shape of its result depends on the data: {wanted.reason}"
        if not isinstance(wanted, Shape):
            return "its result is not one tensor"
        if found != wanted:
            return f"{block.where} hands on {found}, but the last block {wanted}"
        if link.name in self._elastic or last.name in self._elastic:
            return OPEN_SHAPE
        conditions = conjuncts(self._graph.node(last.name).when)
        if any(part not in conditions for part in conjuncts(self._graph.node(link.name).when)):
            return f"{block.where} runs only under a condition"
        return ""

    def _is_read(self, chain: Chain, kept: int) -> str:
        """Who beyond the loop needs a block that would be dropped, or reads what the last one to be kept gives."""
        link = chain.links[kept - 1]
        staying = [name for block in chain.blocks[:kept] for name in block.nodes]
        dropped = [name for block in chain.blocks[kept:] for name in block.nodes]
        if other := self._reader(chain, [link], {*staying, *dropped}):
            return f"{other} what its block {kept} hands on"
        frames = {frame for name in dropped for frame in self._graph.node(name).scope[len(chain.site.scope) :]}
        for name in dropped:
            if name in self._homes and self._homes[name] not in frames:
                return (
                    f"{self._graph.node(name).where}, behind its block {kept}, lives for what is outside of its block"
                )
        if other := self._reader(chain, map(Ref, dropped), staying):
            return f"{other} what is computed behind its block {kept}"
        return ""

    def _reader(self, chain: Chain, start: Iterable[Ref], apart: Collection[str]) -> str:
        """Who is given a value beyond the loop, other than the result of the last block; empty where nobody is.

        Args:
            chain: the loop.
            start: the values, followed through what runs between the blocks.
            apart: names of nodes to be left out of account.
        """
        last, stop = chain.links[-1], self._order[chain.site.nodes[-1]]
        found = dict.fromkeys(start)
        waiting = list(found)
        for value in waiting:
            if any(_leads(ref, value) and not _leads(ref, last) for ref in self._graph.reads):
                return "the network returns"
            for reader in self._later.get(value.name, ()):
                refs = [ref for ref in reader.refs if _leads(ref, value)]
                is_later = self._order[reader.name] > stop
                if reader.name in apart or Ref(reader.name) in found or not (refs or value.name in reader.after):
                    continue
                if is_later and value.name == last.name and all(_leads(ref, last) for ref in refs):
                    continue
                if is_later or reader.name in self._homes:
                    return f"{reader.where} reads"
                found[Ref(reader.name)] = None
                waiting.append(Ref(reader.name))
        return ""


def _leads(ref: Ref, value: Ref) -> bool:
    """Whether a reference reads a value or a part of it."""
    return ref.name == value.name and ref.item[: len(value.item)] == value.item
