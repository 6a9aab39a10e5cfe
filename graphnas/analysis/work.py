"""The multiply-adds of every node of a space, under every decision that they depend on."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeGuard

from graphnas.analysis.conditions import conditions
from graphnas.analysis.diagrams import Diagram, Diagrams, Leaf
from graphnas.analysis.meta import DependsOnDataError, contiguous
from graphnas.analysis.multiply_adds import may_multiply, multiply_adds
from graphnas.analysis.shapes import Unknown, UnknownArgumentError, closed, value_of
from graphnas.errors import GraphError
from graphnas.ir.choice import Arch, Choice, choices_in
from graphnas.ir.counting import holds
from graphnas.ir.graph import Graph
from graphnas.ir.naming import without_calls
from graphnas.ir.node import ARGUMENT, ENTERS, EXITS, GUARD, Arg, Call, Choose, Layer, Node, Op, Ref, refs_in, transform

Function: TypeAlias = Callable[[Mapping[str, Any], Arch], Any]


@dataclass(frozen=True, slots=True)
class Broken(Unknown):
    """A value that there is not: the network does not run under these decisions."""


class Work:
    """Runs a space on the meta device under all decisions at once: a value is a diagram of shapes.

    Args:
        space: with or without open choices.
        diagrams: over its choices.
        batch: examples; None for those that were traced.
        known: multiply-adds of single calls by node name without marks of calls.
    """

    def __init__(self, space: Graph, diagrams: Diagrams, batch: int | None, known: Mapping[str, int]) -> None:
        self._space = space
        self._diagrams = diagrams
        self._batch = batch
        self._known = known
        self._values: dict[str, Diagram] = {}
        traced = next((given.shape[0] for given in space.inputs if given.shape), None)
        for given in space.inputs:
            shape = given.shape
            if batch is not None and shape and shape[0] == traced:
                shape = (batch, *shape[1:])
            self._values[given.name] = diagrams.leaf(contiguous(shape, given.dtype))

    def counts(self) -> Iterator[Diagram]:
        """The number for every layer and call, where the child has it."""
        make = self._diagrams
        for node, there in zip(self._space.nodes, conditions(self._space, make), strict=True):
            self._values[node.name] = self._value(node)
            if _computes(node.op) and there is not make.false:
                count = self._under(node.refs, node.choices, functools.partial(self._count, node, node.op))
                yield self._certain(node, make.choose(there, count, make.zero))

    def _under(self, refs: Iterable[Ref], choices: Iterable[Choice], function: Function) -> Diagram:
        """A function of values by name and of decisions by label."""
        names = tuple(dict.fromkeys(ref.name for ref in refs))
        labels = {choice.label: choice for choice in choices}

        def value(*items: Any) -> Any:
            return function(dict(zip(names, items)), dict(zip(labels, items[len(names) :])))

        decisions = (self._diagrams.of(choice, lambda option: option) for choice in labels.values())
        return self._diagrams.combine(value, *(self._values[name] for name in names), *decisions)

    # ---------------------------------------------------------------- shapes
    def _value(self, node: Node) -> Diagram:
        if isinstance(node.op, Choose) and isinstance(node.op.choice, Choice):
            choice = node.op.choice
            arms = [self._argument(arg) for arg in node.args]
            if choice.take == 1:
                return self._chosen(choice, arms)
            if all(arm is arms[0] and isinstance(arm, Leaf) for arm in arms) and node.op.merge != "concat":
                return arms[0]
        return self._under(node.refs, node.choices, functools.partial(self._run, node))

    def _argument(self, arg: Arg) -> Diagram:
        def value(values: Mapping[str, Any], arch: Arch) -> Any:
            try:
                return transform(arg, functools.partial(closed, values=values, arch=arch))
            except UnknownArgumentError as found:
                return found.unknown

        return self._under(refs_in(arg), choices_in(arg), value)

    def _chosen(self, choice: Choice, arms: list[Diagram]) -> Diagram:
        make = self._diagrams
        result = arms[-1]
        for option, arm in zip(choice.options[:-1], arms[:-1], strict=True):
            result = make.choose(make.of(choice, functools.partial(operator.eq, option)), arm, result)
        return result

    def _run(self, node: Node, values: Mapping[str, Any], arch: Arch) -> Any:
        try:
            return value_of(node, self._space, values, arch)
        except GraphError as error:
            return Broken(str(error))

    # ---------------------------------------------------------------- counts
    def _count(self, node: Node, op: Layer | Call, values: Mapping[str, Any], arch: Arch) -> int | Unknown:
        close = functools.partial(closed, values=values, arch=arch)
        runs = _runs(node, close)
        if runs is False:
            return 0
        name = without_calls(node.name)
        count = self._known[name] if name in self._known else self._counted(node, op, close)
        if runs is None and count != 0:
            return Unknown(f"{node.where}: it runs under a condition on data")
        return count

    def _counted(self, node: Node, op: Layer | Call, close: Callable[[Arg], Any]) -> int | Unknown:
        name = op.type if isinstance(op, Layer) else op.target
        try:
            config = transform(op.config, close) if isinstance(op, Layer) else None
            return multiply_adds(name, config, transform(node.args, close), transform(node.kwargs, close))
        except UnknownArgumentError as found:
            return found.unknown if may_multiply(name) else 0
        except DependsOnDataError as reason:
            return Unknown(f"{node.where}: {reason}") if may_multiply(name) else 0

    def _certain(self, node: Node, count: Diagram) -> Diagram:
        """The count as a number wherever the network may run.

        Raises:
            GraphError: it is not known.
        """
        for arch, value in self._diagrams.paths(count) if self._is_uncertain(count) else ():
            if isinstance(value, Unknown) and (not isinstance(value, Broken) or holds(self._space, arch)):
                decided = f" under {arch}" if arch else ""
                tried = f"; batch=None counts on the traced inputs, not on a batch of {self._batch}"
                raise GraphError(
                    f"the multiply-adds of {node.name!r} are not known{decided}: {value.reason}\n"
                    f"  at {node.where}. Give them by known={{{without_calls(node.name)!r}: number}}"
                    f"{tried if isinstance(value, Broken) and self._batch is not None else ''}."
                )
        return self._diagrams.combine(lambda value: 0 if isinstance(value, Unknown) else value, count)

    def _is_uncertain(self, count: Diagram) -> bool:
        return self._diagrams.combine(lambda value: isinstance(value, Unknown), count) is not self._diagrams.false


def _computes(op: Op) -> TypeGuard[Layer | Call]:
    match op:
        case Call(target=target):
            return target not in {GUARD, ARGUMENT, *ENTERS, *EXITS}
    return isinstance(op, Layer)


def _runs(node: Node, close: Callable[[Arg], Any]) -> bool | None:
    """Whether a node runs in evaluation; None where data decides."""
    try:
        return node.when is None or bool(transform(node.when, close))
    except (DependsOnDataError, UnknownArgumentError):
        return None
