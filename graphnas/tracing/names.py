"""The dotted names of torch's functions, and the objects behind dotted names."""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Callable
from typing import Any

import torch

from graphnas.errors import GraphError
from graphnas.ir import targets
from graphnas.ir.attributes import ATTRIBUTES

_ROOTS: dict[str, Any] = {"torch": torch, "math": math, "operator": operator}
# Where a function has several names, the first of these is what people write.
_PREFERRED = ("torch.nn.functional", "torch.special", "torch.fft", "torch.linalg", "torch", "torch._C._nn", "torch._VF")

# What torch itself asks about truth values, as distributions do of their arguments, and what everybody calls it.
_PUBLIC = {"torch._is_all_true": "torch.all", "torch._is_any_true": "torch.any"}


@functools.cache
def resolve(name: str) -> Any:
    """The object that a dotted name means.

    Raises:
        GraphError: the installed torch does not have it.
    """
    root, *attributes = name.split(".")
    try:
        return functools.reduce(getattr, attributes, _ROOTS[root])
    except (KeyError, AttributeError):
        raise GraphError(
            f"{name} does not exist in the installed torch; install the version the graph was made with"
        ) from None


@functools.cache
def functions() -> dict[Callable[..., Any], str]:
    """Every function that a graph may call → its name."""
    places = {place: rank for rank, place in enumerate(_PREFERRED)}
    ranked = sorted(targets.TARGETS, key=lambda name: (places.get(name.rpartition(".")[0], -1), name), reverse=True)
    found: dict[Callable[..., Any], str] = {resolve(name): public for name, public in _PUBLIC.items()}
    for name in ranked:
        if name.startswith("torch.") and name not in ATTRIBUTES:
            try:
                found[resolve(name)] = name
            except GraphError:
                continue  # of another torch version
    return found


@functools.cache
def operator_name(function: Any) -> str | None:
    """The name of an operator that a library has registered, `torch.ops.torchvision.nms`.

    Returns:
        None for anything else, and for operators that draw, or whose results share memory with what they are given.
    """
    if not isinstance(function, torch._ops.OpOverloadPacket | torch._ops.OpOverload):
        return None
    packet = function if isinstance(function, torch._ops.OpOverloadPacket) else function.overloadpacket
    for name in packet.overloads():
        overload = getattr(packet, name)
        schema = overload._schema
        if torch.Tag.nondeterministic_seeded in overload.tags or any(
            item.alias_info is not None for item in (*schema.arguments, *schema.returns)
        ):
            return None
    name = packet._qualified_op_name.replace("::", ".")
    return f"torch.ops.{name}" if packet is function else f"torch.ops.{name}.{function._overloadname}"


@functools.cache
def constant_name(value: Any) -> str:
    """The dotted name of a dtype, layout or memory format: `torch.float32`."""
    return str(value)
