"""The objects behind the dotted names that a graph holds, and the names of objects."""

from __future__ import annotations

import functools
import sys
from typing import Any

import torch  # its names are looked up among the imported modules

from graphnas.errors import GraphError

# What a graph writes as methods of torch.Tensor, by the function of `operator` that Python users know.
REFLECTED = frozenset(
    ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "and", "or", "xor", "lshift", "rshift")
)


@functools.cache
def resolve(name: str) -> Any:
    """The object that a verified graph means by a dotted name such as `torch.nn.functional.relu`.

    Nothing is imported: a graph cannot make this process load a module.

    Raises:
        GraphError: no imported module has it.
    """
    root, *attributes = name.split(".")
    if root not in sys.modules:
        raise GraphError(f"{name} cannot be found because {root} is not imported; import {root} before using the graph")
    found: Any = sys.modules[root]
    for attribute in attributes:
        if not hasattr(found, attribute):
            raise GraphError(
                f"{name} does not exist in the installed {root}; install the version the graph was made with"
            )
        found = getattr(found, attribute)
    return found


@functools.cache
def public_name(kind: type) -> str:
    """The dotted name of a class; a torch layer's is the public one, `torch.nn.Conv2d`."""
    if getattr(torch.nn, kind.__name__, None) is kind:
        return f"torch.nn.{kind.__name__}"
    return f"{kind.__module__}.{kind.__qualname__}"


def means(target: str, function: Any) -> bool:
    """Whether a call target is `function`; `operator.add` also means the methods that write `a + b`.

    A target that cannot be found in this process means nothing.
    """
    name = getattr(function, "__name__", "").strip("_")
    if getattr(function, "__module__", None) == "_operator" and target in _methods(name):
        return True
    return target.split(".")[0] in sys.modules and resolve(target) is function


def _methods(name: str) -> tuple[str, ...]:
    methods = (f"torch.Tensor.__{name}__",)
    return (*methods, f"torch.Tensor.__r{name}__") if name in REFLECTED else methods
