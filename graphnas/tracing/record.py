"""What one run of a model leaves behind: values, steps, and the module calls around them.

Argument trees are those of `graphnas.ir`, with a `Value` wherever a graph has a `Ref`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from graphnas.ir.choice import Apply, Choice, Expr
from graphnas.ir.frozen import FrozenDict
from graphnas.ir.node import Arg, Call, Choose, Given, Layer, List, Size, Slice, transform
from graphnas.ir.source import Source


@dataclass(slots=True, eq=False)
class Value(Expr):
    """A tensor or number that a step made, or that was there before.

    Attributes:
        content: the tensor or number; kept so that its identity is not given to another.
        step: what made it; None for inputs, parameters, buffers and constants.
        item: which part of the step's result it is.
        origin: without a step: "input", "state" or "constant".
        name: without a step: of an input its name, of state its path, of a constant the path of the module using it.
        version: how often its storage had been written when it came to be.
    """

    content: Any
    step: Step | None = None
    item: tuple[int | str, ...] = ()
    origin: str = ""
    name: str = ""
    version: int = 0


@dataclass(slots=True, eq=False)
class Step:
    """One operation that ran, or where records have been merged a choice between values of theirs.

    Attributes:
        op: the layer or function.
        hint: what a node is called after; of a layer the path.
        position: its place in time.
        after: earlier steps that wrote to what it reads.
        when: the condition under which it ran, where not every merged record has it.
        parts: into how many a tensor was cut, where it was: another number of them is another step.
    """

    op: Layer | Call | Choose
    args: tuple[Arg, ...]
    kwargs: dict[str, Arg]
    hint: str
    position: int
    source: Source | None = None
    after: tuple[Step, ...] = ()
    when: Expr | None = None
    parts: int = 0

    @property
    def key(self) -> tuple[Any, ...]:
        """What two runs are aligned by."""
        shape = (len(self.args), *self.kwargs)
        when = outline(self.when)
        match self.op:
            case Layer(path=path):
                return (when, path, *shape)
            case Choose(choice=condition):
                return (when, "choose", outline(condition))
            case Call(target=target):
                return (when, target, self.source, self.parts, *shape, *(outline(arg) for arg in self.args))


@dataclass(slots=True, eq=False)
class ModuleCall:
    """One call of a module that is not a layer.

    Attributes:
        path: where it is registered.
        type: its class.
        items: what happened inside, in order.
        formals: names that its parameters have inside.
        position: of its beginning in time.
        depth: how many regions of other modes were open then.
    """

    path: str
    type: str
    position: int = 0
    items: list[Step | ModuleCall] = field(default_factory=list)
    formals: dict[Value, str] = field(default_factory=dict)
    depth: int = 0

    @property
    def key(self) -> tuple[Any, ...]:
        """What two runs are aligned by."""
        return ("module", self.path)


@dataclass(slots=True, eq=False)
class Record:
    """A run in one mode, or several merged into one.

    Attributes:
        root: the call of the model itself.
        output: argument tree.
        training: the mode; of merged runs that of the first.
        inputs: the values given, in the order of the graph's inputs.
        reads_mode: whether anything outside torch's layers asked for the mode.
        known: the values by the identity of their content.
        assigned: where attributes of modules were last set, by the identity of the module and the name.
    """

    root: ModuleCall
    output: Arg
    training: bool
    inputs: tuple[Value, ...]
    reads_mode: bool
    known: Mapping[int, Value] = field(repr=False)
    assigned: Mapping[tuple[int, str], Source | None]

    def release(self) -> None:
        """Lets go of what the steps computed, as much as training keeps: a tensor is now an empty one."""
        empty = torch.empty(0)
        for value in self.known.values():
            if value.step is not None and isinstance(value.content, Tensor):
                value.content = empty
        self.known = {}


def outline(tree: Arg) -> Any:
    """The shape of an argument tree: where its values are, and which expressions it has."""
    match tree:
        case Value():
            return Value
        case Apply(fn=fn, args=args):
            return (fn, *map(outline, args))
        case Size(dim=dim):
            return (Size, dim)
        case Given():
            return Given
        case Choice():
            return tree
        case tuple():
            return tuple(map(outline, tree))
        case List(items=items):
            return (List, *map(outline, items))
        case FrozenDict():
            return tuple((key, outline(item)) for key, item in tree.items())
    return None


def steps_in(call: ModuleCall) -> Iterator[Step]:
    """The steps of a call and of the calls in it, in order."""
    for item in call.items:
        if isinstance(item, ModuleCall):
            yield from steps_in(item)
        else:
            yield item


def identified(step: Step) -> Arg:
    """A step with every value told by where it comes from, so that those of two runs can be compared."""
    return (step.op, told(step.args), [(key, told(arg)) for key, arg in step.kwargs.items()])


def told(tree: Arg) -> Arg:
    """An argument tree with every value told by where it comes from."""
    return transform(tree, _origin)


@dataclass(frozen=True, slots=True)
class Origin(Expr):
    """Where a value of a run comes from; an expression, so that what is computed from it is not worked out."""

    place: Any
    item: Any = None


def _digest(tensor: Tensor) -> tuple[torch.dtype, torch.Size, str]:
    with torch._C.DisableTorchFunction():
        content = tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes()
        return tensor.dtype, tensor.shape, hashlib.sha256(content).hexdigest()


def _origin(leaf: Any) -> Any:
    match leaf:
        case Value(step=None, origin="constant"):
            return Origin("constant", _digest(leaf.content))  # the same values under another name are the same
        case Value(step=None):
            return Origin(leaf.origin, leaf.name)
        case Value(step=Step(position=position)):
            return Origin(position, leaf.item)
        case Size():
            return Origin(_origin(leaf.of), leaf.dim)
        case Given():
            return Origin(_origin(leaf.of), Given)
    return leaf


def lives_in(value: Value, memory: int) -> bool:
    """Whether a tensor that was given or computed, not held, lives in that memory."""
    content = value.content
    return (
        isinstance(content, Tensor) and value.origin in ("", "input") and content.untyped_storage().data_ptr() == memory
    )


def values_in(tree: Arg, sizes: bool = True) -> Iterator[Value]:
    """The values in an argument tree, with repeats; without `sizes` only those whose content is read."""
    match tree:
        case Value():
            yield tree
        case Size(of=Value() as of) | Given(of=Value() as of):
            if sizes:
                yield of
        case tuple():
            for item in tree:
                yield from values_in(item, sizes)
        case Apply(args=items) | List(items=items):
            yield from values_in(items, sizes)
        case FrozenDict():
            yield from values_in(tuple(tree.values()), sizes)
        case Slice(start=start, stop=stop, step=step):
            yield from values_in((start, stop, step), sizes)


def values_read(tree: Arg) -> Iterator[Value]:
    """The values whose content an argument tree needs, with repeats: a size alone is known without it."""
    return values_in(tree, sizes=False)
