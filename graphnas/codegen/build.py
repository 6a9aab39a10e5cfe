"""From a graph to a running network."""

from __future__ import annotations

import linecache
import sys
from collections.abc import Collection, Mapping
from types import CodeType, ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from graphnas.codegen.emit import emit, root_class
from graphnas.codegen.inherit import SizesError, slice_like
from graphnas.codegen.starting import has_starts
from graphnas.errors import EmitError
from graphnas.ir.graph import Graph
from graphnas.ir.initial import is_recorded
from graphnas.ir.node import Layer
from graphnas.ir.storing import digest
from graphnas.ir.verify import foreign, verify


def build(graph: Graph, weights: Mapping[str, Tensor] | None = None, guards: bool = True) -> nn.Module:
    """The network of a graph: its emitted file, executed.

    Args:
        graph: closed, or open for the supernet, which is called with `plan=`.
        weights: inherited by path, and cut where the network is narrower; where it is wider they fill the part that a
            narrower one would have, and the rest starts afresh. So does a layer of which nothing is there. Without
            weights every tensor starts as it was recorded to start (see `graphnas.recording`), else as torch starts it.
        guards: see `emit`.

    Raises:
        TypeError: the weights are no mapping.
        EmitError: the graph cannot be written; or without its weights a bare parameter or a buffer has no known start;
            or the weights are those of a wrapper; or a tensor has another shape; or no option of a layer of the
            supernet is the largest.
    """
    if weights is not None and not isinstance(weights, Mapping):
        raise TypeError(f"weights are a state_dict, such as model.state_dict(), not a {type(weights).__name__}")
    verify(graph, allow=foreign(graph))
    source = emit(graph, guards)
    name = f"<graphnas {graph.name} {digest(graph)[:16]}>"
    linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
    namespace = _run(compile(source, name, "exec"), f"graphnas_{graph.name}")
    try:
        network: nn.Module = namespace[root_class(graph)]()
    except SizesError as error:
        raise EmitError(
            f"{error}\n  at {_decided(graph, error.labels)}. Add an option that is largest in every dimension, "
            "or leave those out that are not; children can be built one by one."
        ) from error
    _check_prefix(network, weights or {})
    check_starts(graph, weights or {})
    if has_starts(graph) and (weights is None or not weights.keys() >= network.state_dict().keys()):
        network.init_weights()  # type: ignore[operator]
    if weights is not None:
        inherit(network, weights, started(graph))
    return network


def _run(source: CodeType, name: str) -> dict[str, Any]:
    """What a file defines; while it runs it is a module of that name, among which data classes look for theirs."""
    module, before = ModuleType(name), sys.modules.get(name)
    sys.modules[name] = module
    try:
        exec(source, vars(module))
    finally:
        del sys.modules[name]
        if before is not None:
            sys.modules[name] = before
    return vars(module)


def _decided(graph: Graph, labels: tuple[str, ...]) -> str:
    """The first layer that these choices decide."""
    for node in graph.nodes:
        if isinstance(node.op, Layer) and {choice.label for choice in node.choices} == set(labels):
            return node.where
    return f"a layer of {graph.name}"


def inherit(network: nn.Module, weights: Mapping[str, Tensor], started: Collection[str] = ()) -> None:
    """Copies weights into a network, by path.

    Args:
        network: whose tensors are overwritten.
        weights: by path.
        started: paths of tensors that have a start where the weights do not have them.

    Raises:
        EmitError: part of a layer's tensors is missing, or one cannot be cut to its shape, or has no data.
    """
    with torch.no_grad():
        for name, tensor in network.state_dict(keep_vars=True).items():
            if name not in weights:
                if name not in started:
                    _check_missing(name, network, weights)
                continue
            try:
                _copy(weights[name], tensor)
            except EmitError as error:
                raise EmitError(f"weights for {name!r}: {error}") from error


def _check_prefix(network: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Refuses the weights of a model that a wrapper holds, of which none would be found."""
    names = network.state_dict().keys()
    if names & weights.keys():
        return
    for name in names:
        longer = next((key for key in weights if key.endswith(f".{name}")), None)
        if longer is not None:
            prefix = longer.removesuffix(name)
            raise EmitError(
                f"the weights have {longer!r}, but not {name!r}\n  at weights=. "
                f"Give the state_dict of the model inside {prefix.rstrip('.')!r}, or take {prefix!r} off its names."
            )


def _copy(source: Tensor, target: Tensor) -> None:
    """Cuts a larger tensor to a narrower network's; in a supernet's larger one it takes the part that a child would."""
    if source.is_meta:
        raise EmitError("it is on the meta device and has no data\n  at weights=. Load the weights first, or give none")
    wider = source.dim() == target.dim() and all(have <= want for have, want in zip(source.shape, target.shape))
    if wider:
        slice_like(target, tuple(source.shape)).copy_(source)
    else:
        target.copy_(slice_like(source, tuple(target.shape)))


def _check_missing(name: str, network: nn.Module, weights: Mapping[str, Tensor]) -> None:
    owner = name.rpartition(".")[0]
    siblings = [key for key in network.state_dict() if key.rpartition(".")[0] == owner]
    if any(key in weights for key in siblings):
        raise EmitError(f"the weights have no {name!r}, although they have other tensors of {owner or 'the root'!r}")


def started(graph: Graph) -> frozenset[str]:
    """The parameters and buffers outside of layers of which it is known how they start."""
    return frozenset(entry.path for entry in graph.modules if "" in entry.initial and is_recorded(entry.initial[""]))


def check_starts(graph: Graph, weights: Mapping[str, Tensor]) -> None:
    """Refuses tensors that would hold what happened to lie in memory, or start otherwise than the original's."""
    for entry in graph.modules:
        for name, steps in entry.initial.items():
            path = f"{entry.path}.{name}" if name else entry.path
            if not is_recorded(steps) and path not in weights and not entry.same_as:
                reason, where = steps[0].args
                raise EmitError(
                    f"how {path!r} starts is not recorded: {reason}\n  at {where}. Give weights=model.state_dict()."
                )
        bare = entry.kind == "parameter" or (entry.kind == "buffer" and entry.config.get("value") is None)
        if bare and not entry.same_as and not entry.initial and entry.path not in weights:
            raise EmitError(
                f"{entry.kind} {entry.path!r} belongs to no layer, and how it starts is not recorded; "
                "give weights=model.state_dict(), or build the model inside `with gn.recording():`"
            )
