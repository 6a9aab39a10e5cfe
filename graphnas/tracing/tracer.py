"""From a module to a graph: the public entrance."""

from __future__ import annotations

import itertools
import threading
import warnings
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from graphnas.errors import TraceError, TraceWarning, UnrecordableError, nearest
from graphnas.ir.effects import draws, effect, keeps_statistics, writes_state
from graphnas.ir.frozen import FrozenDict
from graphnas.ir.graph import Graph
from graphnas.ir.node import Arg, Entry, Frame, Layer, Node, Ref, refs_in
from graphnas.ir.specialize import reads_inside
from graphnas.tracing.examples import Faces, example, examples, faces
from graphnas.tracing.initialization import with_starts
from graphnas.tracing.interface import Interface
from graphnas.tracing.lift import Lift, Place
from graphnas.tracing.modules import Registry
from graphnas.tracing.opaque import keep_whole, warn
from graphnas.tracing.patches import eager
from graphnas.tracing.recording import made, named, paused
from graphnas.tracing.runs import Runs
from graphnas.tracing.table import Table

# What torch puts around a model, and where it holds that.
_WRAPPERS = {"OptimizedModule": "_orig_mod", "DataParallel": "module", "DistributedDataParallel": "module"}

# What a trace replaces in torch, and the generators, are those of the whole process.
_TRACING = threading.RLock()


@dataclass(frozen=True, slots=True)
class Tracer:
    """How a model is traced.

    Attributes:
        exact: libraries that ask whether they are being compiled are told the truth. By default they are told yes, and
            take the path that has no branches on data.
        opaque: what becomes of a module that does what a graph cannot hold: "warn" keeps it whole, as one layer, and
            says so; "error" raises.
        leaf: globs on the paths of modules that are to stay whole, as one layer each.
    """

    exact: bool = False
    opaque: str = "warn"
    leaf: Collection[str] = ()

    def __post_init__(self) -> None:
        if self.opaque not in ("warn", "error"):
            raise TraceError(f"opaque is {self.opaque!r}; it can be 'warn' or 'error'")
        if isinstance(self.leaf, str):
            raise TraceError(f"leaf is the string {self.leaf!r}; give a tuple of globs: ({self.leaf!r},)")

    def trace(self, model: nn.Module | str, *args: Any, **kwargs: Any) -> Graph:
        """The graph of a model; the model is left exactly as it was.

        Args:
            model: any module, a `torch.fx.GraphModule` too; or "package.module:factory", which names what builds the
                model, so that it is recorded how its parameters start.
            *args: example inputs of its `forward`; or several examples, of which each is a call (`gn.example`).
            **kwargs: example inputs by keyword.

        Raises:
            TraceError: the model cannot be run on the inputs, or does what a graph cannot hold.
        """
        if isinstance(model, str):
            model = made(named(model), model)
        with _TRACING:
            registry = _registry(model)
            self._keep_leaves(registry)
            reserved = registry.paths - {""}
            known = faces(model, examples(args, kwargs), reserved)
            lift, table = self._lifted(registry, known, reserved, Place())
        _tell_of_hooks(registry)
        _tell_of_layouts(model)
        graph = Graph(
            known.inputs,
            lift.nodes,
            lift.output,
            modules=table,
            formals=_formals(lift.formals),
            name=registry.name,
            signature=known.signature,
        )
        graph = without_dead_nodes(graph)
        _ = graph.choices  # which raises where one label is two decisions
        return graph

    def alternative(
        self,
        module: nn.Module,
        inputs: Sequence[Tensor],
        path: str,
        scope: tuple[Frame, ...] = (),
        taken: Collection[str] = (),
        call: int = 0,
        given: Sequence[Arg] = (),
    ) -> Alternative:
        """A module as the nodes that stand for it in a larger graph; see `trace_alternative`."""
        registry = _registry(module, path)
        reserved = {path, *(f"{path}.{name}" for name in registry.paths if name)}
        known = replace(faces(module, (example(*inputs),), set(reserved)), told=())  # a site always gives its values
        refs = tuple(given) or tuple(Ref(item.name) for item in known.inputs)

        def whole(layer: Layer) -> Alternative:
            name = f"{path}@{call}" if call else path
            node = Node(name, replace(layer, path=path), refs, scope=scope)
            rows = with_starts(Table(registry, {}, path).rows(), registry, path)
            return Alternative((node,), Ref(name), rows, FrozenDict(), known.each[0])

        layer = registry.layer(module)
        if layer is not None:
            return whole(layer)
        frames = (*scope, Frame(path, registry.class_name(module), call))
        named = {item.name: ref for item, ref in zip(known.inputs, refs, strict=True)}
        try:
            lift, table = self._lifted(registry, known, reserved, Place(path, frames, call, taken, named))
        except UnrecordableError as error:
            if self.opaque == "error" or error.path:
                raise
            layer = keep_whole(registry, "", error)
            warn(registry, "", error)
            return whole(layer)
        graph = without_dead_nodes(
            Graph(known.inputs, lift.nodes, lift.output, modules=table, formals=_formals(lift.formals))
        )
        return Alternative(graph.nodes, graph.output, table, graph.formals, known.each[0])

    def _keep_leaves(self, registry: Registry) -> None:
        for glob in self.leaf:
            found = [path for path in sorted(registry.module_paths) if path and fnmatchcase(path, glob)]
            if not found:
                raise TraceError(
                    f"no module of {registry.name} is called {glob!r}.{nearest(glob, registry.module_paths)}\n"
                    "  in leaf. Give globs on the names of model.named_modules()."
                )
            for path in found:
                if registry.layer(registry.named(path)) is None:
                    keep_whole(registry, path)

    def _lifted(
        self, registry: Registry, known: Faces, reserved: set[str], place: Place
    ) -> tuple[Lift, tuple[Entry, ...]]:
        with _TRACING, paused(), eager():
            lift = Lift(Runs(registry, known, self.exact, self.opaque).record(), reserved, place)
            return lift, with_starts(Table(registry, lift.constants, place.path).rows(), registry, place.path)


@dataclass(frozen=True, slots=True)
class Alternative:
    """A module as part of a larger graph.

    Attributes:
        nodes: in order, those that read parameters first.
        output: argument tree of what it returns.
        entries: its rows of the module table.
        formals: of its module calls.
        interface: what it was called with.
    """

    nodes: tuple[Node, ...]
    output: Arg
    entries: tuple[Entry, ...]
    formals: FrozenDict[tuple[str, int], FrozenDict[Ref, str]]
    interface: Interface


def trace(model: nn.Module | str, *args: Any, **kwargs: Any) -> Graph:
    """The graph of a model, which is left exactly as it was; `Tracer` has the options.

    Args:
        model: any module, a `torch.fx.GraphModule` too; or "package.module:factory", which names what builds the model,
            so that it is recorded how its parameters start; see also `recording`.
        *args: example inputs of its `forward`; or several examples, of which each is a call (`example`).
        **kwargs: example inputs by keyword.

    Raises:
        TraceError: the model cannot be run on the inputs, or does what a graph cannot hold.
    """
    return Tracer().trace(model, *args, **kwargs)


def trace_alternative(
    module: nn.Module,
    examples: Sequence[Tensor],
    path: str,
    scope: tuple[Frame, ...] = (),
    taken: Collection[str] = (),
    call: int = 0,
    given: Sequence[Arg] = (),
) -> Alternative:
    """A module as the nodes that stand for it in a larger graph.

    Args:
        module: what is to stand there; one of torch's layers becomes a single node called `path`.
        examples: tensors like those that it will be given.
        path: where it is registered in the larger model.
        scope: the module calls around it.
        taken: names of the larger graph that its nodes must not have.
        call: which call of it this is.
        given: what it reads in the larger graph; the names of its own `forward` if left out.

    Raises:
        TraceError: it cannot be run on the examples, or does what a graph cannot hold.
    """
    return Tracer().alternative(module, examples, path, scope, taken, call, given)


def without_dead_nodes(graph: Graph) -> Graph:
    """The graph without nodes that nobody reads and that do nothing else; what is left unread is an effect."""
    needed = {ref.name for ref in refs_in(graph.output)}
    kept: list[Node] = []
    for node in reversed(graph.nodes):
        lasts = draws(node) or keeps_statistics(node) or writes_state(node, graph) or effect(node, graph)
        if node.name in needed or lasts:
            needed.update(ref.name for ref in node.refs)
            needed.update(node.after)
            kept.append(node)
    reads = reads_inside(kept)
    formals = {
        call: FrozenDict({ref: name for ref, name in names.items() if ref.name in reads[call]})
        for call, names in graph.formals.items()
        if call in reads
    }
    return replace(graph, nodes=tuple(kept[::-1]), formals=FrozenDict(formals))


# ---------------------------------------------------------------- reading the model
def _registry(model: nn.Module, prefix: str = "") -> Registry:
    if isinstance(model, type):
        raise TraceError(f"{model.__name__} is a class, and a model is traced; give one, {model.__name__}(...)")
    if not isinstance(model, nn.Module):
        raise TraceError(f"a {type(model).__name__} cannot be traced; give a torch.nn.Module")
    if isinstance(model, torch.jit.ScriptModule):
        raise TraceError(
            f"{type(model).__name__} is scripted, and its calls are not seen; give the module it was made from"
        )
    kind = type(model)
    if kind.__name__ in _WRAPPERS and kind.__module__.startswith("torch."):
        raise TraceError(f"{kind.__name__} wraps the model\n  at the model. Give `model.{_WRAPPERS[kind.__name__]}`.")
    for path, tensor in itertools.chain(model.named_parameters(), model.named_buffers()):
        if is_lazy(tensor):
            raise TraceError(
                f"{path!r} of {type(model).__name__} has no shape before the model is called\n  at the model. "
                "Call it once on the example inputs, and trace it then."
            )
    return Registry(model, prefix)


def _tell_of_hooks(registry: Registry) -> None:
    """A hook on the backward pass is nothing that `forward` does."""
    model = registry.model
    hooked = [path or registry.name for path, module in model.named_modules() if _has_backward_hooks(module)]
    hooked += [path for path, parameter in model.named_parameters() if _is_hooked(parameter)]
    if hooked:
        warnings.warn(
            f"the hooks on the backward pass of {', '.join(map(repr, hooked))} are no part of the graph; put them on "
            "what is built of it",
            TraceWarning,
            stacklevel=3,
        )


def _tell_of_layouts(model: nn.Module) -> None:
    """What is built of a graph has all tensors row by row, as torch makes them; another order may round otherwise."""
    held = itertools.chain(model.named_parameters(), model.named_buffers())
    found = [path for path, tensor in held if tensor.layout == torch.strided and not tensor.is_contiguous()]
    if found:
        warnings.warn(
            f"tensors of {type(model).__name__} do not lie row by row in memory, such as {found[0]!r}; in what is "
            "built of the graph they do, and its results may differ in the last bits: bring both into one layout, as "
            "by `.to(memory_format=torch.channels_last)`",
            TraceWarning,
            stacklevel=3,
        )


def _has_backward_hooks(module: nn.Module) -> bool:
    return bool(module._backward_hooks or module._backward_pre_hooks)


def _is_hooked(parameter: nn.Parameter) -> bool:
    return bool(parameter._backward_hooks or parameter._post_accumulate_grad_hooks)


def _formals(found: Mapping[tuple[str, int], Mapping[Ref, str]]) -> FrozenDict[tuple[str, int], FrozenDict[Ref, str]]:
    return FrozenDict({call: FrozenDict(names) for call, names in found.items() if names})
