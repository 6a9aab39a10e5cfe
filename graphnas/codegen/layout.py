"""The flat graph folded back into module calls: what goes into each call and what comes out of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

from graphnas.ir.choice import Expr, conjuncts
from graphnas.ir.demand import Demands
from graphnas.ir.frozen import FrozenDict
from graphnas.ir.graph import Graph
from graphnas.ir.node import Frame, Layer, Node, Param, Ref, refs_in

Conditions: TypeAlias = tuple[Expr, ...]


@dataclass(eq=False, slots=True)
class Region:
    """One module call: the nodes and inner calls that ran directly in it.

    Attributes:
        frame: which call; None for the root.
        parent: the call around it; None for the root.
        depth: how many calls are around it.
        items: nodes and inner calls, in order.
        inputs: values defined outside and used inside, in the order of the formal names, the others behind; parameters
            of modules outside are among them.
        outputs: values defined inside and used outside, in the order in which they are read.
        plan: whether it, or a call in it, depends on open choices.
        when: the conditions that hold throughout.
    """

    frame: Frame | None
    parent: Region | None
    depth: int = 0
    items: list[Node | Region] = field(default_factory=list)
    inputs: dict[Ref, None] = field(default_factory=dict)
    outputs: dict[Ref, None] = field(default_factory=dict)
    plan: bool = False
    when: Conditions | None = None

    @property
    def path(self) -> str:
        """The path of the module that is called; the root's is ""."""
        return self.frame.path if self.frame else ""

    def regions(self) -> Iterator[Region]:
        """All calls in it and it itself, inner ones first."""
        for item in self.items:
            if isinstance(item, Region):
                yield from item.regions()
        yield self


@dataclass(eq=False, slots=True)
class Layout:
    """A graph outlined.

    Attributes:
        graph: what was outlined.
        root: the root's call.
        home: the call in which a node ran or an input arrived.
        calls: the calls of a module by its path.
        items: which items of a tuple-valued node are used.
        sure: those of them that are read whenever the node has run; others may not be there, as the third row of two.
        demands: what everything is needed for, where choices are open.
    """

    graph: Graph
    root: Region
    home: dict[str, Region]
    calls: dict[str, list[Region]]
    items: dict[str, dict[tuple[int | str, ...], None]]
    sure: set[Ref] = field(default_factory=set)
    demands: Demands | None = None

    def called(self, region: Region) -> FrozenDict[Ref, str]:
        """What the inputs of a call are called in its module."""
        frame = region.frame
        return self.graph.formals.get((frame.path, frame.call), FrozenDict()) if frame else FrozenDict()

    def is_certain(self, region: Region, item: Region | str) -> bool:
        """Whether an inner call runs, or a value of this name is needed, whenever a call runs."""
        if self.demands is None:
            return True
        if isinstance(item, Region):
            demand = self.demands.of_call(item.frame)
        else:
            demand = self.demands.nodes[item] if item in self.home and item in self.demands.nodes else None
        return self.demands.implies(self.demands.of_call(region.frame), demand)


def outline(graph: Graph) -> Layout:
    """Finds the module calls of a graph, their inputs and their outputs."""
    layout = Layout(graph, Region(None, None), {}, defaultdict(list), {})
    layout.demands = Demands(graph) if graph.choices else None
    for given in graph.inputs:
        layout.home[given.name] = layout.root
    _nest(layout)
    for name, region in layout.home.items():
        node = graph.by_name.get(name)
        if node is not None:
            _use(layout, node, region)
    for ref in graph.reads:
        _pass(layout, ref, layout.root)
        _ensure(layout, ref, 0)
    for calls in layout.calls.values():
        for region in calls:
            if len(region.inputs) > 1:
                order = {ref: place for place, ref in enumerate(layout.called(region))}
                region.inputs = dict.fromkeys(sorted(region.inputs, key=lambda ref: order.get(ref, len(order))))
    return layout


def conditions(node: Node) -> Conditions:
    """The conditions under which a node runs, one by one."""
    return conjuncts(node.when)


def _nest(layout: Layout) -> None:
    """Puts every node into the call in which it ran."""
    region = layout.root
    frames: tuple[Frame, ...] = ()
    for node in layout.graph.nodes:
        if isinstance(node.op, Param):
            continue
        if node.scope != frames:
            region = _enter(layout, region, frames, node.scope)
            frames = node.scope
        region.items.append(node)
        layout.home[node.name] = region
        if layout.demands is not None and node.choices:
            _mark_plan(region)
    for region in layout.root.regions():
        region.when = _common([when_of(item) for item in region.items]) if region.parent is not None else ()


def _enter(layout: Layout, region: Region, frames: tuple[Frame, ...], scope: tuple[Frame, ...]) -> Region:
    common = 0
    for left, right in zip(frames, scope, strict=False):
        if left != right:
            break
        common += 1
    while region.depth > common:
        assert region.parent is not None  # the root's depth is 0
        region = region.parent
    for frame in scope[common:]:
        inner = Region(frame, region, region.depth + 1)
        region.items.append(inner)
        layout.calls[frame.path].append(inner)
        region = inner
    return region


def _mark_plan(region: Region | None) -> None:
    while region is not None and not region.plan:
        region.plan = True
        region = region.parent


def when_of(item: Node | Region) -> Conditions:
    """The conditions under which a node or a whole call runs."""
    return conditions(item) if isinstance(item, Node) else item.when or ()


def _common(all_conditions: list[Conditions]) -> Conditions:
    if not all_conditions or not all_conditions[0]:
        return ()
    shared = all_conditions[0]
    for other in all_conditions[1:]:
        length = 0
        while length < min(len(shared), len(other)) and shared[length] == other[length]:
            length += 1
        shared = shared[:length]
    return shared


def _use(layout: Layout, node: Node, region: Region) -> None:
    depth = int(node.condition is not None)  # of a join one argument alone is read
    if node.when is None:
        for ref in node.refs:
            _pass(layout, ref, region)
            _ensure(layout, ref, depth)
        return
    around = conditions(node)
    for ref in refs_in((node.args, node.kwargs, node.condition)):
        _pass(layout, ref, region)
        _ensure(layout, ref, depth + len(around))
    for position, condition in enumerate(around):
        user = region  # the condition is written where it begins to hold
        while user.parent is not None and position < len(user.when or ()):
            user = user.parent
        for ref in refs_in(condition):
            _pass(layout, ref, user)
            _ensure(layout, ref, position)


def _ensure(layout: Layout, ref: Ref, depth: int) -> None:
    """Something that runs under so many conditions reads a value."""
    if ref.item:
        node = layout.graph.by_name.get(ref.name)
        if node is None or depth <= len(conditions(node)):
            layout.sure.add(ref)


def _pass(layout: Layout, ref: Ref, user: Region) -> None:
    """Makes a value an output of the calls that it leaves and an input of the calls that it enters."""
    layout.items.setdefault(ref.name, {}).setdefault(ref.item)
    definer = layout.home.get(ref.name)
    if definer is None:  # a parameter: it is passed down from the module that owns it
        while user.parent is not None and not ref.name.startswith(f"{user.path}."):
            user.inputs.setdefault(ref)
            user = user.parent
        return
    while user is not definer:
        if user.depth >= definer.depth:
            user.inputs.setdefault(ref)
            assert user.parent is not None  # only the root has none, and its depth is 0
            user = user.parent
        if definer is not user and definer.depth > user.depth:
            definer.outputs.setdefault(ref)
            assert definer.parent is not None
            definer = definer.parent


def layer_paths(graph: Graph) -> dict[str, Layer]:
    """The layers that nodes call, by path."""
    return {node.op.path: node.op for node in graph.nodes if isinstance(node.op, Layer)}
