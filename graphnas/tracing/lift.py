"""From a record to the nodes of a graph."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from torch import Tensor

from graphnas.ir.frozen import FrozenDict
from graphnas.ir.node import Arg, Choose, Frame, Given, Layer, Node, Param, Ref, Size, transform
from graphnas.tracing.merging import same_tensor
from graphnas.tracing.record import ModuleCall, Record, Step, Value


@dataclass(frozen=True)
class Place:
    """Where in a larger graph a recorded model stands.

    Attributes:
        path: of the model; "" is the root itself.
        scope: the module calls around it, its own included.
        call: which call of it this is.
        taken: names that nodes must not have.
        given: what stands for the inputs; where empty they stand for themselves.
    """

    path: str = ""
    scope: tuple[Frame, ...] = ()
    call: int = 0
    taken: Collection[str] = ()
    given: Mapping[str, Arg] = field(default_factory=dict)


class Lift:
    """The nodes of one model.

    Args:
        record: of all of its runs.
        reserved: the paths of the model's modules and tensors, as `place` has them.
        place: where the model stands.
    """

    def __init__(self, record: Record, reserved: Collection[str], place: Place) -> None:
        self._place = place
        self._reserved = reserved
        self._used = set(place.taken)
        self._calls = Counter[str]()
        self._per_call = Counter(call.path for call in _calls_in(record.root))
        self._names: dict[Step, str] = {}
        self._nodes: list[Node] = []
        self._unnamed: list[tuple[tuple[str, int], Value, str]] = []
        self.parameters: dict[str, Node] = {}
        self.constants: dict[str, Tensor] = {}
        self.formals: dict[tuple[str, int], dict[Ref, str]] = {}
        if place.scope:
            self._enter_formals(place.scope[-1], record.root)
        self._items(record.root, place.scope)
        for call, value, name in self._unnamed:
            self._name_formal(call, value, name)
        self.output = self._resolved(record.output)

    @property
    def nodes(self) -> tuple[Node, ...]:
        """The nodes in order, those that read parameters first."""
        return (*self.parameters.values(), *self._nodes)

    # ------------------------------------------------------------ calls
    def _items(self, call: ModuleCall, frames: tuple[Frame, ...]) -> None:
        for item in call.items:
            if isinstance(item, ModuleCall):
                self._items(item, (*frames, self._frame(item)))
            else:
                self._add(item, frames)

    def _frame(self, call: ModuleCall) -> Frame:
        path = self._path(call.path)
        frame = Frame(path, call.type, self._calls[path] + self._place.call * self._per_call[call.path])
        self._calls[path] += 1
        self._enter_formals(frame, call)
        return frame

    def _enter_formals(self, frame: Frame, call: ModuleCall) -> None:
        key = (frame.path, frame.call)
        self.formals.setdefault(key, {})
        for value, name in call.formals.items():
            if value.step is None or value.step in self._names:
                self._name_formal(key, value, name)
            else:  # a choice between values of this call, which is made later
                self._unnamed.append((key, value, name))

    def _name_formal(self, call: tuple[str, int], value: Value, name: str) -> None:
        ref = self._ref(value)
        if isinstance(ref, Ref):
            self.formals[call].setdefault(ref, name)

    # ------------------------------------------------------------ nodes
    def _add(self, step: Step, frames: tuple[Frame, ...]) -> None:
        op: Any = step.op
        if isinstance(op, Layer):
            name = self._layer_name(frames, op.path)
            op = Layer(self._path(op.path), op.type, op.config) if self._place.path else op
        else:
            name = self._name(frames, step.hint)
            if isinstance(op, Choose):
                op = Choose(self._resolved(op.choice), op.merge)
        args = tuple([self._resolved(arg) for arg in step.args])
        kwargs = FrozenDict({key: self._resolved(value) for key, value in step.kwargs.items()})
        when = None if step.when is None else self._resolved(step.when)
        after = tuple([self._names[writer] for writer in step.after])
        self._nodes.append(Node(name, op, args, kwargs, frames, when, after, step.source))
        self._names[step] = name

    def _path(self, path: str) -> str:
        return ".".join(filter(None, (self._place.path, path)))

    def _name(self, frames: tuple[Frame, ...], hint: str) -> str:
        base = f"{_called(frames)}{hint}"
        name, count = base, 0
        while name in self._reserved or name in self._used:
            count += 1
            name = f"{base}_{count}"
        self._used.add(name)
        return name

    def _layer_name(self, frames: tuple[Frame, ...], path: str) -> str:
        """A layer's node is called like the layer, with the mark of the call around it."""
        name = self._path(path)
        if frames and name.startswith(f"{frames[-1].path}."):
            name = _called(frames) + name[len(frames[-1].path) + 1 :]
        base, count = name, 0
        while name in self._used:
            count += 1
            name = f"{base}@{count}"
        self._used.add(name)
        return name

    # ------------------------------------------------------------ values
    def _resolved(self, tree: Arg) -> Arg:
        return transform(tree, self._leaf)

    def _leaf(self, leaf: Any) -> Arg:
        if isinstance(leaf, Value):
            return self._ref(leaf)
        if isinstance(leaf, Size):
            return replace(leaf, of=self._ref(leaf.of))  # type: ignore[arg-type]
        return Given(self._ref(leaf.of)) if isinstance(leaf, Given) else leaf  # type: ignore[arg-type]

    def _ref(self, value: Value) -> Arg:
        if value.step is not None:
            return Ref(self._names[value.step], value.item)
        match value.origin:
            case "input":
                return self._place.given.get(value.name, Ref(value.name))
            case "state":
                path = self._path(value.name)
            case _:
                path = self._constant(value)
        if path not in self.parameters:
            self.parameters[path] = Node(path, Param(path, tuple(value.content.shape)))
        return Ref(path)

    def _constant(self, value: Value) -> str:
        base = path = self._path(value.name)
        count = 0
        while path in self._reserved or path in self._used or path in self.constants:
            held = self.constants.get(path)
            if held is not None and same_tensor(held, value.content):
                return path
            count += 1
            path = f"{base}_{count}"
        self.constants[path] = value.content
        return path


def _called(frames: tuple[Frame, ...]) -> str:
    if not frames:
        return ""
    frame = frames[-1]
    return f"{frame.path}@{frame.call}." if frame.call else f"{frame.path}."


def _calls_in(call: ModuleCall) -> Iterator[ModuleCall]:
    for item in call.items:
        if isinstance(item, ModuleCall):
            yield item
            yield from _calls_in(item)
