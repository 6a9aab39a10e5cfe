"""What a model is called with: the parameters of its `forward`, and the tensors among the example inputs."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from graphnas.errors import TraceError
from graphnas.ir.node import Arg, Input, Parameter
from graphnas.tracing.arguments import NotAnArgumentError, argument, no_tensor
from graphnas.tracing.modules import identifier
from graphnas.tracing.names import constant_name
from graphnas.tracing.record import Value
from graphnas.tracing.sources import short_file

_KINDS = {
    inspect.Parameter.POSITIONAL_ONLY: "positional",
    inspect.Parameter.POSITIONAL_OR_KEYWORD: "positional",
    inspect.Parameter.KEYWORD_ONLY: "keyword",
    inspect.Parameter.VAR_POSITIONAL: "var_positional",
    inspect.Parameter.VAR_KEYWORD: "var_keyword",
}


@dataclass(frozen=True)
class Interface:
    """How a model was called.

    Attributes:
        bound: the example arguments by the parameters of `forward`.
        signature: those parameters as the graph has them.
        inputs: the tensors among the arguments.
    """

    bound: inspect.BoundArguments
    signature: tuple[Parameter, ...]
    inputs: tuple[Input, ...]

    def fresh(self, apart: bool = True) -> tuple[tuple[Any, ...], dict[str, Any], tuple[Value, ...]]:
        """Arguments for a run, with copies of the example tensors, and the values that these are.

        Args:
            apart: a tensor that is given twice is copied twice.
        """
        made: dict[int, Tensor] = {}
        values: dict[tuple[Any, ...], Value] = {}
        names = {item.path: item.name for item in self.inputs}

        def copy(tree: Any, path: tuple[str | int, ...]) -> Any:
            if isinstance(tree, Tensor):
                if not apart and id(tree) in made:
                    return made[id(tree)]
                tensor = made[id(tree)] = tree.detach().clone().requires_grad_(tree.requires_grad)
                values[path] = Value(tensor, origin="input", name=names[path])
                return tensor
            if isinstance(tree, dict):
                items = {key: copy(item, (*path, key)) for key, item in tree.items()}
                return items if type(tree) is dict else type(tree)(items)
            if isinstance(tree, list | tuple):
                parts = [copy(item, (*path, place)) for place, item in enumerate(tree)]
                return type(tree)(*parts) if hasattr(tree, "_fields") else type(tree)(parts)
            return tree

        arguments = {name: copy(value, (name,)) for name, value in self.bound.arguments.items()}
        again = inspect.BoundArguments(self.bound.signature, arguments)
        return again.args, again.kwargs, tuple(values[item.path] for item in self.inputs if item.path in values)


def interface(
    model: nn.Module,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    reserved: set[str],
    known: dict[tuple[str | int, ...], str] | None = None,
) -> Interface:
    """Reads the interface of a model off its `forward` and example inputs.

    Args:
        model: the model.
        args: the positional example inputs.
        kwargs: the example inputs by keyword.
        reserved: names that inputs must not have; the inputs' are added.
        known: how inputs of other examples are called, by path; this example's are added.

    Raises:
        TraceError: the inputs do not fit `forward`, or hold something that a graph cannot be given.
    """
    signature = inspect.signature(model.forward)
    where = f"{type(model).__name__}.forward{signature}{_defined(model.forward)}"
    try:
        bound = signature.bind(*args, **kwargs)
    except TypeError as error:
        raise TraceError(
            f"the example inputs do not fit: {error}\n  at {where}. Give one value a parameter."
        ) from error
    inputs: list[Input] = []
    names = {} if known is None else known
    for name, value in bound.arguments.items():
        for path, tensor in _tensors(value, (name,), where):
            if path not in names:
                names[path] = _free(path, reserved)
            inputs.append(Input(names[path], path, tuple(map(int, tensor.shape)), constant_name(tensor.dtype)))
    parameters = [_parameter(parameter, bound, where) for parameter in signature.parameters.values()]
    return Interface(bound, tuple(parameters), tuple(inputs))


def _defined(function: Callable[..., Any]) -> str:
    """Where a function is written, for messages: ` (net.py:12)`; "" if that is nowhere."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    return f" ({short_file(code.co_filename)}:{code.co_firstlineno})" if code else ""


def _free(path: tuple[str | int, ...], reserved: set[str]) -> str:
    base = name = identifier("_".join(map(str, path)))
    count = 0
    while name in reserved:
        count += 1
        name = f"{base}_{count}"
    reserved.add(name)
    return name


def _tensors(value: Any, path: tuple[str | int, ...], where: str) -> Iterator[tuple[tuple[str | int, ...], Tensor]]:
    """The tensors in an argument and the ways to them."""
    if isinstance(value, Tensor):
        yield path, value
    elif isinstance(value, dict | list | tuple) and _holds_tensor(value):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, item in items:
            if not _holds_tensor(item):
                remedy = (
                    "Pack it with `enforce_sorted=False`, or in the model."
                    if isinstance(value, PackedSequence)
                    else "Give numbers and strings as parameters of their own, or keep them in the model."
                )
                raise TraceError(
                    f"the example input {path[0]!r} has {item!r:.100} beside tensors, at {(*path, key)!r}\n"
                    f"  at {where}. {remedy}"
                )
            yield from _tensors(item, (*path, key), where)


def _holds_tensor(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_holds_tensor, value.values()))
    if isinstance(value, list | tuple):
        return any(map(_holds_tensor, value))
    return isinstance(value, Tensor)


def _parameter(parameter: inspect.Parameter, bound: inspect.BoundArguments, where: str) -> Parameter:
    kind = _KINDS[parameter.kind]
    required = parameter.default is parameter.empty and kind in ("positional", "keyword")
    name = parameter.name
    if name in bound.arguments and _holds_tensor(bound.arguments[name]):
        return Parameter(name, kind, required)
    if name in bound.arguments:
        given = _plain(bound.arguments[name], name, where)
        # Left out, it would be another value than the traced one: it must be given.
        other = kind in ("positional", "keyword") and repr(_default(parameter)) != repr(given)
        return Parameter(name, kind, required or other, True, given)
    return Parameter(name, kind, required, True, _default(parameter))


def _default(parameter: inspect.Parameter) -> Arg:
    try:
        return None if parameter.default is parameter.empty else argument(parameter.default, no_tensor)
    except NotAnArgumentError:
        return None  # it cannot be written down: the graph was traced with it, and None stands for it


def _plain(value: Any, name: str, where: str) -> Arg:
    try:
        return argument(value, no_tensor)
    except NotAnArgumentError as error:
        raise TraceError(
            f"the example input {name!r} is {error}, which a graph cannot be given\n  at {where}. "
            "Give tensors, lists or dicts of tensors, or plain values."
        ) from error
