"""Which sites a rule means, put together from parts: `gn.where`, `gn.kind` and `gn.region`, with `&`, `|`, `-`, `~`."""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import torch
from torch import nn

from graphnas.analysis.names import public_name
from graphnas.errors import nearest
from graphnas.ir.frozen import FrozenDict

# A glob such as "layer[34].*.conv2" (`*` crosses dots), a class of layers or of the user's modules, a function such
# as `torch.nn.functional.relu` or `operator.add`, a predicate on the site, or a combination of such.
Where: TypeAlias = "str | type | Callable[..., Any] | Selector"

_BUILTIN = (types.BuiltinFunctionType, types.MethodDescriptorType, types.WrapperDescriptorType)


class Selector:
    """A condition on sites. Selectors are combined by `&` (both), `|` (either), `-` (but not) and `~` (not).

    Python binds `~` first, then `-`, then `&`, then `|`. So `a & b - c` means both, but not `c`, however it is read;
    `a | b - c` takes all of `a`, and is written `(a | b) - c` where `c` is to be left out of both.
    """

    __slots__ = ()

    def __and__(self, other: Where) -> Selector:
        return And(self, where(other))

    def __rand__(self, other: Where) -> Selector:
        return And(where(other), self)

    def __or__(self, other: Where) -> Selector:
        return Or(self, where(other))

    def __ror__(self, other: Where) -> Selector:
        return Or(where(other), self)

    def __sub__(self, other: Where) -> Selector:
        return And(self, Not(where(other)))

    def __rsub__(self, other: Where) -> Selector:
        return And(where(other), Not(self))

    def __invert__(self) -> Selector:
        return Not(self)


@dataclass(frozen=True, slots=True, repr=False)
class Plain(Selector):
    """What is said by a glob, a class, a function or a predicate."""

    what: str | type | Callable[..., Any]

    def __repr__(self) -> str:
        return f"where({written(self.what)})"


@dataclass(frozen=True, slots=True, repr=False)
class Kind(Selector):
    """Layers of a class, or calls of a function, whose arguments are such.

    Attributes:
        of: the class or function.
        config: argument → the value that it has, or a predicate on the value.
    """

    of: type | Callable[..., Any]
    config: FrozenDict[str, Any] = field(default_factory=FrozenDict)

    def __repr__(self) -> str:
        return f"kind({', '.join((written(self.of), *conditions(self.config)))})"


@dataclass(frozen=True, slots=True, repr=False)
class Region(Selector):
    """The nodes from one site through another; see `region`."""

    first: Selector
    last: Selector

    def __repr__(self) -> str:
        ends = (written(end.what) if isinstance(end, Plain) else repr(end) for end in (self.first, self.last))
        return f"region({', '.join(ends)})"


@dataclass(frozen=True, slots=True, repr=False)
class And(Selector):
    """What both select."""

    first: Selector
    second: Selector

    def __repr__(self) -> str:
        if isinstance(self.second, Not):
            return f"{_inside(self.first, Or)} - {_inside(self.second.of, And, Or)}"
        return f"{_inside(self.first, Or)} & {_inside(self.second, Or)}"


@dataclass(frozen=True, slots=True, repr=False)
class Or(Selector):
    """What either selects."""

    first: Selector
    second: Selector

    def __repr__(self) -> str:
        return f"{self.first!r} | {self.second!r}"


@dataclass(frozen=True, slots=True, repr=False)
class Not(Selector):
    """What is not selected."""

    of: Selector

    def __repr__(self) -> str:
        return f"~{_inside(self.of, And, Or)}"


def where(what: Where) -> Selector:
    """A glob, class, function or predicate as a selector, to be combined with others.

    Args:
        what: a glob on names such as `"layer[34].*"`, a class, a function, a predicate on the site, or a selector.

    Raises:
        TypeError: it is none of these.
    """
    if isinstance(what, Selector):
        return what
    if isinstance(what, nn.Module) or not (isinstance(what, (str, type)) or callable(what)):
        raise TypeError(
            "where must be a glob on names, a class, a function, a predicate on the site, or such combined by "
            f"&, |, - and ~, as in gn.where('a') | 'b', but is {what!r:.100}"
        )
    return Plain(what)


def kind(of: type | Callable[..., Any], **config: Any) -> Selector:
    """Layers of a class, or calls of a function, whose arguments are such: `gn.kind(nn.Conv2d, kernel_size=3)`.

    Args:
        of: the class or function.
        config: argument → value, or a predicate on the value as the graph has it. A number stands for a tuple of that
            number, as torch reads it: `kernel_size=3` is `kernel_size=(3, 3)`.

    Raises:
        TypeError: `of` is neither, or it has no such argument.
    """
    if isinstance(of, nn.Module) or not (isinstance(of, type) or is_function(of)):
        raise TypeError(f"a kind is a class, or a function that networks call, but is {of!r:.100}")
    known = _arguments(of)
    for name in config:
        if known and name not in known:
            raise TypeError(f"{name_of(of)} has no argument {name!r}.{nearest(name, known)} It has {', '.join(known)}.")
    return Kind(of, FrozenDict(config))


def region(first: Where, last: Where) -> Selector:
    """The nodes from one site through another, taken as one site: `gn.region("layer1.*.conv1", "layer1.*.relu")`.

    Each region goes from a site that matches `first` to the next one that matches `last`. What lies between becomes
    another thing as a whole: its modules must be whole, and nothing else may use what it computes but its result.

    Args:
        first: where regions begin, as in `where`.
        last: where they end.

    Raises:
        TypeError: one of them selects nothing.
    """
    return Region(where(first), where(last))


def written(what: Any) -> str:
    """A class, function, predicate or value as a person would write it."""
    if isinstance(what, type) or is_function(what):
        return name_of(what)
    return defined(what) if callable(what) else repr(what)


def name_of(what: Any) -> str:
    """The dotted name of a class or function."""
    if isinstance(what, type):
        return public_name(what)
    name = getattr(what, "__name__", repr(what))
    if getattr(torch.nn.functional, name, None) is what:
        return f"torch.nn.functional.{name}"  # some of them are built in elsewhere
    owner = getattr(what, "__objclass__", None)
    module = (
        "torch.Tensor" if owner else (getattr(what, "__module__", None) or "torch").replace("_operator", "operator")
    )
    return f"{module.removeprefix('_')}.{name}"


def conditions(config: FrozenDict[str, Any]) -> list[str]:
    """The conditions of a kind, one by one."""
    return [f"{name}={written(value)}" for name, value in config.items()]


def defined(predicate: Callable[..., Any]) -> str:
    """What a predicate is called, and where it is written."""
    name = getattr(predicate, "__name__", repr(predicate))
    code = getattr(predicate, "__code__", None)
    return f"{name} ({code.co_filename}:{code.co_firstlineno})" if code else name


def is_function(what: object) -> bool:
    """Whether it is a function that networks call, not a predicate of the user's."""
    module = getattr(what, "__module__", None) or ""
    return isinstance(what, _BUILTIN) or (callable(what) and module.split(".")[0] in ("torch", "math"))


def _arguments(of: type | Callable[..., Any]) -> tuple[str, ...]:
    """The names of the arguments of a class or function; () where not all of them are known."""
    try:
        parameters = inspect.signature(of).parameters.values()
    except (TypeError, ValueError):  # a built-in function
        return ()
    is_open = any(p.kind in (p.VAR_KEYWORD, p.VAR_POSITIONAL) for p in parameters)
    return () if is_open else tuple(p.name for p in parameters)


def _inside(selector: Selector, *looser: type) -> str:
    return f"({selector!r})" if isinstance(selector, looser) else repr(selector)
