"""How the user wrote a call of a torch function, and what its name says."""

from __future__ import annotations

from types import FrameType
from typing import Any

from graphnas.tracing import sources

# Instructions of Python that call a tensor's methods: the operator of `x + y` is told from `x.add(y)` by them.
_BINARY = ("add", "and", "floordiv", "lshift", "matmul", "mul", "mod", "or", "pow", "rshift", "sub", "truediv", "xor")
_METHOD_OF = {
    "add": "add", "sub": "sub", "mul": "mul", "div": "truediv", "true_divide": "truediv", "matmul": "matmul",
    "pow": "pow", "floor_divide": "floordiv", "remainder": "mod",
}  # fmt: skip
_HINTS = {
    f"torch.nn.utils.rnn.{name}": hint
    for hint, names in (
        ("packed", ("PackedSequence", "pack_padded_sequence", "pack_sequence")),
        ("padded", ("pad_packed_sequence", "pad_sequence")),
    )
    for name in names
}
_COMPARED = {"lt": "lt", "le": "le", "gt": "gt", "ge": "ge", "eq": "eq", "ne": "ne"}


def hint(target: str) -> str:
    """What a call of a function is called: `add` for `torch.Tensor.__radd__`, `nms` for `torch.ops.vision.nms.out`."""
    if target in _HINTS:
        return _HINTS[target]
    name = target.split(".")[3] if target.startswith("torch.ops.") else target.rpartition(".")[2]
    bare = name.strip("_")
    if name.startswith("__"):
        for prefix in ("r", "i"):
            if bare[:1] == prefix and bare[1:] in _BINARY:
                return bare[1:]
    return bare


def writes(target: str, kwargs: dict[str, Any]) -> bool:
    """Whether a function writes to its first argument."""
    name = target.rpartition(".")[2]
    if name.startswith("__"):
        return name[2] == "i" and name[3:-2] in _BINARY
    return name.endswith("_") or kwargs.get("inplace") is True


def written_out(target: str, kwargs: dict[str, Any]) -> dict[str, Any]:
    """The keyword arguments without those that `torch.nn.functional` fills in although nobody wrote them."""
    if not kwargs or not target.startswith("torch.nn.functional."):
        return kwargs
    return {
        key: value
        for key, value in kwargs.items()
        if value is not None and key != "_stacklevel" and not (key == "inplace" and value is False)
    }


def operator_written(name: str, args: tuple[Any, ...], kwargs: dict[str, Any], frame: FrameType) -> str | None:
    """The operator that the user wrote where torch was asked for a method: `__add__` for `add`."""
    if name.startswith("__"):
        return None
    written = name.endswith("_")
    bare = name.rstrip("_")
    if kwargs or not (bare in _METHOD_OF or bare in _COMPARED or bare == "neg"):
        return None
    instruction = sources.instruction(frame)
    if bare == "neg":
        return "__neg__" if instruction == "UNARY_NEGATIVE" else None
    if len(args) != 2:
        return None
    if bare in _COMPARED:
        return f"__{bare}__" if instruction == "COMPARE_OP" else None
    if instruction.startswith(("BINARY_", "INPLACE_")):
        return f"__i{_METHOD_OF[bare]}__" if written else f"__{_METHOD_OF[bare]}__"
    return None
