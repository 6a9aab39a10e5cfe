"""Graphs as `torch.fx.GraphModule`s, for those who have passes over them."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, fx

from graphnas.errors import GraphError
from graphnas.ir.attributes import ATTRIBUTES
from graphnas.ir.choice import FUNCTIONS, Apply, Choice, Expr, Training
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
    MERGES,
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
from graphnas.tracing.assembly import assemble
from graphnas.tracing.names import resolve


def to_fx(graph: Graph, weights: Mapping[str, Tensor] | None = None, training: bool = False) -> fx.GraphModule:
    """A runnable `torch.fx.GraphModule` that computes what the graph does in one mode.

    Args:
        graph: without open choices.
        weights: a `state_dict`; without it the layers start as torch starts them.
        training: which mode; fx has no conditions, so the other mode's part is left out.

    Raises:
        GraphError: the graph has open choices, or names what the installed torch does not have.
    """
    if graph.choices:
        raise GraphError(
            f"graph {graph.name} has open choices ({', '.join(graph.choices)}), which fx cannot hold; specialize it"
        )
    root = assemble(graph)
    if weights is not None:
        root.load_state_dict(dict(weights))
    module = fx.GraphModule(root, _Conversion(graph, training).run(), class_name=graph.name)
    return module.train(training)


class _Conversion:
    """A graph on its way to fx, node by node."""

    def __init__(self, graph: Graph, training: bool) -> None:
        self._graph = graph
        self._training = training
        self._fx = fx.Graph()
        self._values: dict[str, Any] = {}
        self._given: dict[str, fx.Node] = {}
        self._modes: list[fx.Node] = []

    def run(self) -> fx.Graph:
        """The fx graph."""
        self._inputs()
        for node in self._graph.nodes:
            if self._runs(node):
                self._values[node.name] = self._node(node)
        self._fx.output(self._arg(self._graph.output))
        self._fx.lint()
        return self._fx

    def _inputs(self) -> None:
        given = self._given
        for parameter in self._graph.signature:
            stars = {"var_positional": "*", "var_keyword": "**"}.get(parameter.kind, "")
            default = () if parameter.required or stars else (self._arg(parameter.value),)
            given[parameter.name] = (
                self._fx.placeholder(stars + parameter.name, default_value=default[0])
                if default
                else (self._fx.placeholder(stars + parameter.name))
            )
        for item in self._graph.inputs:
            value = given[item.path[0]] if item.path[0] in given else self._fx.placeholder(str(item.path[0]))
            given.setdefault(str(item.path[0]), value)
            for step in item.path[1:]:
                value = self._fx.call_function(operator.getitem, (value, step))
            self._values[item.name] = value

    def _runs(self, node: Node) -> bool:
        condition = self._arg(node.when) if node.when is not None else True
        if not isinstance(condition, bool):
            raise GraphError(f"{node.where} runs under a condition on sizes or data, which fx cannot hold")
        return condition

    def _node(self, node: Node) -> Any:
        match node.op:
            case Param(path=path):
                return self._fx.get_attr(path)
            case Layer(path=path):
                return self._fx.call_module(path, self._arg(node.args), self._plain(node.kwargs))
            case Choose(choice=condition):
                return self._arg(node.args[0 if self._condition(condition, node) else 1])
            case Call(target=target):
                return self._call(target, node)

    def _condition(self, condition: Expr, node: Node) -> bool:
        closed = self._arg(condition)
        if not isinstance(closed, bool):
            raise GraphError(f"{node.where} chooses by sizes or data, which fx cannot hold")
        return closed

    def _call(self, target: str, node: Node) -> Any:
        args, kwargs = self._arg(node.args), self._plain(node.kwargs)
        match target:
            case _ if target == ARGUMENT:
                return self._given[args[0]]
            case _ if target == ENTER_GRAD_MODE:
                self._modes.append(self._fx.call_function(enter_grad_mode, args))
                return self._modes[-1]
            case _ if target == EXIT_GRAD_MODE:
                return self._fx.call_function(exit_grad_mode, (self._modes.pop(),))
            case _ if target == ENTER_AUTOCAST:
                self._modes.append(self._fx.call_function(enter_autocast, args))
                return self._modes[-1]
            case _ if target == EXIT_AUTOCAST:
                return self._fx.call_function(exit_autocast, (self._modes.pop(),))
            case _ if target in _OWN:
                return self._fx.call_function(_OWN[target], args, kwargs)
            case _ if target in ATTRIBUTES:
                return self._fx.call_function(getattr, (args[0], target.rpartition(".")[2]))
            case _ if target.startswith("torch.Tensor.__") and not kwargs:
                return self._operator(target.rpartition(".")[2], args)
            case _ if target.startswith("torch.Tensor."):
                return self._fx.call_method(target.rpartition(".")[2], args, kwargs)
        return self._fx.call_function(resolve(target), args, kwargs)

    def _item(self, value: Any, step: int | str) -> Any:
        return self._fx.call_function(operator.getitem, (value, step))

    def _operator(self, name: str, args: tuple[Any, ...]) -> Any:
        """An operator as fx has it, so that its code reads `a + b`."""
        bare = name.strip("_")
        for spelled in (bare, f"{bare}_"):
            if hasattr(operator, spelled):
                return self._fx.call_function(getattr(operator, spelled), args)
        return self._fx.call_method(name, args)

    def _plain(self, kwargs: FrozenDict[str, Arg]) -> dict[str, Any]:
        return {key: self._arg(value) for key, value in kwargs.items()}

    def _arg(self, tree: Arg) -> Any:
        match tree:
            case Ref(name=name, item=item):
                return functools.reduce(self._item, item, self._values[name])
            case Size(of=of, dim=None):
                return self._fx.call_method("numel", (self._arg(of),))
            case Size(of=of, dim=dim):
                return self._fx.call_method("size", (self._arg(of), dim))
            case Training():
                return self._training
            case Apply(fn=fn, args=args):
                return self._apply(fn, self._arg(args))
            case Given(of=of):
                return self._fx.call_function(operator.is_not, (self._arg(of), None))
            case Choice(label=label):
                raise GraphError(f"choice {label!r} is open, which fx cannot hold; specialize the graph first")
            case List(items=items):
                return [self._arg(item) for item in items]
            case tuple():
                return tuple(self._arg(item) for item in tree)
            case FrozenDict():
                return {key: self._arg(value) for key, value in tree.items()}
            case Slice(start=start, stop=stop, step=step):
                return slice(self._arg(start), self._arg(stop), self._arg(step))
            case Constant(name=name):
                return resolve(name)
            case Device(name=name):
                return torch.device(name)
        return tree

    def _apply(self, fn: str, args: tuple[Any, ...]) -> Any:
        if not any(isinstance(arg, fx.Node) for arg in args):
            return FUNCTIONS[fn](*args)
        if fn == "if" and isinstance(args[0], bool):
            return args[1] if args[0] else args[2]
        return self._fx.call_function(evaluate, (fn, *args))


# ---------------------------------------------------------------- what the converted graphs call
def evaluate(function: str, *args: Any) -> Any:
    """A function of expressions, by its name."""
    return FUNCTIONS[function](*args)


def guard(test: bool, where: str) -> None:
    """Refuses to go on where a decision that was taken during the trace would come out differently.

    Raises:
        RuntimeError: `test` is false.
    """
    if not test:
        raise RuntimeError(
            f"{where} decides differently than when the graph was traced; trace with an example like this input"
        )


def enter_grad_mode(enabled: bool) -> bool:
    """Switches gradients and returns how they were."""
    before = torch.is_grad_enabled()
    torch._C._set_grad_enabled(enabled)
    return before


def exit_grad_mode(before: bool) -> None:
    """Switches gradients back."""
    torch._C._set_grad_enabled(before)


def enter_autocast(device: torch.device | str) -> torch.autocast:
    """Switches autocast off for a kind of device."""
    context = torch.autocast(device if isinstance(device, str) else device.type, enabled=False)
    context.__enter__()  # type: ignore[no-untyped-call]
    return context


def exit_autocast(context: torch.autocast) -> None:
    """Switches autocast back."""
    context.__exit__(None, None, None)


def alias(value: Any) -> Any:
    """What a module returned as it was given."""
    return value


def set_data(tensor: Tensor, value: Tensor) -> None:
    """`tensor.data = value`."""
    tensor.data = value


def total(*values: Tensor) -> Tensor:
    """The sum of several arms."""
    return functools.reduce(torch.add, values)


def average(*values: Tensor) -> Tensor:
    """The mean of several arms."""
    return total(*values) / len(values)


def concatenated(*values: Tensor) -> Tensor:
    """Several arms behind each other."""
    return torch.cat(values, dim=1)


for _function in (enter_grad_mode, exit_grad_mode, enter_autocast, exit_autocast, guard, set_data):
    fx.node._side_effectful_functions.add(_function)  # dead-code elimination keeps them
_OWN: dict[str, Callable[..., Any]] = {
    GUARD: guard,
    ALIAS: alias,
    SET_DATA: set_data,
    MERGES["sum"]: total,
    MERGES["mean"]: average,
    MERGES["concat"]: concatenated,
}
