"""What runs trials: a placement for attempts, which knows nothing of strategies and stores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from graphnas.trials.evaluation import Reference
from graphnas.trials.trial import Trial


@dataclass(frozen=True)
class Task:
    """One attempt of a trial.

    Attributes:
        trial: what `evaluate` is given.
        evaluate: where the function is found; None where the executor has it.
        answers: which metric a plain number stands for; "" where `evaluate` has to name what it returns.
    """

    trial: Trial
    evaluate: Reference | None
    answers: str

    @property
    def directory(self) -> Path:
        """Where the attempt writes its result."""
        return self.trial.directory


@dataclass(frozen=True, slots=True)
class Handle:
    """A running attempt: its process and when that started, by which a later controller knows it; None in process."""

    pid: int | None
    started: str | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an attempt ended.

    Attributes:
        problem: what went wrong with the process; "" if it ended by itself and well.
        crashed: whether it died by a signal that we did not send.
        duration_s: in seconds.
        unwritten: whether it came to its end and could not write its result.
    """

    problem: str
    crashed: bool
    duration_s: float
    unwritten: bool = False


class Executor(Protocol):
    """Runs attempts; each leaves result.json in its directory, or does not."""

    def capacity(self) -> int:
        """How many further attempts can be submitted now."""

    def submit(self, task: Task) -> Handle:
        """Starts an attempt."""

    def poll(self) -> Sequence[tuple[int, Outcome]]:
        """The attempts that ended since the last call, by the numbers of their trials."""

    def cancel(self, number: int) -> None:
        """Ends an attempt and everything that it started; it is not reported by `poll`."""
