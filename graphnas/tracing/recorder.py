"""Runs a model and writes down every torch function that it calls and every layer that it enters."""

from __future__ import annotations

import contextlib
import operator
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from graphnas.errors import TraceError
from graphnas.ir.choice import Apply, Expr
from graphnas.ir.node import (
    ALIAS,
    GUARD,
    Arg,
    Call,
    Choose,
    Device,
    Layer,
    Size,
    transform,
)
from graphnas.ir.source import Source
from graphnas.tracing import calls, facts, module_calls, names, packing, patches, ranks, sources
from graphnas.tracing.arguments import NotAnArgumentError, argument
from graphnas.tracing.assignments import Assignments
from graphnas.tracing.caches import frozen
from graphnas.tracing.choosing import RECORDER
from graphnas.tracing.conversions import Conversions
from graphnas.tracing.devices import Device as FollowedDevice
from graphnas.tracing.dtypes import Dtype, limits
from graphnas.tracing.identity import fresh, storage
from graphnas.tracing.meanings import is_message
from graphnas.tracing.modules import Registry
from graphnas.tracing.record import ModuleCall, Record, Step, Value, lives_in, values_read
from graphnas.tracing.refusals import Refusals
from graphnas.tracing.regions import Regions
from graphnas.tracing.repeats import Repeats
from graphnas.tracing.sizes import SymbolicFloat, SymbolicInt, bare, expression, symbolic
from graphnas.tracing.snapshot import Snapshot
from graphnas.tracing.writes import Writes


class Recorder:
    """One run of a model, as it is written down.

    Args:
        registry: where modules and tensors are registered.
        snapshot: told before a parameter is written to.
        repeats: which layers need not be computed.
        conversions: where numbers are made plain by code that can be given others.
        exact: whether libraries are to take the path that they take when not compiled.
    """

    lasting = False
    numbers = (SymbolicInt, SymbolicFloat)

    def __init__(
        self, registry: Registry, snapshot: Snapshot, repeats: Repeats, conversions: Conversions, exact: bool = False
    ) -> None:
        self.registry = registry
        self.snapshot = snapshot
        self.repeats = repeats
        self.conversions = conversions
        self.exact = exact
        self.listening = False
        self.returning = False  # whether what the model gave is being read
        self.finished = False
        self.mode_readers = 0
        self.root = self.call = ModuleCall("", registry.name)
        self.known: dict[int, Value] = {}
        self.position = 0
        self.failed = ("", "")  # path and class of the innermost module that raised
        self.refusals = Refusals()
        self.writes = Writes()
        self.facts: dict[Any, Value] = {}  # what was asked about tensors, and where
        self.former: dict[Any, Value] = {}  # the sizes of tensors before they got another shape in place
        self._guards: set[Any] = set()
        self.assignments = Assignments(self)
        self.regions = Regions(self)
        self.result: Any = None  # what the model gave, frozen
        self.ranked: Source | None = None  # where something was first made of a shape that depends on its length
        self._thread = threading.get_ident()

    # ------------------------------------------------------------ running
    def run(self, args: tuple[Any, ...], kwargs: dict[str, Any], inputs: tuple[Value, ...]) -> Record:
        """Runs the model.

        Args:
            args: positional arguments of its `forward`.
            kwargs: keyword arguments of its `forward`.
            inputs: the values among them.
        """
        model = self.registry.model
        for value in inputs:
            self.known[id(value.content)] = value
        with self._patched() as original:
            self.listening = True
            token = RECORDER.set(self)
            try:
                with calls.Mode(self):
                    result = original(model, *args, **kwargs)
                    self.assignments.finish()
            finally:
                self.listening = False
                RECORDER.reset(token)
            self.refusals.check()
            self.regions.check(0, "the model")
            self.returning = True
            output = self._output(result)
            self.returning = False
            self.result = frozen(bare(result))
            ranks.keep(self, inputs)
        reads_mode = self.mode_readers > 0
        return Record(self.root, output, model.training, inputs, reads_mode, self.known, self.assignments.places)

    @contextlib.contextmanager
    def _patched(self) -> Iterator[Callable[..., Any]]:
        original = nn.Module.__call__
        names.functions()  # their names are those of torch's own functions

        def call(module: nn.Module, *args: Any, **kwargs: Any) -> Any:
            if not self.listening or threading.get_ident() != self._thread:
                return original(module, *args, **kwargs)
            return module_calls.record(self, original, module, args, kwargs)

        with contextlib.ExitStack() as stack:
            stack.enter_context(patches.replaced(nn.Module, "__call__", call))
            stack.enter_context(patches.replaced(nn.Module, "training", patches.mode_property(self._mode_read)))
            stack.enter_context(patches.assignments(self.assignments.see))
            stack.enter_context(patches.numbers(self.number))
            stack.enter_context(limits(self))
            stack.enter_context(patches.questions(self._asked))
            stack.enter_context(patches.autocasts(self.regions, lambda: self.listening))
            stack.enter_context(patches.compiling(not self.exact))
            stack.enter_context(patches.refused(self.refuse, lambda: self.listening))
            stack.enter_context(packing.recorded(self))
            stack.enter_context(self.conversions.replaced(self))
            yield original

    def _asked(self, name: str, function: Callable[..., Any], args: tuple[Any, ...], frame: FrameType) -> Any:
        if not self.listening:
            return function(*args)
        with self.quiet():
            return facts.ask(self, f"torch.{name}", function, args, {}, frame)

    def _mode_read(self, _module: nn.Module) -> None:
        if self.listening:
            self.mode_readers += 1

    @contextlib.contextmanager
    def quiet(self) -> Iterator[None]:
        """What torch does inside a recorded call is not recorded."""
        before, self.listening = self.listening, False
        try:
            yield
        finally:
            self.listening = before

    def refuse(self, what: str, remedy: str, path: str | None = None) -> TraceError:
        """The error that says where the user's code did what cannot be recorded.

        Args:
            what: it did.
            remedy: what to do about it.
            path: of the module that cannot be recorded; by default the one whose code runs.
        """
        return self.refusals.refuse(what, remedy, sources.source(sys._getframe(1)), self.call, path)

    def _output(self, result: Any) -> Arg:
        try:
            return self._of_then(argument(result, self._returned, output=True))
        except NotAnArgumentError as error:
            raise TraceError(
                f"the model {self.registry.name} returns {error}, which a graph cannot return; "
                "return tensors, tuples, lists, dicts or data classes of them. What can be left out by an argument or "
                "a setting is best left out: the cache of a model of transformers by `use_cache=False`"
            ) from error

    def _returned(self, tensor: Any) -> Arg:
        """The value that the model returns; one written to since it was made comes after those writes."""
        value = self.read_argument(tensor)
        if self.writes.version(tensor) > value.version:
            return Value(tensor, self.step(Call(ALIAS), (value,), {}, "alias", None))
        return value

    # ------------------------------------------------------------ values
    def read_argument(self, given: Any) -> Arg:
        """The value that a tensor or packed sequence is; of a device that torch has read, or its name."""
        if isinstance(given, PackedSequence):
            return packing.packed(self, given)
        if not isinstance(given, torch.device):
            return self.read(given)
        found = self.known.get(id(given))
        return Device(str(given)) if found is None else found

    def read(self, tensor: Tensor) -> Value:
        """The value that a tensor is."""
        found = self.known.get(id(tensor))
        if found is None or found.content is not tensor:
            found = self.registry.state.get(id(tensor))
            if self.assignments.has_replaced(tensor):
                raise self.refuse("a buffer is read after another was put in its place", "Read it before, or clone it.")
            if found is not None and found.content is tensor:
                found = Value(tensor, origin="state", name=found.name)
            else:
                found = self._constant(tensor)
            self.known[id(tensor)] = found
        return found

    def _constant(self, tensor: Tensor) -> Value:
        """A tensor that was there before: held by the model without being registered, or by its code."""
        if tensor.grad_fn is not None:
            raise self.refuse(
                f"a tensor of shape {tuple(tensor.shape)} was computed where the tracer could not see it",
                "Scripted functions and extensions are not seen: call the Python function itself.",
            )
        if torch._C._functorch.is_functorch_wrapped_tensor(tensor):
            raise self.refuse(
                "a transform of torch.func is applied, which a graph cannot hold", "Write the batched computation out."
            )
        memory = tensor.untyped_storage().data_ptr()
        if memory and any(lives_in(value, memory) for value in self.known.values()):
            raise self.refuse(
                f"a tensor of shape {tuple(tensor.shape)} was made from an earlier one without the tracer seeing how",
                "Parameters and tensor subclasses that forward makes are not seen: use the tensor itself.",
            )
        self.snapshot.watch(tensor)
        holder, name = self.registry.holder(tensor, self.call.path)
        return Value(tensor, origin="constant", name=f"{holder}.{name}" if holder else name)

    def new(self, content: Any, step: Step, item: tuple[int | str, ...]) -> Value:
        """The value that a step has made."""
        value = self.known[id(content)] = Value(content, step, item)
        value.version = self.writes.version(content)
        return value

    def number(self, target: str, args: tuple[Any, ...], result: Any) -> Any:
        """A function of numbers was called; the result as a symbolic number."""
        if not self.listening:
            return result
        step = self.step(Call(target), tuple(map(expression, args)), {}, target.rpartition(".")[2], sys._getframe(2))
        return self.bind(result, step)

    def bind(self, result: Any, step: Step, item: tuple[int | str, ...] = ()) -> Any:
        """Makes what a function returned known, under fresh identities where it returned what was known."""
        if isinstance(result, Tensor):
            if id(result) in self.known or id(result) in self.registry.state:
                result = fresh(result)
            self.new(result, step, item)
            return result
        kind = type(result)
        if isinstance(result, tuple):
            parts = [self.bind(part, step, (*item, place)) for place, part in enumerate(result)]
            if not all(map(operator.is_, parts, result)):
                result = tuple(parts) if kind is tuple else kind(*parts) if hasattr(kind, "_fields") else kind(parts)
            if kind is PackedSequence:
                self.new(result, step, item)
            return result
        if kind is list:
            return [self.bind(part, step, (*item, place)) for place, part in enumerate(result)]
        if kind is int or kind is float:
            return symbolic(result, Value(result, step, item), self)
        if kind is bool:
            self.guard(Apply("bool", (Value(result, step, item),)), result)  # Python decides by it, or keeps it
        if kind is torch.device:
            return FollowedDevice(result, Value(result, step, item), self)
        if kind is torch.dtype:
            return Dtype(result, Value(result, step, item), self)
        return result

    # ------------------------------------------------------------ steps
    def step(
        self,
        op: Layer | Call | Choose,
        args: tuple[Arg, ...],
        kwargs: dict[str, Arg],
        hint: str,
        frame: FrameType | None,
    ) -> Step:
        """Writes one step down."""
        if self.former:
            args, kwargs = self._of_then(args), {key: self._of_then(value) for key, value in kwargs.items()}
        self.position += 1
        made = Step(op, args, kwargs, hint, self.position, sources.source(frame))
        if self.writes:
            made.after = self.writes.unseen(values_read((args, *kwargs.values())))
        self.call.items.append(made)
        return made

    def _of_then(self, tree: Any) -> Any:
        """An argument tree whose sizes are those that tensors had when they were asked for."""
        return transform(tree, lambda leaf: self.former.get(leaf, leaf) if isinstance(leaf, Size) else leaf)

    def begin(self, path: str, kind: str) -> ModuleCall:
        """A module call begins."""
        self.position += 1
        made = ModuleCall(path, kind, self.position, depth=self.regions.depth)
        self.call.items.append(made)
        return made

    def arguments(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Arg, ...], dict[str, Arg]]:
        """The argument trees of a call."""
        read = self.read_argument
        try:
            return (
                tuple([argument(arg, read) for arg in args]),
                {key: argument(value, read) for key, value in kwargs.items()},
            )
        except NotAnArgumentError as error:
            raise self.refuse(
                f"{error} is given to a torch function, and a graph cannot hold it: {error.value!r:.100}",
                "Give it tensors, numbers, strings, and tuples, lists or dicts of them.",
            ) from error

    def before_write(self, tensor: Tensor) -> None:
        """A tensor is about to be written to."""
        self.snapshot.before_write(storage(tensor))

    def guard(self, test: Expr, outcome: bool, where: Source | None = None) -> None:
        """Python took a decision: the graph holds only while `test` comes out the same; at `where`, if not here."""
        frame = None if where else sys._getframe(1)
        if frame is not None and is_message(frame):
            return  # nothing but a text is decided by it
        where = where or sources.source(frame)
        key = (test, outcome, where)
        if key in self._guards:
            return
        self._guards.add(key)
        claim = test if outcome else Apply("not", (test,))
        self.step(Call(GUARD), (claim, str(where)), {}, "guard", frame).source = where

    def sizes(self, tensor: Tensor, shape: torch.Size, frame: FrameType, dim: int | None = None) -> torch.Size:
        """A shape as symbolic sizes, of which one may be asked for; that of parameters and constants is fixed."""
        value = self.read(tensor)
        if value.origin in ("state", "constant"):
            return shape
        ranks.look(self, frame, dim)
        called = sources.sizes(frame, len(shape))
        sizes = [symbolic(size, Size(value, place, called), self) for place, size in enumerate(shape)]  # type: ignore[arg-type]
        return torch.Size(sizes)
