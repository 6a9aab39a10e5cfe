"""How many parts a tensor is cut into, as an expression of its size."""

from __future__ import annotations

from collections.abc import Mapping

from graphnas.ir.choice import Apply, Expr
from graphnas.ir.node import Arg, Call, Node, Ref, Size

# Functions that cut a tensor, and what each is called with after it.
CUTS: dict[str, tuple[str, ...]] = {
    "unbind": ("dim",),
    **dict.fromkeys(("split", "unsafe_split"), ("split_size_or_sections", "dim")),
    **dict.fromkeys(("chunk", "unsafe_chunk"), ("chunks", "dim")),
    "tensor_split": ("sections", "dim"),
    **dict.fromkeys(("hsplit", "vsplit", "dsplit"), ("sections",)),
}


def given_to(name: str, args: tuple[Arg, ...], kwargs: Mapping[str, Arg]) -> tuple[Arg, Arg]:
    """What a function cuts by, and along which dimension.

    Args:
        name: of the function.
        args: its positional arguments after the tensor.
        kwargs: its keyword arguments.
    """
    given = dict(zip(CUTS[name], args, strict=False)) | dict(kwargs)
    by = next((given[key] for key in (CUTS[name][0], "split_size", "indices_or_sections") if key in given), 0)
    return by, given.get("dim", 0)


def count(name: str, by: Arg, size: Expr) -> Arg:
    """The number of parts; no expression where it does not depend on the size.

    Args:
        name: of the function.
        by: the number of parts, or of elements in each.
        size: of the dimension that is cut.
    """
    match name.removeprefix("unsafe_"):
        case "unbind":
            return size
        case "split":
            return _rounded_up(size, by)
        case "chunk":
            return _rounded_up(size, _rounded_up(size, by))
    return by


def is_there(node: Node, item: tuple[int | str, ...]) -> tuple[Expr, ...]:
    """The tests on sizes that hold where a result has a part; none where it always has.

    Args:
        node: what returns the result.
        item: the way to the part.
    """
    name = node.op.target.rpartition(".")[2] if isinstance(node.op, Call) else ""
    if not item or not node.args or not isinstance(node.args[0], Ref):
        return ()
    if name == "tolist":
        return tuple([Apply(">", (Size(node.args[0], dim), place)) for dim, place in enumerate(item)])
    if name not in CUTS:
        return ()
    by, dim = given_to(name, node.args[1:], node.kwargs)
    is_number = isinstance(by, int | Expr) and isinstance(dim, int)
    number = count(name, by, Size(node.args[0], dim)) if is_number else None  # type: ignore[arg-type]
    return (Apply(">", (number, item[0])),) if isinstance(number, Expr) else ()


def counted(node: Node, guard: Node) -> int:
    """How many parts a node returns, if a guard says that and no more; else 0."""
    name = node.op.target.rpartition(".")[2] if isinstance(node.op, Call) else ""
    if name not in CUTS or (node.when, node.source) != (guard.when, guard.source) or not isinstance(node.args[0], Ref):
        return 0
    match guard.args[0]:
        case Apply(fn="==", args=(Expr() as test, int() as number)):
            by, dim = given_to(name, node.args[1:], node.kwargs)
            dims = _dims(test) if isinstance(dim, int) and dim < 0 else (dim,)
            return number if any(test == count(name, by, Size(node.args[0], dim)) for dim in dims) else 0
    return 0


def _dims(test: Expr) -> tuple[int | None, ...]:
    """The dimension that a count is about; one counted from the end is told by the guard from the beginning."""
    while isinstance(test, Apply):
        test = test.args[0]
    return (test.dim,) if isinstance(test, Size) else ()


def _rounded_up(size: Expr, divisor: Arg) -> Expr:
    return Apply("neg", (Apply("//", (Apply("neg", (size,)), divisor)),))
