"""The runs of a model that make up a trace."""

from __future__ import annotations

import traceback

import torch

from graphnas.errors import GraphNASError, TraceError
from graphnas.tracing import sources
from graphnas.tracing.branches import both_modes, united
from graphnas.tracing.examples import Faces, numbered
from graphnas.tracing.interface import Interface
from graphnas.tracing.memory import Kept, difference, kept
from graphnas.tracing.modules import Registry
from graphnas.tracing.record import Record
from graphnas.tracing.recorder import Recorder
from graphnas.tracing.repeats import DemandError, Repeats
from graphnas.tracing.snapshot import Snapshot


class Runs:
    """The runs of one trace.

    Args:
        registry: of the model.
        faces: what it is called with.
        exact: whether libraries are told the truth when they ask whether they are compiled.
    """

    def __init__(self, registry: Registry, faces: Faces, exact: bool) -> None:
        self._registry = registry
        self._faces = faces
        self._exact = exact
        self._snapshot = Snapshot(registry.modules)
        self._repeats = Repeats()
        self._runs = 0

    def record(self) -> Record:
        """The runs as one record: every example in evaluation, and if one of them asks for the mode also in training.

        Raises:
            TraceError: the model raises, or does what a graph cannot hold.
        """
        try:
            evaluation = self._examples(training=False)
            if not any(record.reads_mode for record in evaluation):
                return united(evaluation)
            return both_modes(united(evaluation), united(self._examples(training=True)))
        finally:
            self._snapshot.restore()

    def _examples(self, training: bool) -> list[Record]:
        records = []
        for number, face in enumerate(self._faces.each, 1):
            if self._runs:
                self._snapshot.restore()
            self._runs += 1
            with numbered(number, len(self._faces.each)):
                records.append(self._faces.telling(self._run(face, training), face))
        return records

    def _run(self, face: Interface, training: bool) -> Record:
        record = self._sparing(face, training)
        for found in kept(self._registry, self._snapshot, record):
            self._check_memory(found, record, face)
        return record

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
            self._snapshot.restore()
        return self._recorded(face, training)

    def _check_memory(self, found: Kept, first: Record, face: Interface) -> None:
        """A second call on the same inputs does the same, or what the first has kept plays a part."""
        self._snapshot.restore(attributes=False)
        self._repeats.forbid()
        cause: TraceError | None = None
        try:
            step = difference(first, self._recorded(face, first.training))
            if step is None:
                return
            place = str(found.source or step.source)
        except TraceError as error:
            place, cause = str(found.source or _place(error)), error
        raise TraceError(
            f"the attribute {found.name!r} keeps what one call of the model computes, and the next call then does "
            f"something else\n  at {place}, in the model {self._registry.name}. "
            "A graph has no such memory: take it as an input and return it, or hold it in a buffer of fixed shape."
        ) from cause

    def _recorded(self, face: Interface, training: bool) -> Record:
        recorder = Recorder(self._registry, self._snapshot, self._repeats, self._exact)
        args, kwargs, inputs = face.fresh()
        self._snapshot.seed()
        torch.set_grad_enabled(True)
        try:
            if any(module.training is not training for module in self._registry.modules):
                self._registry.model.train(training)
            record = recorder.run(args, kwargs, inputs)
        except GraphNASError:
            raise
        except Exception as error:
            raise self._failure(recorder, error, face) from error
        for generator in self._snapshot.foreign_draws():
            raise TraceError(
                f"the model {self._registry.name} draws from {generator}, which a graph cannot repeat\n"
                "  Draw with torch, as in torch.rand(())."
            )
        return record

    def _failure(self, recorder: Recorder, error: Exception, face: Interface) -> TraceError:
        """The error of a model that raised: which module, where in the user's code, and what it was given."""
        places = [
            f"{sources.short_file(frame.f_code.co_filename)}:{line}"
            for frame, line in traceback.walk_tb(error.__traceback__)
            if sources.caller(frame) is frame
        ]
        given = ", ".join(f"{item.name}: {item.dtype.removeprefix('torch.')}{list(item.shape)}" for item in face.inputs)
        module = recorder.failed or f"the model {self._registry.name}"
        text = str(error).strip().splitlines()
        message = f"{type(error).__name__}: {text[0]}" if text else type(error).__name__
        return TraceError(
            f"{module} raised {message}\n  at {places[-1] if places else 'a place outside the sources'}. "
            f"The example inputs were ({given}); check their shapes and dtypes by calling the model on them."
        )


def _place(error: TraceError) -> str:
    """The user's line that an error names."""
    return str(error).partition("\n  at ")[2].partition(",")[0].partition(". ")[0]
