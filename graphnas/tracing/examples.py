"""Several examples of one model: what its callers may give, and how the examples are told apart by what was given."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from graphnas.errors import TraceError, UnrecordableError
from graphnas.ir.choice import Apply, Expr
from graphnas.ir.node import ARGUMENT, GUARD, Arg, Call, Given, Input, Parameter
from graphnas.tracing.arguments import argument, no_tensor
from graphnas.tracing.interface import Interface, interface
from graphnas.tracing.record import Record, Step, Value


@dataclass(frozen=True, slots=True, eq=False)
class Example:
    """One call of a model.

    Attributes:
        args: the positional arguments of its `forward`.
        kwargs: those by keyword.
    """

    args: tuple[Any, ...]
    kwargs: dict[str, Any]


def example(*args: Any, **kwargs: Any) -> Example:
    """One call of a model, to be given to `trace` with others: what these decide otherwise becomes a condition.

    Args:
        *args: example inputs of its `forward`.
        **kwargs: example inputs by keyword.
    """
    return Example(args, kwargs)


def examples(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Example, ...]:
    """The examples that `trace` was given: several, or what it was given as one.

    Raises:
        TraceError: examples stand beside other inputs.
    """
    found = tuple(arg for arg in args if isinstance(arg, Example))
    if not found:
        return (Example(args, kwargs),)
    if len(found) < len(args) or kwargs:
        others = [*(type(arg).__name__ for arg in args if not isinstance(arg, Example)), *kwargs]
        raise TraceError(
            f"examples are given beside other inputs ({', '.join(others)})\n"
            "  at trace(). Put all that one call is given into one gn.example()."
        )
    return found


@dataclass(frozen=True)
class Faces:
    """What a model is called with in all of its examples.

    Attributes:
        each: how it was called, example by example.
        signature: the parameters of `forward` as the graph has them.
        inputs: the tensors that any of the examples gives.
        told: the parameters whose values are told at the beginning of every record: those that are not given alike
            in all examples, and those that may be left out, but never were.
    """

    each: tuple[Interface, ...]
    signature: tuple[Parameter, ...]
    inputs: tuple[Input, ...]
    told: tuple[str, ...] = ()

    def telling(self, record: Record, face: Interface) -> Record:
        """The record with what was given at its beginning: guards, as if `forward` had looked."""
        steps: list[Step] = []
        for name in self.told:
            steps += self._claims(name, face, record, len(steps))
        record.root.items[:0] = steps
        return record

    def _claims(self, name: str, face: Interface, record: Record, before: int) -> Iterator[Step]:
        where = f"the parameter {name} of {record.root.type}.forward"

        def step(target: str, args: tuple[Arg, ...], hint: str) -> Step:
            nonlocal before
            before += 1
            return Step(Call(target), args, {}, hint, -before)

        found = [value for value in record.inputs if value.name in self._named(name)]
        optional = bool(self._named(name))
        if optional:
            value = found[0] if found else Value(None, origin="input", name=self._named(name)[0])
            yield step(GUARD, (_signed(Given(value), bool(found)), where), "guard")  # type: ignore[arg-type]
            return
        given = _plain(face, name)
        argued = step(ARGUMENT, (name, _plain(self.each[0], name)), name)
        value = Value(given, argued)
        yield argued
        plain = tuple(dict.fromkeys(_plain(other, name) for other in self.each))
        if all(type(item) is bool for item in plain):
            yield step(GUARD, (Apply("in", (value, plain)), where), "guard")
            yield step(GUARD, (_signed(Apply("bool", (value,)), given), where), "guard")
            return
        if None in plain:
            yield step(GUARD, (_signed(Given(value), given is not None), where), "guard")  # type: ignore[arg-type]
        if given is not None:
            yield step(GUARD, (Apply("==", (value, given)), where), "guard")

    def _named(self, parameter: str) -> list[str]:
        return [item.name for item in self.inputs if item.path[0] == parameter]


def faces(model: nn.Module, given: Sequence[Example], reserved: set[str]) -> Faces:
    """Reads what a model is called with off its `forward` and examples.

    Args:
        model: the model.
        given: the examples.
        reserved: names that inputs must not have; the inputs' are added.

    Raises:
        TraceError: an example does not fit `forward`, holds what a graph cannot be given, or is built unlike others.
    """
    names: dict[tuple[str | int, ...], str] = {}
    each = []
    for number, item in enumerate(given, 1):
        with numbered(number, len(given)):
            each.append(interface(model, item.args, item.kwargs, reserved, names))
    if len(each) == 1:
        return Faces(tuple(each), each[0].signature, each[0].inputs, _optional(each[0]))
    where = f"{type(model).__name__}.forward{each[0].bound.signature}"
    for number, face in enumerate(each, 1):
        for earlier, other in enumerate(each[: number - 1], 1):
            _check_tensors(other, face, "the first example" if earlier == 1 else f"example {earlier}", number, where)
    inputs: dict[tuple[str | int, ...], Input] = {}
    for face in each:
        for tensor in face.inputs:
            inputs.setdefault(tensor.path, tensor)
    signature, told = [], set(_optional(each[0]))
    for parameters in zip(*(face.signature for face in each), strict=True):
        if any(repr(other) != repr(parameters[0]) for other in parameters):
            _check_variants(parameters[0].name, each, where)
            told.add(parameters[0].name)
            signature.append(_open(parameters, each[0]))
        else:
            signature.append(parameters[0])
    order = {parameter.name: place for place, parameter in enumerate(signature)}
    ordered = sorted(inputs.values(), key=lambda tensor: order[str(tensor.path[0])])
    return Faces(tuple(each), tuple(signature), tuple(ordered), tuple(name for name in order if name in told))


@contextlib.contextmanager
def numbered(number: int, count: int) -> Iterator[None]:
    """What goes wrong in here is said to go wrong in one of several examples."""
    try:
        yield
    except TraceError as error:
        if count < 2:
            raise
        told = f"example {number} of {count}: {error}"
        if isinstance(error, UnrecordableError):
            raise UnrecordableError(told, error.path, error.what, error.place) from error
        raise TraceError(told) from error


def _optional(face: Interface) -> tuple[str, ...]:
    """The parameters that may be left out and have been given tensors."""
    given = {item.path[0] for item in face.inputs}
    return tuple(item.name for item in face.signature if not item.required and item.name in given)


def _open(variants: Sequence[Parameter], face: Interface) -> Parameter:
    """A parameter of which more than one value was traced; it may be left out if any example has done so."""
    parameter = variants[0]
    default = face.bound.signature.parameters[parameter.name].default
    if not all(variant.required for variant in variants):
        return Parameter(parameter.name, parameter.kind, False, value=argument(default, no_tensor))
    return Parameter(parameter.name, parameter.kind)


def _plain(face: Interface, name: str) -> Arg:
    return next(parameter.value for parameter in face.signature if parameter.name == name)


def _signed(claim: Expr, holds: bool) -> Expr:
    return claim if holds else Apply("not", (claim,))


def keep_apart(record: Record, where: str) -> None:
    """The inputs of a model that asks whether two tensors are one are not, as they were not when it was traced."""
    steps: list[Step] = []
    for pair in itertools.combinations(record.inputs, 2):
        step = Step(Call("operator.is_not"), pair, {}, "differ", 0)
        steps += [step, Step(Call(GUARD), (Apply("bool", (Value(True, step),)), where), {}, "guard", 0)]
    record.root.items[:0] = steps


# ---------------------------------------------------------------- what examples must have in common
def _check_tensors(first: Interface, other: Interface, called: str, number: int, where: str) -> None:
    """Tensors that stand at the same place are of one kind, and containers of them are built alike."""
    mine, theirs = _tensors(first), _tensors(other)
    for path in mine.keys() & theirs.keys():
        ours, rival = mine[path].dtype, theirs[path].dtype
        if ours != rival:
            raise TraceError(
                f"the input {_spelled(path)} has the dtype {ours} in {called}, and {rival} in example {number}\n"
                f"  at {where}. A graph has one dtype for an input: trace the two apart."
            )
    shared = {path[0] for path in mine} & {path[0] for path in theirs}
    for path in sorted(mine.keys() ^ theirs.keys(), key=repr):
        if path[0] in shared:
            raise TraceError(
                f"the input {path[0]!r} is built otherwise in example {number} than in {called}: only one of them "
                f"has {_spelled(path)}\n  at {where}. Give all examples lists of one length and dicts of the same keys."
            )
    for name in sorted(map(str, shared)):
        if [path for path in mine if path[0] == name] != [path for path in theirs if path[0] == name]:
            raise TraceError(
                f"the input {name!r} has its keys in another order in example {number} than in {called}\n  at {where}. "
                "Give all examples dicts of the same keys in the same order."
            )


def _check_variants(name: str, each: Sequence[Interface], where: str) -> None:
    """A parameter may hold tensors in some examples and be None in the others, or differ in plain values."""
    paths = [[item.path for item in face.inputs if item.path[0] == name] for face in each]
    if not any(paths):
        return
    values = [_plain(face, name) for face, found in zip(each, paths, strict=True) if not found]
    if any(value is not None for value in values):
        raise TraceError(
            f"the input {name!r} is not given alike in all examples\n  at {where}. "
            "Where examples differ in what they give, it is tensors in some and None in others, or plain values."
        )


def _tensors(face: Interface) -> dict[tuple[str | int, ...], Tensor]:
    found = {}
    for item in face.inputs:
        value: Any = face.bound.arguments
        for step in item.path:
            value = value[step]
        found[item.path] = value
    return found


def _spelled(path: tuple[str | int, ...]) -> str:
    return str(path[0]) + "".join(f"[{step!r}]" for step in path[1:])
