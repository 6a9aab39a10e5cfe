"""One attempt of a trial, from inside: call `evaluate`, leave result.json."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from graphnas.errors import TrialError
from graphnas.trials import files, randomness
from graphnas.trials.evaluation import Evaluate
from graphnas.trials.executor import Task
from graphnas.trials.trial import REPORTS, StopTrial

RESULT = "result.json"
STDERR = "stderr.txt"
STDOUT = "stdout.txt"
UNWRITTEN = 74  # exit code of a process that could not write its result (EX_IOERR of sysexits.h)
SAID = 1000  # characters of a user's message that a study keeps


class UnwrittenError(TrialError):
    """An attempt came to its end, but its result cannot be written."""


def perform(task: Task, evaluate: Evaluate) -> None:
    """Evaluates a trial and writes what came out.

    Raises:
        TrialError: `evaluate` returned what is no result; whatever else it raises passes.
        UnwrittenError: the disk refuses the result.
    """
    randomness.start(task.trial.seed)
    try:
        content: dict[str, Any] = {"metrics": _metrics(evaluate(task.trial), task.answers)}
    except StopTrial as stop:
        content = {"stopped": f"{stop!s:.{SAID}}"}
    _leave(task.directory, content)


def fail(directory: Path, error: BaseException) -> None:
    """Writes down what an attempt raised; its traceback is for the standard error.

    Raises:
        UnwrittenError: the disk refuses.
    """
    said = str(error).partition("\n")[0][:SAID]
    raised = f"{type(error).__name__}: {said}" if said else type(error).__name__
    _leave(directory, {"raised": raised})


def _leave(directory: Path, content: Mapping[str, Any]) -> None:
    try:
        files.write(directory / RESULT, json.dumps({"format": 1, **content}))
    except OSError as error:
        if not directory.is_dir():  # the trial itself took it away
            raise
        raise UnwrittenError(f"the result cannot be written: {error}\n  at {directory}. Make room there.") from error


def _metrics(returned: object, answers: str) -> dict[str, float]:
    if isinstance(returned, Mapping):
        return {str(name): _number(value, str(name)) for name, value in returned.items()}
    if not answers:
        raise TrialError(
            f"evaluate returned {returned!r:.100}, which does not say what it measures\n"
            "  at its return statement. Return a dict, such as {'accuracy': 0.9, 'loss': 0.3}."
        )
    return {answers: _number(returned, answers)}


def _number(value: Any, name: str) -> float:
    try:
        return float(value)
    except (TypeError, ValueError) as error:
        raise TrialError(
            f"evaluate returned {value!r:.100} as {name!r}, which is not a number\n"
            "  at its return statement. Return a float, or a dict of floats."
        ) from error


def result(directory: Path) -> dict[str, Any] | None:
    """What an attempt left; None if it left nothing."""
    try:
        found: dict[str, Any] = json.loads((directory / RESULT).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return found


def reports(directory: Path) -> list[tuple[int, str]]:
    """The intermediate results that an attempt left: steps and values as JSON; a line cut short is left out."""
    try:
        lines = (directory / REPORTS).read_text(encoding="utf-8").splitlines(keepends=True)
    except FileNotFoundError:
        return []
    read = [json.loads(line) for line in lines if line.endswith("\n")]
    return [(item["step"], json.dumps(item["values"])) for item in read]
