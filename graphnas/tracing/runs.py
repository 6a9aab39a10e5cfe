"""The runs of a model that make up a trace."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import nn

from graphnas.errors import GraphNASError, TraceError, TraceWarning, UnrecordableError
from graphnas.ir.choice import TRAINING, Apply
from graphnas.ir.node import GUARD, Call
from graphnas.tracing import casting, patches
from graphnas.tracing.branches import both_modes, united
from graphnas.tracing.caches import Change, Outcome, frozen, is_cache, same
from graphnas.tracing.conversions import Conversions, FoundError
from graphnas.tracing.examples import Faces, keep_apart, numbered
from graphnas.tracing.interface import Interface
from graphnas.tracing.meanings import identifies_dtypes, looks_at_objects
from graphnas.tracing.memory import Kept, differ, difference, kept, refusal, tell_of_buffers, tell_of_counters
from graphnas.tracing.modules import Registry
from graphnas.tracing.opaque import keep_whole, warn
from graphnas.tracing.record import Record, Step
from graphnas.tracing.recorder import Recorder
from graphnas.tracing.refusals import failure
from graphnas.tracing.repeats import DemandError, Repeats
from graphnas.tracing.snapshot import Snapshot
from graphnas.tracing.surroundings import Surroundings


class Runs:
    """The runs of one trace.

    Args:
        registry: of the model.
        faces: what it is called with.
        exact: whether libraries are told the truth when they ask whether they are compiled.
        opaque: "warn" where a module that cannot be recorded may stay one layer, else "error".
    """

    def __init__(self, registry: Registry, faces: Faces, exact: bool, opaque: str) -> None:
        self._opaque = opaque
        self._registry = registry
        self._faces = faces
        self._exact = exact
        self._snapshot = Snapshot(registry.modules)
        self._around = Surroundings(registry.written)
        self._repeats = Repeats()
        kinds = dict.fromkeys(type(module) for module in registry.written)
        self._looking = next(filter(None, (looks_at_objects(kind) for kind in kinds)), "")  # type: ignore[arg-type]
        if self._looking:
            self._repeats.forbid()
        self._conversions = Conversions()
        if self._looking or any(identifies_dtypes(kind) for kind in kinds):  # type: ignore[arg-type]
            self._conversions.forbid_dtypes()
        self._cast = False  # whether one has been
        self._casting = True  # whether runs under autocast are made
        self._begun = False
        self._result: Any = None  # of the run that was recorded last
        self._given: Any = None  # by a run that nobody has recorded

    def record(self) -> Record:
        """The runs as one record: every example in evaluation, and if one of them asks for the mode also in training.

        A module that does what a graph cannot hold is kept whole, and the model is run again.

        Raises:
            TraceError: the model raises, or does itself what a graph cannot hold.
        """
        found: dict[str, UnrecordableError] = {}
        record: Record | None = None
        while record is None:
            try:
                record = self._record()
            except UnrecordableError as error:
                self._restore()
                if self._opaque == "error":
                    raise
                found[self._keep_whole(error)] = error
            finally:
                self._restore()
        for path, cause in found.items():
            if not any(path.startswith(f"{around}.") for around in found):
                warn(self._registry, path, cause)
        return record

    def _record(self) -> Record:
        """The runs as one record; if those under autocast do not fit with the others, these alone."""
        try:
            return self._both_modes()
        except TraceError:
            if not self._cast:
                raise
        self._casting = self._cast = False
        self._restore()
        return self._both_modes()

    def _both_modes(self) -> Record:
        self._registry.check_modes()
        evaluation = self._examples(training=False)
        if not any(record.reads_mode for record in evaluation):
            return united(evaluation)
        try:
            training = self._examples(training=True)
        except TraceError as error:
            if isinstance(error.__cause__, GraphNASError | None):
                raise
            return self._evaluation_alone(united(evaluation), error)
        return both_modes(united(evaluation), united(training))

    def _evaluation_alone(self, record: Record, error: TraceError) -> Record:
        """The record of a model that raises in training, as detectors do without targets: it holds in evaluation."""
        what = " ".join(str(error).partition(". The example inputs")[0].split())
        warnings.warn(f"in training {what}: the graph holds in evaluation alone", TraceWarning, stacklevel=6)
        where = f"{record.root.type} raised in training when it was traced"
        test = Apply("not", (TRAINING,))
        record.root.items.insert(0, Step(Call(GUARD), (test, where), {}, "guard", 0))
        return record

    def _examples(self, training: bool) -> list[Record]:
        records = []
        for number, face in enumerate(self._faces.each, 1):
            if self._begun:
                self._restore()
            self._begun = True
            with numbered(number, len(self._faces.each)):
                records += self._castings(face, training)
        return records

    def _castings(self, face: Interface, training: bool) -> list[Record]:
        """A run, and where autocast may decide anything one under it."""
        plain = self._faces.telling(self._run(face, training), face)
        kind = casting.device(value.content for value in plain.inputs)
        if not self._casting or not kind or not casting.matters(plain, kind):
            return [plain]
        self._restore()
        try:
            with torch.autocast(kind):
                cast = self._faces.telling(self._run(face, training), face)
        except TraceError:
            return [plain]  # the guards of which refuse autocast
        self._cast = True
        return casting.together(plain, cast, kind)

    def _keep_whole(self, error: UnrecordableError) -> str:
        """What has raised becomes one layer of the graph; returns its path."""
        path = error.path
        while self._is_whole(path):
            path = path.rpartition(".")[0]  # a layer, or kept whole already: it is what is around it
        if not path:
            raise error
        keep_whole(self._registry, path, error)
        return path

    def _is_whole(self, path: str) -> bool:
        return path != "" and self._registry.layer(self._registry.named(path)) is not None

    def _restore(self) -> None:
        self._snapshot.restore()
        self._around.restore()

    def _run(self, face: Interface, training: bool) -> Record:
        record, result = self._sparing(face, training), self._result
        found = kept(self._registry, self._snapshot, self._around, record)
        if found:
            self._check_memory(found, record, face)
            tell_of_buffers(found, self._registry.name)
        if self._looking:
            self._check_result(face, training, result)
            keep_apart(record, self._looking)
        record.release()
        return record

    def _check_result(self, face: Interface, training: bool, recorded: Any) -> None:
        """Where code asks for types or identities, it must give what it gives while nobody records it."""
        if self._runs(face, training) and not same(frozen(self._given), recorded):
            name = self._registry.name
            what = "the model gives something else while it is recorded: it asks for a type, or whether two are one"
            raise UnrecordableError(
                f"{what}\n  at {self._looking}, in the model {name}. Ask `isinstance(n, int)`, give another tensor for "
                "every input, and decide by flags.",
                "",
                what,
                self._looking,
            )

    def _sparing(self, face: Interface, training: bool) -> Record:
        """A run in which layers may be left out, and if their values turn out to matter another with all of them."""
        if self._repeats.allowed:
            self._repeats.begin()
            try:
                record = self._recorded(face, training)
                if not self._repeats.demanded:
                    return record
            except (Exception, DemandError):
                if not self._repeats.used:
                    raise
            self._repeats.forbid()
            self._restore()
        return self._recorded(face, training)

    def _check_memory(self, found: Sequence[Kept], first: Record, face: Interface) -> None:
        """A second call on the same inputs does the same, or what the first has kept is looked into."""
        self._snapshot.restore(attributes=False)
        self._repeats.forbid()
        cause: TraceError | None = None
        step: Step | None = None
        try:
            with self._conversions.settled():
                second = self._once(face, first.training)
            if not differ(first, second):
                again = kept(self._registry, self._snapshot, self._around, second)
                tell_of_counters(found, again, self._registry.name)
                return
            step = difference(first, second)
        except TraceError as error:
            cause = error
        call = functools.partial(self._outcome, training=first.training, face=face)
        given = face.fresh()[:2]
        suspects = () if is_cache(functools.partial(call, found), given) else found  # first all by the same runs
        errors = [
            refusal(item, self._holder(item, first.training, face), self._registry.name, step, cause)
            for item in suspects
            if not is_cache(functools.partial(call, (item,)), given)
        ]
        errors.sort(key=lambda error: self._is_whole(error.path))  # what changes in those decides nothing here
        if errors:
            raise errors[0] from cause

    def _holder(self, found: Kept, training: bool, face: Interface) -> str:
        """The module that keeps something, or if that is held beside the modules the innermost that changes it."""
        return self._changer(self._is_changed(found), training, face) if found.module is None else found.module

    def _outcome(
        self, found: Sequence[Kept], change: Change | None, fresh: bool, *, training: bool, face: Interface
    ) -> Outcome | None:
        """What the model gives while nobody records it, with its state, and what attributes then are."""
        if not self._runs(face, training, change, fresh):
            return None
        held = [
            (f"{self._registry.path(module, '')}.{name}".lstrip("."), getattr(module, name, None))
            for module, name, _ in self._snapshot.changes()
        ]
        held += [(name, value) for name, value, _ in self._around.changes()]
        state = self._registry.model.state_dict()
        return frozen((self._given, state)), frozen([value for name, value in held if name in {i.name for i in found}])

    def _recorded(self, face: Interface, training: bool) -> Record:
        """A run, begun anew for each file in which numbers are made plain; if that is what fails, with plain ones."""
        while True:
            try:
                return self._once(face, training)
            except FoundError:
                self._anew()
            except GraphNASError as error:
                for plain in self._conversions.retreats(error):
                    record = self._otherwise(face, training, plain)
                    if record is not None:
                        return record
                raise

    def _otherwise(self, face: Interface, training: bool, plain: tuple[bool, bool]) -> Record | None:
        """A run, where one has failed; None where that fails as well, and what is reported is the first error."""
        self._anew()
        try:
            with self._conversions.forbidden(*plain):
                return self._once(face, training)
        except FoundError:
            return self._otherwise(face, training, plain)
        except GraphNASError:
            return None

    def _anew(self) -> None:
        self._restore()
        if self._repeats.allowed:
            self._repeats.begin()

    def _once(self, face: Interface, training: bool) -> Record:
        recorder = Recorder(self._registry, self._snapshot, self._repeats, self._conversions, self._exact)
        args, kwargs, inputs = face.fresh()
        self._snapshot.seed()
        torch.set_grad_enabled(True)
        try:
            if any(module.training is not training for module in self._registry.modules):
                self._registry.model.train(training)
            record = recorder.run(args, kwargs, inputs)
            self._result = recorder.result
        except GraphNASError:
            raise
        except Exception as error:
            raise recorder.refusals.first or failure(recorder, error, face, self._runs(face, training)) from error
        finally:
            recorder.finished = True
        for generator in self._draws():
            path = self._changer(lambda: any(True for _ in self._draws()), training, face)
            what = f"module {path!r} draws from {generator}" if path else f"the model draws from {generator}"
            raise UnrecordableError(
                f"{what}, which a graph cannot repeat\n  in {self._registry.name}. Draw with torch: torch.rand(()).",
                path,
                what,
                None,
            )
        return record

    def _draws(self) -> Iterator[str]:
        """The generators beside torch's that have been drawn from."""
        yield from self._snapshot.foreign_draws()
        yield from self._around.draws()

    def _is_changed(self, found: Kept) -> Callable[[], bool]:
        return lambda: any(name == found.name for name, _, _ in self._around.changes())

    def _changer(self, changed: Callable[[], bool], training: bool, face: Interface) -> str:
        """The innermost module in whose call something comes to be changed; "" for the model itself."""
        found: list[str] = []
        original = nn.Module.__call__

        def call(module: nn.Module, *args: Any, **kwargs: Any) -> Any:
            before = bool(found) or changed()
            result = original(module, *args, **kwargs)
            if not before and not found and changed():
                found.append(self._registry.path(module, "") or "")
            return result

        with patches.replaced(nn.Module, "__call__", call):
            self._runs(face, training)
        return found[0] if found else ""

    def _runs(self, face: Interface, training: bool, change: Change | None = None, fresh: bool = True) -> bool:
        """Whether the model runs on the example inputs, or on what they are changed to, while nobody records it."""
        if fresh:
            self._restore()
        else:
            self._snapshot.restore(attributes=False)
        self._snapshot.seed(0 if change is None else 1)
        args, kwargs, _ = face.fresh(apart=False)
        if change is not None:
            changed = change((args, kwargs))
            if changed is None:
                return False
            args, kwargs = changed
        self._registry.model.train(training)
        try:
            self._given = self._registry.model(*args, **kwargs)
        except Exception:  # what it raises is told already: the run that was recorded has raised
            return False
        return True
