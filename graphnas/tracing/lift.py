"""From the records of one or two runs to the nodes of a graph."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from graphnas.ir.choice import TRAINING, Apply, Expr
from graphnas.ir.frozen import FrozenDict
from graphnas.ir.node import Arg, Choose, Frame, Layer, Node, Param, Ref, Size, refs_in, transform
from graphnas.tracing.joins import Item, join, pairs
from graphnas.tracing.record import ModuleCall, Record, Step, Value

EVALUATION = Apply("not", (TRAINING,))


@dataclass(eq=False)
class Box:
    """A module call of the graph while it is filled."""

    frames: tuple[Frame, ...]
    when: Expr | None = None
    parent: Box | None = None
    items: list[Node | Box] = field(default_factory=list)


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
        records: of the run in evaluation, and where the mode matters of the one in training.
        reserved: the paths of the model's modules and tensors, as `place` has them.
        place: where the model stands.
    """

    def __init__(self, records: tuple[Record, ...], reserved: Collection[str], place: Place) -> None:
        self._records = records
        self._place = place
        self._reserved = reserved
        self._used = set(place.taken)
        self._calls = Counter[str]()
        self._per_call = Counter(call.path for record in records for call in _calls_in(record.root))
        self._names: dict[Step, str] = {}
        self._boxes: dict[str, Box] = {}
        self._order: dict[str, int] = {}
        self._joins: dict[str, tuple[Arg, Arg, Ref]] = {}
        self.parameters: dict[str, Node] = {}
        self.constants: dict[str, Tensor] = {}
        self.formals: dict[tuple[str, int], dict[Ref, str]] = {}
        self._root = Box(place.scope)
        self.output = self._lift()

    # ------------------------------------------------------------ walking
    def _lift(self) -> Arg:
        first, second = self._records[0], self._records[-1]
        if place_frames := self._place.scope:
            self._enter_formals(place_frames[-1], [record.root for record in self._records])
        if first is second:
            self._one_mode(self._root, first.root.items, None)
            return self._resolved(first.output)
        self._both_modes(self._root, first.root.items, second.root.items)
        return self._joined(first.output, second.output, self._root)

    @property
    def nodes(self) -> tuple[Node, ...]:
        """The nodes in order, those that read parameters first."""
        found = list(self.parameters.values())
        _flatten(self._root, found)
        return tuple(found)

    def _both_modes(self, box: Box, evaluation: list[Item], training: list[Item]) -> None:
        for first, second in pairs(evaluation, training):
            match first, second:
                case ModuleCall(), ModuleCall():
                    self._both_modes(self._inner(box, [first, second], None), first.items, second.items)
                case Step(), Step():
                    self._both_steps(box, first, second)
                case _, None:
                    self._one_mode(box, [first], EVALUATION)  # type: ignore[list-item]
                case None, _:
                    self._one_mode(box, [second], TRAINING)

    def _one_mode(self, box: Box, items: list[Item], when: Expr | None) -> None:
        for item in items:
            if isinstance(item, ModuleCall):
                self._one_mode(self._inner(box, [item], when), item.items, when)
            else:
                args = tuple([self._resolved(arg) for arg in item.args])
                kwargs = FrozenDict({key: self._resolved(value) for key, value in item.kwargs.items()})
                self._add(box, [item], args, kwargs, when)

    def _both_steps(self, box: Box, first: Step, second: Step) -> None:
        args = tuple([self._joined(a, b, box) for a, b in zip(first.args, second.args, strict=True)])
        kwargs = {key: self._joined(value, second.kwargs[key], box) for key, value in first.kwargs.items()}
        self._add(box, [first, second], args, FrozenDict(kwargs), None)

    def _inner(self, box: Box, calls: list[ModuleCall], when: Expr | None) -> Box:
        path = self._path(calls[0].path)
        offset = self._place.call * self._per_call[calls[0].path]
        frame = Frame(path, calls[0].type, self._calls[path] + offset)
        self._calls[path] += 1
        inner = Box((*box.frames, frame), when, box)
        box.items.append(inner)
        self._enter_formals(frame, calls)
        return inner

    def _enter_formals(self, frame: Frame, calls: list[ModuleCall]) -> None:
        names = self.formals.setdefault((frame.path, frame.call), {})
        for call in calls:
            for value, name in call.formals.items():
                ref = self._ref(value)
                if isinstance(ref, Ref):
                    names.setdefault(ref, name)

    # ------------------------------------------------------------ nodes
    def _add(
        self, box: Box, steps: list[Step], args: tuple[Arg, ...], kwargs: FrozenDict[str, Arg], when: Expr | None
    ) -> None:
        step = steps[0]
        op = step.op
        if isinstance(op, Layer):
            name = self._layer_name(box, op.path)
            op = Layer(self._path(op.path), op.type, op.config) if self._place.path else op
        else:
            name = self._name(box, step.hint)
        after = tuple(dict.fromkeys(self._names[writer] for each in steps for writer in each.after))
        self._insert(box, Node(name, op, args, kwargs, box.frames, when, after, step.source))
        for each in steps:
            self._names[each] = name

    def _insert(self, box: Box, node: Node, before: Box | None = None) -> None:
        place = len(box.items) if before is None else box.items.index(before)
        box.items.insert(place, node)
        self._boxes[node.name] = box
        self._order[node.name] = len(self._order)

    def _path(self, path: str) -> str:
        return ".".join(filter(None, (self._place.path, path)))

    def _name(self, box: Box, hint: str) -> str:
        base = f"{_called(box.frames)}{hint}"
        name, count = base, 0
        while name in self._reserved or name in self._used:
            count += 1
            name = f"{base}_{count}"
        self._used.add(name)
        return name

    def _layer_name(self, box: Box, path: str) -> str:
        """A layer's node is called like the layer, with the mark of the call around it."""
        name = self._path(path)
        if box.frames and name.startswith(f"{box.frames[-1].path}."):
            name = _called(box.frames) + name[len(box.frames[-1].path) + 1 :]
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
            return Size(self._ref(leaf.of), leaf.dim)  # type: ignore[arg-type]
        return leaf

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
            if held is not None and _same(held, value.content):
                return path
            count += 1
            path = f"{base}_{count}"
        self.constants[path] = value.content
        return path

    # ------------------------------------------------------------ joins
    def _joined(self, evaluation: Arg, training: Arg, box: Box) -> Arg:
        return join(self._resolved(evaluation), self._resolved(training), lambda yes, no: self._choose(yes, no, box))

    def _choose(self, training: Arg, evaluation: Arg, reader: Box) -> Ref:
        """A node that has one value in training and another in evaluation, where the later of them was made."""
        key = repr((training, evaluation))
        if key not in self._joins:
            made = [ref.name for ref in refs_in((training, evaluation)) if ref.name in self._boxes]
            home = self._boxes[max(made, key=self._order.__getitem__)] if made else reader
            while home.when is not None and home.parent is not None:
                home = home.parent
            name = self._name(home, "result")
            node = Node(name, Choose(TRAINING), (training, evaluation), scope=home.frames)
            self._insert(home, node, _child_towards(home, reader))
            self._joins[key] = (training, evaluation, Ref(name))
        return self._joins[key][2]

    def name_joins(self) -> None:
        """Lets a join go by the name that a module has for one of its arms."""
        for names in self.formals.values():
            for training, evaluation, ref in self._joins.values():
                name = names.get(training) or names.get(evaluation)
                if name:
                    names.setdefault(ref, name)


def _called(frames: tuple[Frame, ...]) -> str:
    if not frames:
        return ""
    frame = frames[-1]
    return f"{frame.path}@{frame.call}." if frame.call else f"{frame.path}."


def _child_towards(home: Box, reader: Box) -> Box | None:
    """The box directly in `home` that holds `reader`; None where that is `home` itself or elsewhere."""
    box = reader
    while box.parent is not None:
        if box.parent is home:
            return box
        box = box.parent
    return None


def _flatten(box: Box, found: list[Node]) -> None:
    for item in box.items:
        if isinstance(item, Box):
            _flatten(item, found)
        else:
            found.append(item)


def _calls_in(call: ModuleCall) -> Iterator[ModuleCall]:
    for item in call.items:
        if isinstance(item, ModuleCall):
            yield item
            yield from _calls_in(item)


def _same(first: Tensor, second: Tensor) -> bool:
    return first is second or (
        first.shape == second.shape and first.dtype == second.dtype and bool((first == second).all())
    )
