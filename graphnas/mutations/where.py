"""Whether a rule means a site, what it looks for in words, and what there is instead."""

from __future__ import annotations

import fnmatch
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch

from graphnas.analysis.names import means, public_name, resolve
from graphnas.analysis.shapes import at_default
from graphnas.errors import GraphError, nearest
from graphnas.ir.choice import Expr
from graphnas.ir.node import Arg, Built, Constant, Device, List, Node, Ref, transform
from graphnas.mutations.arguments import argument_of
from graphnas.mutations.selectors import (
    And,
    Kind,
    Not,
    Or,
    Plain,
    Region,
    Where,
    conditions,
    defined,
    is_function,
    name_of,
    where,
    written,
)
from graphnas.mutations.sites import Site

# Classes of torch.nn that are entered like a user's module, not called as a layer.
CONTAINERS = ("Sequential", "ModuleList", "ModuleDict")
# Where torch reads a number as a tuple of one, not as the same along every dimension.
_SINGLE = ("normalized_shape",)
# What to do about a predicate that raises.
_OF_SITES = "it is asked about every site, so let it look at site.kind or site.type first"
_OF_VALUES = "it is given the value as the graph has it"


def check_where(what: Where) -> None:
    """Make sure that `where` can select something.

    Raises:
        TypeError: it is neither a glob, a class, a function, a predicate nor a selector.
    """
    where(what)


def matches(what: Where, site: Site) -> bool:
    """Whether `where` selects the site.

    Raises:
        GraphError: a predicate raises, or answers neither True nor False.
    """
    match where(what):
        case And(first, second):
            return matches(first, site) and matches(second, site)
        case Or(first, second):
            return matches(first, site) or matches(second, site)
        case Not(of):
            return not matches(of, site)
        case Region() as region:
            return site.kind == "region" and site.type == repr(region)
        case Kind(of, config):
            return _is(of, site) and (not config or (site.node is not None and has(site.node, config, site.where)))
        case Plain(str() as glob):
            return fnmatch.fnmatchcase(site.label, glob)
        case Plain(type() as of):
            return _is(of, site)
        case Plain(of) if callable(of) and is_function(of):
            return _is(of, site)
        case Plain(predicate) if callable(predicate):
            return _answer(predicate, site, f"{site.where}, a {site.type}", _OF_SITES)
    raise TypeError(f"{what!r} is no selector")


def has(node: Node, config: Mapping[str, Any], place: str) -> bool:
    """Whether the arguments of a layer or call are as a kind demands.

    Raises:
        GraphError: a predicate on an argument raises, or answers neither True nor False.
    """
    for name, wanted in config.items():
        found = argument_of(node, name)
        if found is None:
            return False
        value = transform(found.value, _constant)
        if isinstance(value, (Ref, Expr, Built)):
            return False
        if callable(wanted) and not isinstance(wanted, type):
            if not _answer(wanted, value, f"{place}, whose {name} is {value!r}", _OF_VALUES):
                return False
        elif not _equals(name, value, wanted):
            return False
    return True


def describe(what: Where) -> str:
    """What `where` looks for, in words."""
    match where(what):
        case And(first, Not(second)):
            return f"{_part(first)} but not {_part(second)}"
        case And(first, second):
            return f"{_part(first)} and {_part(second)}"
        case Or(first, second):
            return f"{_part(first)} or {_part(second)}"
        case Not(of):
            return f"what is not {_part(of)}"
        case Region(first, last):
            return f"regions from {_part(first)} to {_part(last)}"
        case Kind(of, config):
            return f"{describe(of)} with {', '.join(conditions(config))}" if config else describe(of)
        case Plain(str() as glob):
            return f"names like {glob!r}"
        case Plain(of) if isinstance(of, type):
            return f"layers and modules of class {public_name(of)}"
        case Plain(of) if is_function(of):
            return f"calls of {name_of(of)}"
        case Plain(predicate):
            return f"sites for which the predicate {written(predicate)} holds"
    raise TypeError(f"{what!r} is no selector")


def suggestions(what: Where, candidates: Iterable[Site]) -> str:
    """A sentence with the names nearest to what was looked for; else with some that there are."""
    candidates = tuple(candidates)
    match where(what):
        case And(first, second) | Or(first, second) | Region(first, second):
            empty = (part for part in (first, second) if not any(matches(part, site) for site in candidates))
            part = next(empty, None)
            if part is None:
                return " Each part of it matches something, but no site matches all."
            return f" Nothing matches {describe(part)}.{suggestions(part, candidates)}"
        case Not():
            return " Every site there is matches what is left out."
        case Kind(of, config) if any(_is(of, site) for site in candidates):
            return _values(config, [site for site in candidates if _is(of, site)])
        case Plain(str() as glob):
            known, wanted = [site.label for site in candidates], [glob]
        case Plain(of) | Kind(of) if isinstance(of, type):
            known, wanted = [site.type for site in candidates if site.kind != "call"], [public_name(of), of.__name__]
        case Plain(of) | Kind(of):
            known = [site.type for site in candidates if site.kind == "call"]
            wanted = [name_of(of)] if is_function(of) else []
        case _:
            known, wanted = [site.label for site in candidates], []
    close = next(filter(None, (nearest(name, dict.fromkeys(known)) for name in wanted)), "")
    some = list(dict.fromkeys(known))[:8]
    return close or (f" There are {', '.join(some)}." if some else " There are no such sites at all.")


def _values(config: Mapping[str, Any], candidates: Iterable[Site]) -> str:
    """What the arguments of sites are that a kind has conditions on."""
    found: dict[str, dict[str, None]] = {}
    for site in candidates:
        for name in config:
            argument = argument_of(site.node, name) if site.node is not None else None
            value = "unknown" if argument is None else repr(transform(argument.value, at_default))
            found.setdefault(name, {})[value] = None
    return (
        " Those there are have "
        + "; ".join(f"{name} {', '.join(list(seen)[:8])}" for name, seen in found.items())
        + "."
    )


def _part(of: Where) -> str:
    """What a part of a combination looks for, in parentheses where it is one itself."""
    return f"({describe(of)})" if isinstance(of, And | Or) else describe(of)


def _answer(predicate: Callable[..., Any], about: Any, place: str, advice: str) -> bool:
    try:
        answer = predicate(about)
    except Exception as error:
        raise GraphError(
            f"the predicate {defined(predicate)} raises {type(error).__name__} at {place}: {error}; {advice}"
        ) from error
    if not isinstance(answer, bool):
        raise GraphError(
            f"the predicate {defined(predicate)} gives {answer!r:.100} at {place}; it must answer True or False"
        )
    return answer


# ---------------------------------------------------------------- the values of arguments
def _constant(leaf: Arg) -> Any:
    """A leaf of an argument tree as the user wrote it."""
    match leaf:
        case Constant(name):
            return resolve(name)
        case Device(name):
            return torch.device(name)
    return at_default(leaf)


def _equals(name: str, value: Any, wanted: Any) -> bool:
    """Whether an argument is as demanded; a number stands for a tuple of it, as torch reads it."""
    value, wanted = (item.items if isinstance(item, List) else item for item in (value, wanted))
    if isinstance(value, tuple) and isinstance(wanted, int | float):
        return value == (wanted,) if name in _SINGLE else bool(value) and set(value) == {wanted}
    if isinstance(wanted, tuple | list) and isinstance(value, int | float):
        return _equals(name, tuple(wanted), value)
    return bool(value == (tuple(wanted) if isinstance(wanted, list) else wanted))


# ---------------------------------------------------------------- classes and functions
def _is(of: type | Callable[..., Any], site: Site) -> bool:
    """Whether a site is of a class, or calls a function."""
    if not isinstance(of, type):
        return site.kind == "call" and means(site.type, of)
    return site.kind in ("layer", "block") and is_class(of, site.type, site.kind == "block")


def is_class(of: type, name: str, own: bool = False) -> bool:
    """Whether a layer or module called by its class `name` is of a class.

    Args:
        of: the class.
        name: the dotted class of a layer; of a module of the user's the name alone.
        own: whether it is a module of the user's.
    """
    public = public_name(of)
    if name == public or (own and name == of.__name__ and not _is_torch_layer(public)):
        return True
    if "." not in name or name.split(".")[0] not in sys.modules:
        return False  # a class of the user's is known by its name alone
    found = resolve(name)
    return isinstance(found, type) and issubclass(found, of)


def _is_torch_layer(public: str) -> bool:
    return public.startswith("torch.nn.") and public.rpartition(".")[2] not in CONTAINERS
