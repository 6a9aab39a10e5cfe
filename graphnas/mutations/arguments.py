"""The arguments of a layer or a call: found by name or position, read, and replaced."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch

from graphnas.analysis.names import resolve
from graphnas.errors import GraphError
from graphnas.ir.frozen import FrozenDict
from graphnas.ir.node import Arg, Call, Layer, Node


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument of a node: where it stands, and its value.

    Attributes:
        place: "config" (of a layer's constructor), "kwargs" or "args".
        key: its name, or its position among `args`.
        value: what it is now.
    """

    place: str
    key: str | int
    value: Arg


def argument_of(node: Node, key: str | int) -> Argument | None:
    """The argument called `key` of a layer's constructor or of a call, or at position `key` of a call; None without."""
    match node.op:
        case Layer(config=config):
            return Argument("config", key, config[key]) if isinstance(key, str) and key in config else None
        case Call(target=target):
            position = key if isinstance(key, int) else _position(target, key)
            if position is not None and 0 <= position < len(node.args):
                return Argument("args", position, node.args[position])
            name = _name(target, key) if isinstance(key, int) else key
            named = {**_defaults(target), **node.kwargs}
            return Argument("kwargs", name, named[name]) if name in named else None
    return None


def with_argument(node: Node, argument: Argument, value: Arg) -> Node:
    """The node with another value of an argument."""
    match argument.place, node.op:
        case "config", Layer(config=config):
            return replace(node, op=replace(node.op, config=FrozenDict({**config, str(argument.key): value})))
        case "kwargs", _:
            return replace(node, kwargs=FrozenDict({**node.kwargs, str(argument.key): value}))
        case _:
            args = tuple(value if i == argument.key else arg for i, arg in enumerate(node.args))
            return replace(node, args=args)


def known_arguments(node: Node) -> tuple[str, ...]:
    """The names of the arguments that `argument_of` finds."""
    match node.op:
        case Layer(config=config):
            return tuple(config)
        case Call(target=target):
            passed = _names(target)[: len(node.args)]
            return tuple(dict.fromkeys((*passed, *node.kwargs, *_defaults(target))))
    return ()


def _name(target: str, position: int) -> str:
    """What the parameter at a position is called; empty where that is not known."""
    names = _names(target)
    return names[position] if 0 <= position < len(names) else ""


def _position(target: str, name: str) -> int | None:
    names = _names(target)
    return names.index(name) if name in names else None


@functools.cache
def _names(target: str) -> tuple[str, ...]:
    """Names of the positional parameters of a function, as far as they are known."""
    signature = _signature(target)
    if signature is None or any(p.kind is p.VAR_POSITIONAL for p in signature.parameters.values()):
        # torch lists what its built-in functions look like, for those who override them.
        function = _found(target)
        stand_in = torch.overrides.get_testing_overrides().get(function) if function else None
        signature = inspect.signature(stand_in) if stand_in else None
    if signature is None:
        return ()
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return tuple(name for name, parameter in signature.parameters.items() if parameter.kind in positional)


@functools.cache
def _defaults(target: str) -> FrozenDict[str, Arg]:
    """Plain default values of a function written in Python."""
    signature = _signature(target)
    parameters = signature.parameters.values() if signature else ()
    plain = (bool, int, float, str, tuple, type(None))
    return FrozenDict({p.name: p.default for p in parameters if isinstance(p.default, plain)})


def _signature(target: str) -> inspect.Signature | None:
    function = _found(target)
    try:
        return inspect.signature(function) if function else None
    except (TypeError, ValueError):  # a built-in function has none
        return None


def _found(target: str) -> Callable[..., Any] | None:
    try:
        function: Callable[..., Any] = resolve(target)
    except GraphError:  # nothing is known of a function whose library is not imported
        return None
    return function
