"""Trials in this process, one after the other: for functions that no other process can import, and for debugging."""

from __future__ import annotations

import time
import traceback

from graphnas.trials import attempt, files
from graphnas.trials.evaluation import Evaluate
from graphnas.trials.executor import Handle, Outcome, Task


class Inline:
    """Runs each trial as soon as it is submitted. What kills a trial kills the search.

    Args:
        evaluate: any callable.
    """

    def __init__(self, evaluate: Evaluate) -> None:
        self._evaluate = evaluate
        self._ended: list[tuple[int, Outcome]] = []

    def capacity(self) -> int:
        """One trial at a time."""
        return 0 if self._ended else 1

    def submit(self, task: Task) -> Handle:
        """Runs a trial to its end; an exception is its failure.

        Raises:
            UnwrittenError: the disk refuses its result.
        """
        began = time.monotonic()
        try:
            attempt.perform(task, self._evaluate)
        except attempt.UnwrittenError:
            raise
        except Exception as error:
            attempt.fail(task.directory, error)
            files.write(task.directory / attempt.STDERR, files.legible(traceback.format_exc()))
        self._ended.append((task.trial.number, Outcome("", False, time.monotonic() - began)))
        return Handle(None, None)

    def poll(self) -> list[tuple[int, Outcome]]:
        """The trial that was run, once."""
        ended, self._ended = self._ended, []
        return ended

    def cancel(self, number: int) -> None:
        """Nothing runs between two calls."""
        self._ended = [(trial, outcome) for trial, outcome in self._ended if trial != number]
