"""Which sites a rule means: a glob on names, a class, a function, or a predicate."""

from __future__ import annotations

import fnmatch
import sys
import types
from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

from torch import nn

from graphnas.analysis.names import means, public_name, resolve
from graphnas.errors import GraphError, nearest
from graphnas.mutations.sites import Site

# A glob such as "layer[34].*.conv2" (`*` crosses dots), a class of layers or of the user's modules, a function such
# as `torch.nn.functional.relu` or `operator.add`, or a predicate on the site.
Where: TypeAlias = "str | type | Callable[..., Any]"

# Classes of torch.nn that are entered like a user's module, not called as a layer.
CONTAINERS = ("Sequential", "ModuleList", "ModuleDict")
_BUILTIN = (types.BuiltinFunctionType, types.MethodDescriptorType, types.WrapperDescriptorType)


def check_where(where: Where) -> None:
    """Make sure that `where` can select something.

    Raises:
        TypeError: it is neither a glob, a class, a function nor a predicate.
    """
    if isinstance(where, nn.Module) or not (isinstance(where, (str, type)) or callable(where)):
        raise TypeError(
            f"where must be a glob on names, a class, a function or a predicate on the site, but is {where!r:.100}"
        )


def matches(where: Where, site: Site) -> bool:
    """Whether `where` selects the site.

    Raises:
        GraphError: a predicate raises, or answers neither True nor False.
    """
    if isinstance(where, str):
        return fnmatch.fnmatchcase(site.label, where)
    if isinstance(where, type):
        return site.kind != "call" and _is_kind(site, where)
    if _is_function(where):
        return site.kind == "call" and means(site.type, where)
    try:
        answer = where(site)
    except Exception as error:
        raise GraphError(
            f"the predicate {_defined(where)} raises {type(error).__name__} at {site.where}, a {site.type}: {error}; "
            "it is asked about every site, so let it look at site.kind or site.type first"
        ) from error
    if not isinstance(answer, bool):
        raise GraphError(
            f"the predicate {_defined(where)} gives {answer!r:.100} at {site.where}; it must answer True or False"
        )
    return answer


def describe(where: Where) -> str:
    """What `where` looks for, in words."""
    if isinstance(where, str):
        return f"names like {where!r}"
    if isinstance(where, type):
        return f"layers and modules of class {public_name(where)}"
    if _is_function(where):
        return f"calls of {_function_name(where)}"
    return f"sites for which the predicate {_defined(where)} holds"


def suggestions(where: Where, candidates: Iterable[Site]) -> str:
    """A sentence with the names nearest to what was looked for; else with some that there are."""
    if isinstance(where, str):
        known = [site.label for site in candidates]
        close = nearest(where, dict.fromkeys(known))
    elif isinstance(where, type):
        known = [site.type for site in candidates if site.kind != "call"]
        close = nearest(public_name(where), dict.fromkeys(known)) or nearest(where.__name__, dict.fromkeys(known))
    else:
        known = [site.type for site in candidates if site.kind == "call"]
        close = nearest(_function_name(where), dict.fromkeys(known)) if _is_function(where) else ""
    some = list(dict.fromkeys(known))[:8]
    return close or (f" There are {', '.join(some)}." if some else " There are no such sites at all.")


def _defined(predicate: Callable[..., Any]) -> str:
    """What a predicate is called, and where it is written."""
    name = getattr(predicate, "__name__", repr(predicate))
    code = getattr(predicate, "__code__", None)
    return f"{name} ({code.co_filename}:{code.co_firstlineno})" if code else name


def _is_function(where: Callable[..., Any]) -> bool:
    """Whether it is a function that networks call, not a predicate of the user's."""
    module = getattr(where, "__module__", None) or ""
    return isinstance(where, _BUILTIN) or module.split(".")[0] in ("torch", "math")


def _function_name(where: Callable[..., Any]) -> str:
    owner = getattr(where, "__objclass__", None)
    module = "torch.Tensor" if owner else (getattr(where, "__module__", None) or "").replace("_operator", "operator")
    return f"{module}.{getattr(where, '__name__', repr(where))}"


def _is_torch_layer(public: str) -> bool:
    return public.startswith("torch.nn.") and public.rpartition(".")[2] not in CONTAINERS


def _is_kind(site: Site, kind: type) -> bool:
    public = public_name(kind)
    if site.type == public or (site.kind == "block" and site.type == kind.__name__ and not _is_torch_layer(public)):
        return True
    if "." not in site.type or site.type.split(".")[0] not in sys.modules:
        return False  # a class of the user's is known by its name alone
    found = resolve(site.type)
    return isinstance(found, type) and issubclass(found, kind)
