"""Where a rule can act: a layer, a function call, or a whole module call."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from graphnas.analysis.elastic import elastic
from graphnas.analysis.shapes import Result, Shape, Unknown, at_default, shape_of, shapes
from graphnas.errors import GraphError
from graphnas.ir.choice import Apply, Expr, conjunction
from graphnas.ir.frozen import FrozenDict
from graphnas.ir.graph import Graph
from graphnas.ir.naming import without_calls
from graphnas.ir.node import Arg, Call, Choose, Frame, Layer, Node, Param, Ref, refs_in, transform
from graphnas.ir.source import Source
from graphnas.mutations.naming import CHOICE, INPUT, is_beside

# Why a rule passes over a site; what a word of the model has opened, no rule can come before.
OPEN_SHAPE = (
    "its shape depends on choices that are open already; apply this rule before the one that made them, "
    "or write the choice into the model by graphnas.nn"
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands in place of a result: the module calls around it, and the node that it stands behind."""

    scope: tuple[Frame, ...]
    behind: str


@dataclass(frozen=True)
class Site:
    """A node, the contiguous nodes of one module call, or others taken together, with what goes in and comes out.

    Attributes:
        name: the node's name; of a module call the path, with `@k` at the k-th further call.
        kind: "layer", "call" (of a function or method), "block" (a module call), "region" or "pattern" (nodes that a
            rule takes together).
        type: dotted class of a layer, dotted function, class name of the user's module, or what was looked for.
        path: where the layer or module is registered; of anything else the innermost module around it.
        nodes: names of the nodes that it consists of, in order.
        inputs: the distinct tensors that it reads, parameters aside, in the order of the call.
        outputs: what is read of it by others.
        input_shapes, output_shapes: of `inputs` and `outputs`.
        config: constructor arguments of a layer, keyword arguments of a call; those that are open at their defaults.
        scope: the module calls around it.
        elastic: whether a shape of its inputs or outputs depends on open choices.
        when: the condition under which all of it runs.
        source: the user's line.
        node: of a layer or call, the node.
        parts: of a region or pattern, the layers and calls in it, in the order in which they are applied.
        places: of a pattern, where something can stand in place of each output; else that is behind the whole.
        unfit: why no rule can take it; empty where nothing is known against it.
    """

    name: str
    kind: str
    type: str
    path: str
    nodes: tuple[str, ...]
    inputs: tuple[Ref, ...]
    outputs: tuple[Ref, ...]
    input_shapes: tuple[Result, ...]
    output_shapes: tuple[Result, ...]
    config: FrozenDict[str, Arg] = field(default_factory=FrozenDict)
    scope: tuple[Frame, ...] = ()
    elastic: bool = False
    when: Expr | None = None
    source: Source | None = field(default=None, compare=False)
    node: Node | None = field(default=None, compare=False, repr=False)
    parts: tuple[Site, ...] = field(default=(), compare=False, repr=False)
    places: tuple[Place, ...] = ()
    unfit: str = ""

    @property
    def label(self) -> str:
        """The name without `@k`: all calls of a module share it, and so the decision."""
        return without_calls(self.name)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Dims of the first input.

        Raises:
            GraphError: it reads no tensor, or its shape depends on the data.
        """
        return _dims(self, "input", self.input_shapes)

    @property
    def output_shape(self) -> tuple[int, ...]:
        """Dims of the first output.

        Raises:
            GraphError: it gives no tensor, or its shape depends on the data.
        """
        return _dims(self, "output", self.output_shapes)

    @property
    def where(self) -> str:
        """The site and the user's line, for messages: `layer layer2.0.act (my_model.py:41)`."""
        return f"{self.kind} {self.name} ({self.source})" if self.source else f"{self.kind} {self.name}"


def not_one_tensor(site: Site) -> str:
    """Why the result of a site is not one tensor of a known, fixed shape; empty where it is."""
    if site.unfit or not site.outputs:
        return site.unfit or "nobody reads its result"
    if len(site.outputs) > 1:
        names = ", ".join(ref.name for ref in site.outputs)
        return f"{len(site.outputs)} of its values are read by others ({names}), not one"
    return not_tensors(site)


def not_tensors(site: Site) -> str:
    """Why the results of a site are not all tensors of a known, fixed shape; empty where they are."""
    for found in site.output_shapes:
        if isinstance(found, Unknown):
            return f"the shape of its result depends on the data: {found.reason}"
        if not isinstance(found, Shape):
            return "its result is not one tensor"
    if site.elastic:
        return OPEN_SHAPE
    return ""


def sites(graph: Graph) -> tuple[Site, ...]:
    """Every site of a graph in order of their first nodes, a module call before what is inside it.

    Raises:
        GraphError: the graph does not run (`analysis.shapes`).
    """
    facts = facts_of(graph)
    blocks = _blocks(graph)
    started: set[Frame] = set()
    result: list[Site] = []
    for node in graph.nodes:
        for depth, frame in enumerate(node.scope):
            if frame not in started:
                started.add(frame)
                result.append(_block(frame, node.scope[:depth], blocks[frame], facts))
        if isinstance(node.op, Layer) or (isinstance(node.op, Call) and not node.op.target.startswith("graphnas.")):
            result.append(_single(node, facts))
    return tuple(result)


def with_choices(graph: Graph, site: Site) -> Site:
    """The site as rules have left it, with what the last of the choices in its place gives.

    Each choice that a rule puts there takes what it replaces as its first arm.
    """
    found = site
    while len(found.outputs) == 1:
        (result,) = found.outputs
        readers = (graph.by_name[name] for name in graph.readers.get(result.name, ()))
        choice = next((node for node in readers if stands_for(node, site) and node.args[0] == result), None)
        if choice is None:
            break
        found = replace(found, nodes=_through(graph, site, choice), outputs=(Ref(choice.name),))
    return found


def with_inputs(graph: Graph, site: Site) -> Site:
    """The site with the choices of what it reads that rules have put before it, and with what these choose among."""
    found = site
    while found.inputs:
        choice = graph.by_name.get(found.inputs[0].name)
        if choice is None or not isinstance(choice.op, Choose) or not is_beside(choice.name, site.name, INPUT):
            break
        found = replace(found, nodes=(choice.name, *found.nodes), inputs=(*choice.refs, *found.inputs[1:]))
    return found


def stands_for(node: Node, site: Site) -> bool:
    """Whether a node is a choice that a rule has put in a site's place."""
    return isinstance(node.op, Choose) and is_beside(node.name, site.name, CHOICE)


def _through(graph: Graph, site: Site, last: Node) -> tuple[str, ...]:
    """The nodes from a site's first one through `last`, between which stands all that rules have added."""
    names = list(graph.by_name)
    first = next(name for name in site.nodes if not isinstance(graph.node(name).op, Param))
    return tuple(names[names.index(first) : names.index(last.name) + 1])


@dataclass(frozen=True)
class Facts:
    """What is known of a graph's values, by which sites are described."""

    graph: Graph
    found: Mapping[str, Result]
    varying: frozenset[str]

    def shapes_of(self, refs: tuple[Ref, ...]) -> tuple[Result, ...]:
        """What each reference has."""
        return tuple(shape_of(self.found, ref) for ref in refs)

    def varies(self, refs: tuple[Ref, ...]) -> bool:
        """Whether any of their shapes depends on open choices."""
        return any(ref.name in self.varying for ref in refs)


def facts_of(graph: Graph) -> Facts:
    """What is known of a graph's values.

    Raises:
        GraphError: the graph does not run (`analysis.shapes`).
    """
    return Facts(graph, shapes(graph), elastic(graph))


def call_name(frame: Frame) -> str:
    """What a module call is called: the path, with `@k` at the k-th further call."""
    return f"{frame.path}@{frame.call}" if frame.call else frame.path


def _blocks(graph: Graph) -> dict[Frame, list[Node]]:
    found: dict[Frame, list[Node]] = {}
    for node in graph.nodes:
        for frame in node.scope:
            found.setdefault(frame, []).append(node)
    return found


def _single(node: Node, facts: Facts) -> Site:
    graph = facts.graph
    inputs = given(graph, [node])
    outputs = read_outside(graph, [node])
    match node.op:
        case Layer(path=path, type=kind, config=config):
            word, config = "layer", transform(config, at_default)
        case Call(target=kind):
            word, path, config = "call", node.scope[-1].path if node.scope else "", transform(node.kwargs, at_default)
        case _:
            raise TypeError(f"{node.where} is no site")
    return Site(
        node.name, word, kind, path, (node.name,), inputs, outputs, facts.shapes_of(inputs), facts.shapes_of(outputs),
        config, node.scope, facts.varies(inputs + outputs), node.when, node.source, node,
    )  # fmt: skip


def _block(frame: Frame, scope: tuple[Frame, ...], nodes: list[Node], facts: Facts) -> Site:
    graph = facts.graph
    formals = list(graph.formals.get((frame.path, frame.call), ()))
    inputs = tuple(sorted(given(graph, nodes), key=lambda ref: formals.index(ref) if ref in formals else len(formals)))
    outputs = read_outside(graph, nodes)
    config = graph.entries[frame.path].config if frame.path in graph.entries else FrozenDict[str, Arg]()
    return Site(
        call_name(frame), "block", frame.type, frame.path, tuple(node.name for node in nodes), inputs, outputs,
        facts.shapes_of(inputs), facts.shapes_of(outputs), config, scope, facts.varies(inputs + outputs),
        common_condition(nodes), nodes[0].source,
    )  # fmt: skip


def given(graph: Graph, nodes: list[Node]) -> tuple[Ref, ...]:
    """What the nodes read from outside: tensors that they compute with, neither parameters nor mere sizes."""
    inside = {node.name for node in nodes}
    refs = (ref for node in nodes for ref in refs_in((node.args, node.kwargs), sizes=False))
    return tuple(dict.fromkeys(ref for ref in refs if ref.name not in inside and not _parameter(graph, ref)))


def _parameter(graph: Graph, ref: Ref) -> bool:
    node = graph.by_name.get(ref.name)
    return node is not None and isinstance(node.op, Param)


def read_outside(graph: Graph, nodes: list[Node]) -> tuple[Ref, ...]:
    """What other nodes, and the output, read of the nodes; mere sizes aside."""
    inside = {node.name for node in nodes}
    readers = dict.fromkeys(reader for node in nodes for reader in graph.readers.get(node.name, ()))
    outside = [graph.by_name[name] for name in readers if name not in inside]
    refs = (*(ref for node in outside for ref in refs_in((node.args, node.kwargs), sizes=False)), *graph.reads)
    return tuple(dict.fromkeys(ref for ref in refs if ref.name in inside))


def common_condition(nodes: list[Node]) -> Expr | None:
    """The condition under which all of the nodes run."""
    shared = [part for part in _parts(nodes[0].when) if all(part in _parts(node.when) for node in nodes)]
    return functools.reduce(conjunction, shared, None)


def _parts(when: Expr | None) -> list[Expr]:
    match when:
        case None:
            return []
        case Apply(fn="and", args=args):
            return [part for arg in args for part in _parts(arg)]
    return [when]


def _dims(site: Site, word: str, candidates: tuple[Result, ...]) -> tuple[int, ...]:
    match candidates:
        case (Shape(dims=dims), *_):
            return dims
        case (Unknown(reason=reason), *_):
            raise GraphError(f"the {word} shape of {site.where} depends on the data: {reason}")
    raise GraphError(f"{site.where} has no {word} that is a tensor")
