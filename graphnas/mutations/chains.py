"""Repeated blocks: the children of a container that are called one after the other, and what each hands to the next."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from graphnas.analysis.shapes import shape_of, shapes
from graphnas.ir.graph import Graph
from graphnas.ir.node import Frame, Layer, Node, Op, Ref, Size, refs_in, transform
from graphnas.mutations.sites import Site, sites, with_choices, with_inputs

SEQUENTIAL = "torch.nn.Sequential"


@dataclass(frozen=True)
class Chain:
    """The blocks that one call of a container runs.

    Attributes:
        site: from the first block up to what the last one hands on.
        blocks: in order, each with what rules before have put in its place.
        links: what each block hands on, behind what the loop around it does with its result; () if they are no chain.
        fault: why they are none.
    """

    site: Site
    blocks: tuple[Site, ...]
    links: tuple[Ref, ...] = ()
    fault: str = ""


def chains(graph: Graph) -> tuple[Chain, ...]:
    """Every container whose blocks are called, an outer one before those inside it.

    The blocks of a `Sequential` are its children; those of any other module are the children with a number for a name.
    A block that is called several times counts each time.

    Raises:
        GraphError: the graph does not run (`analysis.shapes`).
    """
    builder = _Builder(graph)
    calls: dict[str, int] = {}
    result = []
    for blocks in builder.runs():
        holder = blocks[0].path.rpartition(".")[0]
        call = calls[holder] = calls.get(holder, -1) + 1
        result.append(builder.chain(f"{holder}@{call}" if call else holder, blocks))
    return tuple(sorted(result, key=lambda chain: (builder.start(chain.site), chain.site.path.count("."))))


class _Builder:
    """Finds the chains of a graph."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._names = tuple(graph.by_name)
        self._order = {name: position for position, name in enumerate(self._names)}

    def start(self, site: Site) -> int:
        """The position of a site's first node."""
        return self._order[site.nodes[0]]

    def runs(self) -> Iterator[list[Site]]:
        """The blocks of every call of a container, in order."""
        groups: dict[tuple[str, tuple[Frame, ...]], list[Site]] = {}
        for site in sites(self._graph):
            holder, _, name = site.path.rpartition(".")
            if site.kind == "call" or not (name.isdecimal() or self._is_sequential(holder, site.scope)):
                continue
            group = groups.setdefault((holder, site.scope), [])
            if not group or self.start(site) > self._end(group[-1]):  # else a rule has put it in the place of that one
                group.append(with_inputs(self._graph, with_choices(self._graph, site)))
        for group in groups.values():
            run = group[:1]
            for block in group[1:]:
                if any(block.path == other.path for other in run) and not self._goes_on(run, block):
                    yield run  # the container is gone through once more, from the beginning
                    run = []
                run.append(block)
            yield run

    def chain(self, name: str, blocks: Sequence[Site]) -> Chain:
        """The chain that the blocks are, or what keeps them from being one."""
        first, last = blocks[0], blocks[-1]
        links, fault = self._links(blocks)
        ends = last.outputs if fault else links[-1:]
        stop = max([self._end(last), *(self._order[ref.name] for ref in ends)])
        shape = shapes(self._graph)
        entry = self._graph.entries[last.path.rpartition(".")[0]]
        site = replace(
            first,
            name=name, kind="block", type=entry.type, path=entry.path, config=entry.config,
            nodes=self._names[self.start(first) : stop + 1], outputs=ends,
            input_shapes=tuple(shape_of(shape, ref) for ref in first.inputs),
            output_shapes=tuple(shape_of(shape, ref) for ref in ends), elastic=first.elastic or last.elastic,
            node=None,
        )  # fmt: skip
        return Chain(site, tuple(blocks), links, fault)

    def _links(self, blocks: Sequence[Site]) -> tuple[tuple[Ref, ...], str]:
        """What each block hands on, or why they are no chain."""
        if len(blocks) < 2:
            return (), "only one of its blocks is called"
        links: list[Ref] = []
        kinds: dict[tuple[Op, ...], None] = {}
        for block, after in itertools.pairwise(blocks):
            link = self._link(block, after)
            if link is None:
                return (), f"{after.where} does not take over one result of the block before it"
            kinds[self._glue(block, after, link)] = None
            links.append(link)
        if len(kinds) > 1:
            return (), "what runs between its blocks differs"
        if len(blocks[-1].outputs) != 1:
            return (), f"{len(blocks[-1].outputs)} results of its last block are read by others, not one"
        final = self._final(blocks, links)
        return ((*links, final), "") if final else ((), "what runs behind its last block is not what runs between them")

    def _is_sequential(self, path: str, scope: tuple[Frame, ...]) -> bool:
        entry = self._graph.entries.get(path)
        called = bool(scope) and scope[-1].path == path
        return called and entry is not None and SEQUENTIAL in (entry.type, entry.config.get("base"))

    def _end(self, site: Site) -> int:
        return self._order[site.nodes[-1]]

    def _link(self, block: Site, after: Site) -> Ref | None:
        """The value that a block hands to the next: the last one through which alone all that follows depends on it.

        Where the block gives several values, it is the first of those that the next one reads.
        """
        made = set(block.nodes)
        between = self._names[self._end(block) + 1 : self.start(after)]
        for name in between:
            if any(ref.name in made for ref in self._refs(name)):
                made.add(name)
        if all(ref.name not in made for ref in after.inputs):
            return None
        for stop in range(self.start(after), self._end(block), -1):
            front = self._front(made, stop)
            if len(front) == 1:
                return front.pop()
        return next((ref for ref in after.inputs if ref.name in block.nodes), None)

    def _goes_on(self, run: Sequence[Site], block: Site) -> bool:
        """Whether a block is called in the same loop as those before it."""
        first, link = self._link(*run[:2]) if len(run) > 1 else None, self._link(run[-1], block)
        if first is None or link is None:
            return link is not None
        return self._glue(run[0], run[1], first) == self._glue(run[-1], block, link)

    def _glue(self, block: Site, after: Site, link: Ref) -> tuple[Op, ...]:
        """What runs between two blocks to make of the first one's result what it hands on."""
        between = self._names[self._end(block) + 1 : self.start(after)]
        return tuple(_kind(self._graph.node(name)) for name in self._needed(link, between))

    def _front(self, made: set[str], stop: int) -> set[Ref]:
        """Which of the values that are made before a position are read behind it."""
        earlier = [name for name in made if self._order[name] < stop]
        later = {reader for name in earlier for reader in self._graph.readers.get(name, ())}
        read = (ref for reader in later if self._order[reader] >= stop for ref in self._refs(reader))
        return {ref for ref in (*read, *self._graph.reads) if ref.name in earlier}

    def _refs(self, name: str) -> Iterable[Ref]:
        node = self._graph.node(name)
        return refs_in((node.args, node.kwargs), sizes=False)

    def _final(self, blocks: Sequence[Site], links: Sequence[Ref]) -> Ref | None:
        """What the last block hands on: behind it stands once more what stands between the two blocks before it."""
        before, last = blocks[-2:]
        if links[-1].name in before.nodes:
            return last.outputs[0]
        if links[-1] in last.inputs and len(links) < 2:
            taken = before.inputs[last.inputs.index(links[-1])]
        else:
            taken = links[-2] if len(links) > 1 else links[-1]
        moved = {taken: links[-1], **dict(zip(before.outputs, last.outputs, strict=False))}
        behind = iter(self._names[self._end(last) + 1 :])
        for name in self._needed(links[-1], self._names[self._end(before) + 1 : self.start(last)]):
            like = next((later for later in behind if self._are_alike(name, later, moved)), None)
            if like is None:
                return None
            moved[Ref(name)] = Ref(like)
        found: Ref = _moved(links[-1], moved)
        return found

    def _needed(self, link: Ref, between: Sequence[str]) -> list[str]:
        """The nodes that a value needs, in order."""
        needed = {link.name}
        for name in reversed(between):
            if name in needed:
                needed.update(ref.name for ref in self._graph.node(name).refs)
        return [name for name in between if name in needed]

    def _are_alike(self, first: str, second: str, moved: Mapping[Ref, Ref]) -> bool:
        """Whether the second node does for the last block what the first does for the block before."""
        one, other = self._graph.node(first), self._graph.node(second)
        return _kind(one) == _kind(other) and transform((one.args, one.kwargs), lambda leaf: _moved(leaf, moved)) == (
            other.args,
            other.kwargs,
        )


def _kind(node: Node) -> Op:
    """What a node does, whichever of numbered layers it calls."""
    if isinstance(node.op, Layer):
        return replace(node.op, path=re.sub(r"\d+", "0", node.op.path))
    return node.op


def _moved(leaf: Any, moved: Mapping[Ref, Ref]) -> Any:
    match leaf:
        case Ref(name=name, item=item) if leaf not in moved and Ref(name) in moved:
            return Ref(moved[Ref(name)].name, item)
        case Ref():
            return moved.get(leaf, leaf)
        case Size(of=of):
            return replace(leaf, of=_moved(of, moved))
    return leaf
