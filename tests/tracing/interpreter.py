"""Runs a graph node by node on the parameters of the model that it came from."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from graphnas.ir.attributes import ATTRIBUTES
from graphnas.ir.choice import FUNCTIONS, Apply, Training
from graphnas.ir.frozen import FrozenDict
from graphnas.ir.graph import Graph
from graphnas.ir.node import (
    ALIAS,
    ARGUMENT,
    ENTER_AUTOCAST,
    ENTER_GRAD_MODE,
    EXIT_AUTOCAST,
    EXIT_GRAD_MODE,
    GUARD,
    SET_DATA,
    Arg,
    Call,
    Choose,
    Constant,
    Device,
    Given,
    Layer,
    List,
    Node,
    Param,
    Ref,
    Size,
    Slice,
)
from graphnas.tracing.constants import tensor_of
from graphnas.tracing.names import resolve


class GuardError(Exception):
    """A guard does not admit the inputs."""


class Interpreter:
    """A graph that can be called like the model it was traced from.

    Args:
        graph: closed.
        model: whose layers and tensors are used.
    """

    def __init__(self, graph: Graph, model: nn.Module) -> None:
        self.graph = graph
        self.model = model

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        names = [parameter.name for parameter in self.graph.signature]
        given: dict[str, Any] = {**dict(zip(names, args, strict=False)), **kwargs}
        self.given = {p.name: given.get(p.name, p.value) for p in self.graph.signature}
        self.values: dict[str, Any] = {}
        self.modes: list[Any] = []
        for item in self.graph.inputs:
            value: Any = self.given[item.path[0]]
            for step in item.path[1:]:
                value = value[step]
            self.values[item.name] = value
        for node in self.graph.nodes:
            if node.when is None or self.arg(node.when):
                self.values[node.name] = self.run(node)
        return self.arg(self.graph.output)

    def run(self, node: Node) -> Any:
        match node.op:
            case Param(path=path):
                entry = self.graph.entries.get(path)
                return tensor_of(entry.config) if entry and entry.kind == "constant" else attribute(self.model, path)
            case Layer(path=path):
                return self.model.get_submodule(path)(*self.arg(node.args), **self.arg(node.kwargs))
            case Choose(choice=condition):
                return self.arg(node.args[0 if self.arg(condition) else 1])
            case Call(target=target):
                return self.call(target, node)

    def call(self, target: str, node: Node) -> Any:
        args, kwargs = self.arg(node.args), self.arg(node.kwargs)
        if target == GUARD:
            if not args[0]:
                raise GuardError(args[1])
            return None
        if target == ENTER_GRAD_MODE:
            self.modes.append(torch.is_grad_enabled())
            return torch._C._set_grad_enabled(args[0])
        if target == EXIT_GRAD_MODE:
            return torch._C._set_grad_enabled(self.modes.pop())
        if target == ENTER_AUTOCAST:
            kind = args[0] if isinstance(args[0], str) else args[0].type
            self.modes.append(torch.autocast(kind, enabled=False))
            return self.modes[-1].__enter__()
        if target == EXIT_AUTOCAST:
            return self.modes.pop().__exit__(None, None, None)
        if target == ARGUMENT:
            return self.given[args[0]]
        if target == ALIAS:
            return args[0]
        if target == SET_DATA:
            args[0].data = args[1]
            return None
        if target in ATTRIBUTES:
            return getattr(args[0], target.rpartition(".")[2])
        return resolve(target)(*args, **kwargs)

    def arg(self, tree: Arg) -> Any:
        match tree:
            case Ref(name=name, item=item):
                value = self.values[name]
                for step in item:
                    value = value[step]
                return value
            case Size(of=of, dim=dim):
                return self.arg(of).numel() if dim is None else self.arg(of).shape[dim]
            case Given(of=of):
                return self.arg(of) is not None
            case Apply(fn="and", args=(first, second)):
                return self.arg(first) and self.arg(second)
            case Training():
                return self.model.training
            case Apply(fn="if", args=(condition, yes, no)):
                return self.arg(yes) if self.arg(condition) else self.arg(no)
            case Apply(fn=fn, args=args):
                return FUNCTIONS[fn](*map(self.arg, args))
            case List(items=items):
                return [self.arg(item) for item in items]
            case tuple():
                return tuple(self.arg(item) for item in tree)
            case FrozenDict():
                return {key: self.arg(value) for key, value in tree.items()}
            case Slice(start=start, stop=stop, step=step):
                return slice(self.arg(start), self.arg(stop), self.arg(step))
            case Constant(name=name):
                return resolve(name)
            case Device(name=name):
                return torch.device(name)
        return tree


def attribute(model: nn.Module, path: str) -> Tensor:
    """The tensor registered at a path."""
    owner, _, name = path.rpartition(".")
    return getattr(model.get_submodule(owner), name)
