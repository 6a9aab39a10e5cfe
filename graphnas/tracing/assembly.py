"""The module tree that a module table describes."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from graphnas.ir.frozen import FrozenDict
from graphnas.ir.graph import Graph
from graphnas.ir.node import Arg, Constant, Device, Entry, List
from graphnas.tracing.constants import tensor_of
from graphnas.tracing.names import resolve


def assemble(graph: Graph) -> nn.Module:
    """The modules, parameters and buffers of a graph, registered as the original has them; classes are plain."""
    root = nn.Module()
    for entry in graph.modules:
        if entry.path:
            _register(root, entry)
    return root


def _register(root: nn.Module, entry: Entry) -> None:
    parent, _, name = entry.path.rpartition(".")
    holder = root.get_submodule(parent)
    if entry.same_as:
        _tie(root, holder, name, entry)
        return
    match entry.kind:
        case "module":
            holder.add_module(name, nn.Module())
        case "layer":
            layer = resolve(entry.type)(**{key: _built(value) for key, value in entry.config.items()})
            for parameter in entry.frozen:
                layer.get_parameter(parameter).requires_grad_(False)
            holder.add_module(name, layer)
        case "parameter":
            tensor = tensor_of(entry.config)
            holder.register_parameter(name, nn.Parameter(tensor, bool(entry.config.get("requires_grad", True))))
        case "buffer":
            holder.register_buffer(name, tensor_of(entry.config), bool(entry.config.get("persistent", True)))
        case "constant":
            holder.register_buffer(name, tensor_of(entry.config), persistent=False)
        case "none":
            getattr(
                holder, {"module": "add_module", "buffer": "register_buffer"}.get(entry.type, "register_parameter")
            )(name, None)


def _tie(root: nn.Module, holder: nn.Module, name: str, entry: Entry) -> None:
    if entry.kind in ("module", "layer"):
        holder.add_module(name, root.get_submodule(entry.same_as))
        return
    owner, _, own_name = entry.same_as.rpartition(".")
    tensor = getattr(root.get_submodule(owner), own_name)
    if name in holder._parameters or isinstance(tensor, nn.Parameter):
        holder.register_parameter(name, tensor)
    else:
        holder.register_buffer(name, tensor, bool(entry.config.get("persistent", True)))


def _built(value: Arg) -> Any:
    match value:
        case Constant(name=name):
            return resolve(name)
        case Device(name=name):
            return torch.device(name)
        case List(items=items):
            return [_built(item) for item in items]
        case FrozenDict():
            return {key: _built(item) for key, item in value.items()}
        case tuple():
            return tuple(map(_built, value))
    return value
