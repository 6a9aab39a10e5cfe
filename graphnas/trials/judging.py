"""What became of a trial, judged by what its process left."""

from __future__ import annotations

import math
import shlex
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from graphnas.errors import nearest
from graphnas.trials import attempt, files, spec
from graphnas.trials.executor import Outcome
from graphnas.trials.problem import Problem
from graphnas.trials.trial import Record


def judge(problem: Problem, record: Record, directory: Path, outcome: Outcome) -> Record:
    """The trial with its end.

    Args:
        problem: says which metrics there must be.
        record: the trial as it was.
        directory: of the attempt that ended.
        outcome: how its process ended.
    """
    ended = replace(record, duration_s=outcome.duration_s)
    left = attempt.result(directory)
    if left is None or "raised" in left:
        silent = "it ended before evaluate returned a result"
        problem_text = f"it raised {left['raised']}" if left else outcome.problem or silent
        return replace(ended, state="failed", error=_with_output(problem_text, directory))
    if "stopped" in left:
        return replace(ended, state="stopped", error=str(left["stopped"]))
    metrics = {**problem.derived(problem.joined(record.arch, record.parameters)), **left["metrics"]}
    refusal = _refusal(problem, metrics)
    if refusal:
        return replace(ended, state="failed", error=_with_output(refusal, directory))
    return replace(ended, state="complete", metrics=metrics)


def _refusal(problem: Problem, metrics: Mapping[str, float]) -> str:
    for name in problem.objectives:
        if name not in metrics:
            known = ", ".join(metrics) or "nothing"
            return f"evaluate returned no {name!r}; there is {known}.{nearest(name, metrics)}"
        if not math.isfinite(metrics[name]):
            return f"its {name!r} is {metrics[name]}"
    return ""


def _with_output(what: str, directory: Path) -> str:
    path = directory / attempt.STDERR
    lines = files.last_lines(path)
    told = f"{what}\n  at {path}\n{lines}" if lines else f"{what}\n  at {directory}"
    task = directory / spec.NAME
    again = f"\nagain: python -m graphnas.trials.worker {shlex.quote(str(task))}"
    return told + again if task.exists() else told
