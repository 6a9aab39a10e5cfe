"""What a graph cannot hold, said once: also to a model that catches errors."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING

from graphnas.errors import TraceError, UnrecordableError
from graphnas.ir.source import Source
from graphnas.tracing import sources
from graphnas.tracing.record import ModuleCall

if TYPE_CHECKING:
    from graphnas.tracing.interface import Interface
    from graphnas.tracing.recorder import Recorder


class Refusals:
    """What was refused in a run, and what torch refused in it.

    Attributes:
        first: the error that a model may have caught, and gone on after.
    """

    def __init__(self) -> None:
        self.first: TraceError | None = None
        self._raised: tuple[Exception, Source | None, ModuleCall] | None = None

    def refuse(
        self, what: str, remedy: str, where: Source | None, call: ModuleCall, path: str | None = None
    ) -> TraceError:
        """The error that says where the user's code did what cannot be recorded, in a call or the module at `path`."""
        made = _error(what, remedy, where, call, path)
        self.first = self.first or made
        return made

    def raised(self, error: Exception, where: Source | None, call: ModuleCall) -> None:
        """A torch function or layer has raised; whether it does depends on what it is given."""
        self._raised = (error, where, call)

    def check(self) -> None:
        """The model has come to its end.

        Raises:
            TraceError: it has caught what was raised on the way.
        """
        if self.first is not None:
            raise self.first
        if self._raised is not None:
            error, where, call = self._raised
            raise _error(
                f"the model goes on after {type(error).__name__}, which torch raises for some inputs only",
                "Ask for the condition instead, as in `if x.shape[0] > 2`.",
                where,
                call,
            ) from error


def _error(what: str, remedy: str, where: Source | None, call: ModuleCall, path: str | None = None) -> TraceError:
    module = f"module {call.path!r} ({call.type})" if call.path else f"the model {call.type}"
    message = f"{what}\n  at {where}, in {module}. {remedy}"
    return UnrecordableError(message, call.path if path is None else path, what, where)


def failure(recorder: Recorder, error: Exception, face: Interface, runs: bool) -> TraceError:
    """The error of a model that raised: which module, where in the user's code, and what it was given.

    Args:
        recorder: of the run.
        error: what was raised.
        face: what the model was called with.
        runs: whether it does not raise while nobody records it.
    """
    places = [
        f"{sources.short_file(frame.f_code.co_filename)}:{line}"
        for frame, line in traceback.walk_tb(error.__traceback__)
        if sources.caller(frame) is frame
    ]
    given = ", ".join(f"{item.name}: {item.dtype.removeprefix('torch.')}{list(item.shape)}" for item in face.inputs)
    remedy = (
        f"The example inputs were ({given}); check their shapes and dtypes by calling the model on them."
        if given
        else "There is no tensor among the example inputs; give tensors, such as torch.zeros(2, 3, 32, 32)."
    )
    text = str(error).strip().splitlines()
    message = f"{type(error).__name__}: {text[0]}" if text else type(error).__name__
    path, kind = recorder.failed
    module = f"module {path!r} ({kind})" if path else f"the model {recorder.registry.name}"
    if runs:
        what = f"{module} raises {message}, but only while it is recorded"
        where = places[-1] if places else "a place outside the sources"
        return UnrecordableError(f"{what}\n  at {where}. Keep it whole: Tracer(leaf=...).", path, what, where)
    return TraceError(
        f"{module} raised {message}\n  at {places[-1] if places else 'a place outside the sources'}. {remedy}"
    )
