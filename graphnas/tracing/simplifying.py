"""Steps as a person would write them: `torch.randn(1, 65, 32) * 0.02` is `nn.init.normal_(tensor, std=0.02)`."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import replace

from graphnas.ir.frozen import FrozenDict
from graphnas.ir.initial import TENSOR, Steps, is_write
from graphnas.ir.node import Arg, Call, Node, Ref, refs_in, transform

INIT, METHOD = "torch.nn.init.", "torch.Tensor."
_COPY = f"{METHOD}copy_"
# They give the values that they are given, in another type or place.
_SAME = frozenset(
    f"{METHOD}{name}"
    for name in (
        "clone", "contiguous", "detach", "to", "float", "half", "bfloat16", "double", "cpu", "cuda", "type", "type_as",
        "data", "requires_grad_",
    )
)  # fmt: skip
_MULTIPLIED = {f"{METHOD}mul", f"{METHOD}__mul__", f"{METHOD}__rmul__", "torch.mul"}
_DIVIDED = {f"{METHOD}div", f"{METHOD}__truediv__", "torch.div"}
_MULTIPLIED_IN_PLACE, _DIVIDED_IN_PLACE = (
    {f"{METHOD}mul_", f"{METHOD}__imul__"},
    {f"{METHOD}div_", f"{METHOD}__itruediv__"},
)

_Fill = tuple[str, tuple[Arg, ...], dict[str, Arg]]


def simplified(steps: Steps, shape: tuple[int, ...]) -> Steps:
    """Steps that do the same, named anew.

    Args:
        steps: the last one writes to the tensor.
        shape: of the tensor.
    """
    found = [_method(step) for step in steps]
    for rule in (_copied, _created, _scaled, _truncated, _fanned):
        before: list[Node] = []
        while before != found:
            before = found
            found = rule(found, shape)
    return _renamed([_named(step) for step in found])


def _target(step: Node) -> str:
    return step.op.target  # type: ignore[union-attr]


def _filling(function: str, tensor: Arg, fill: tuple[Arg, ...] = (), **kwargs: Arg) -> Node:
    return Node("v0", Call(f"{INIT}{function}"), (tensor, *fill), FrozenDict(kwargs))


def _bound(step: Node, names: tuple[str, ...], defaults: tuple[Arg, ...]) -> dict[str, Arg] | None:
    """The arguments of a method behind the tensor by their names, without those that have their default."""
    if len(step.args) - 1 > len(names) or not set(step.kwargs) <= set(names):
        return None
    given = {**dict(zip(names, step.args[1:])), **step.kwargs}
    if not all(isinstance(value, int | float) for value in given.values()):
        return None
    default = dict(zip(names, defaults, strict=True))
    return {name: value for name, value in given.items() if name not in default or value != default[name]}


def _method(step: Node) -> Node:
    """A method that fills a tensor as the function of `torch.nn.init` that does so."""
    target = _target(step)
    if target == f"{METHOD}zero_":
        return replace(_filling("zeros_", step.args[0]), name=step.name)
    if target == f"{METHOD}normal_":
        bound = _bound(step, ("mean", "std"), (0.0, 1.0))
        return step if bound is None else replace(_filling("normal_", step.args[0], **bound), name=step.name)
    if target == f"{METHOD}uniform_":
        given = _renamed_keys(step, {"from": "a", "to": "b"})
        bound = _bound(given, ("a", "b"), (0.0, 1.0))
        return step if bound is None else replace(_filling("uniform_", step.args[0], **bound), name=step.name)
    constant = target in (f"{METHOD}fill_", f"{INIT}constant_") and len(step.args) == 2
    if constant and isinstance(step.args[1], int | float) and not step.kwargs:
        return replace(_constant(step.args[0], step.args[1]), name=step.name)
    return step


def _renamed_keys(step: Node, names: dict[str, str]) -> Node:
    return replace(step, kwargs=FrozenDict({names.get(key, key): value for key, value in step.kwargs.items()}))


def _constant(tensor: Arg, value: Arg) -> Node:
    if value == 0 and math.copysign(1.0, value) > 0:
        return _filling("zeros_", tensor)
    return _filling("ones_", tensor) if value == 1 else _filling("constant_", tensor, (value,))


# ---------------------------------------------------------------- rules on the last steps
def _copied(steps: list[Node], shape: tuple[int, ...]) -> list[Node]:
    """What is copied from a copy is copied from what that was made of."""
    match steps:
        case [*before, made, Node(op=Call(target=copy)) as last] if copy == _COPY and _target(made) in _SAME:
            if last.args[1] == Ref(made.name) and isinstance(made.args[0], Ref):
                return [*before, replace(last, args=(last.args[0], made.args[0]))]
    return steps


def _created(steps: list[Node], shape: tuple[int, ...]) -> list[Node]:
    """A tensor that is made and copied, or made, multiplied and copied, is filled instead."""
    for place, (made, copied) in enumerate(itertools.pairwise(steps)):
        if _target(copied) == _COPY and copied.args == (Ref(TENSOR), Ref(made.name)):
            filled = _as_filling(made, copied.args[0], shape)
            if filled is not None:
                return _read(steps[:place], [filled, *steps[place + 2 :]])
    match steps:
        case [made, scaled, Node(op=Call(target=copy), args=(tensor, Ref(name=name, item=())))]:
            factor = _factor(scaled, Ref(made.name), _MULTIPLIED, _DIVIDED)
            filled = _as_filling(made, tensor, shape)
            if copy == _COPY and name == scaled.name and factor is not None and filled is not None:
                return [filled, Node(scaled.name, Call(f"{METHOD}mul_"), (tensor, factor))]
    return steps


def _read(steps: list[Node], later: list[Node]) -> list[Node]:
    """The steps, without those that are there for a value that nobody reads any more."""
    found = list(later)
    for step in reversed(steps):
        if is_write(step) or any(
            ref.name == step.name for other in found for ref in refs_in((other.args, other.kwargs))
        ):
            found.insert(0, step)
    return found


def _as_filling(made: Node, tensor: Arg, shape: tuple[int, ...]) -> Node | None:
    """A call that makes a tensor of that shape as one that fills it; None if it is another call."""
    name = _target(made).rpartition(".")[2].removeprefix("new_").removesuffix("_like")
    like = _target(made).endswith("_like") or ".new_" in _target(made)
    args = made.args[1:] if like else made.args
    fill: tuple[Arg, ...] = ()
    if name == "full":
        size = args[:-1] if args and "fill_value" not in made.kwargs else args
        fill = (made.kwargs.get("fill_value", args[-1] if args else None),)
    elif name == "normal" and "size" in made.kwargs:
        fill, size = args, ()
    else:
        size = args
    asked = made.kwargs.get("size", _flat(size))
    if set(made.kwargs) - {"size", "dtype", "fill_value"} or not all(isinstance(item, int | float) for item in fill):
        return None
    if asked != shape and not _target(made).endswith("_like"):
        return None
    match name:
        case "zeros" | "ones":
            return _filling(f"{name}_", tensor)
        case "full":
            return _constant(tensor, fill[0])
        case "randn":
            return _filling("normal_", tensor)
        case "rand":
            return _filling("uniform_", tensor)
        case "normal" if len(fill) == 2:
            return _method(Node("v0", Call(f"{METHOD}normal_"), (tensor, *fill)))
    return None


def _flat(size: tuple[Arg, ...]) -> Arg:
    return size[0] if len(size) == 1 and isinstance(size[0], tuple) else size


def _factor(step: Node, tensor: Arg, multiplied: set[str], divided: set[str]) -> float | None:
    """By what a step multiplies a tensor."""
    target = _target(step)
    if step.kwargs or len(step.args) != 2 or target not in multiplied | divided:
        return None
    first, second = step.args
    number = first if second == tensor and target in multiplied else second if first == tensor else None
    if not isinstance(number, int | float) or (target in divided and number == 0):
        return None
    return 1 / number if target in divided else number


def _scaled(steps: list[Node], shape: tuple[int, ...]) -> list[Node]:
    """Normal values that are multiplied are normal values of another deviation; fixed ones are other fixed ones."""
    for place, (filled, step) in enumerate(itertools.pairwise(steps)):
        factor = _factor(step, filled.args[0] if filled.args else None, _MULTIPLIED_IN_PLACE, _DIVIDED_IN_PLACE)
        if factor is None or not factor > 0:
            continue
        if _target(filled) == f"{INIT}ones_":
            return [*steps[:place], _constant(filled.args[0], factor), *steps[place + 2 :]]
        if _target(filled) != f"{INIT}normal_" or "mean" in filled.kwargs:
            continue
        std = float(filled.kwargs.get("std", 1.0)) * factor
        return [*steps[:place], _filling("normal_", filled.args[0], std=std), *steps[place + 2 :]]
    return steps


def _truncated(steps: list[Node], shape: tuple[int, ...]) -> list[Node]:
    """The truncated normal distribution by its inverse: uniform, erfinv, times, plus, clamped."""
    match steps:
        case [uniform, inverse, times, plus, clamp] if [_target(step).rpartition(".")[2] for step in steps] == [
            "uniform_",
            "erfinv_",
            "mul_",
            "add_",
            "clamp_",
        ] and all(step.args[:1] == (Ref(TENSOR),) for step in steps):
            low, high = uniform.kwargs.get("a", 0.0), uniform.kwargs.get("b", 1.0)
            scale, mean, bounds = (
                times.args[1],
                plus.args[1],
                {**dict(zip(("min", "max"), clamp.args[1:])), **clamp.kwargs},
            )
            numbers = (low, high, scale, mean, bounds.get("min"), bounds.get("max"))
            if inverse.kwargs or not all(isinstance(number, int | float) for number in numbers):
                return steps
            std, a, b = scale / math.sqrt(2), bounds["min"], bounds["max"]
            reached = [math.erf((bound - mean) / scale) for bound in (a, b)] if scale else [math.nan]
            if all(math.isclose(have, want, abs_tol=1e-6) for have, want in zip((low, high), reached)):
                given = {"mean": mean, "std": float(f"{std:.12g}"), "a": a, "b": b}
                usual = {"mean": 0.0, "std": 1.0, "a": -2.0, "b": 2.0}
                kwargs = {name: value for name, value in given.items() if value != usual[name]}
                return [_filling("trunc_normal_", Ref(TENSOR), **kwargs)]
    return steps


def _fanned(steps: list[Node], shape: tuple[int, ...]) -> list[Node]:
    """A deviation of `sqrt(2 / fan)` or `sqrt(1 / fan)` as what it is, so that it follows the layer's size."""
    match steps:
        case [Node(op=Call(target="torch.nn.init.normal_"), args=(Ref(),) as args, kwargs={"std": float(std), **rest})]:
            if rest or len(shape) < 2 or float(f"{std:.4g}") == std:  # 0.02 is a number that somebody chose
                return steps
            field = math.prod(shape[2:])
            for mode, fan in (("fan_in", shape[1] * field), ("fan_out", shape[0] * field)):
                for nonlinearity, gain in (("relu", 2.0), ("linear", 1.0)):
                    if fan and math.isclose(std, math.sqrt(gain / fan), rel_tol=1e-12):
                        asked = {"mode": mode, "nonlinearity": nonlinearity}
                        usual = {"mode": "fan_in", "nonlinearity": "leaky_relu"}
                        kwargs = {name: value for name, value in asked.items() if value != usual[name]}
                        return [_filling("kaiming_normal_", args[0], (), **kwargs)]
    return steps


# ---------------------------------------------------------------- the result
def _named(step: Node) -> Node:
    """A float that is a whole number of millionths of its last digit is written without them."""
    round_off: Callable[[Arg], Arg] = lambda leaf: float(f"{leaf:.15g}") if type(leaf) is float else leaf  # noqa: E731
    return replace(step, kwargs=transform(step.kwargs, round_off)) if _target(step).startswith(INIT) else step


def _renamed(steps: list[Node]) -> Steps:
    """The steps called v0, v1, ...; those that nobody reads and that write to nothing are dropped."""
    names: dict[str, str] = {}
    found = []
    for place, step in enumerate(steps):
        args, kwargs = (transform(tree, lambda leaf: _follow(leaf, names)) for tree in (step.args, step.kwargs))
        found.append(replace(step, name=f"v{place}", args=args, kwargs=kwargs))
        names[step.name] = f"v{place}"
    return tuple(found)


def _follow(leaf: Arg, names: dict[str, str]) -> Arg:
    return Ref(names[leaf.name], leaf.item) if isinstance(leaf, Ref) and leaf.name in names else leaf
