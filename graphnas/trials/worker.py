"""The process of one trial: `python -m graphnas.trials.worker SPEC [PARENT]`; without PARENT by hand."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
from pathlib import Path

from graphnas.errors import TrialError
from graphnas.trials import attempt, evaluation, spec
from graphnas.trials.evaluation import Reference
from graphnas.trials.executor import Task

# Set while the module of `evaluate` is imported: a search that begins there would begin in every trial.
INSIDE = "GRAPHNAS_IMPORTING_EVALUATE"
_PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> None:
    """Runs the trial that a spec file describes.

    Args:
        arguments: the spec's path, and the process without which the trial must not go on.
    """
    if len(arguments) > 1:
        die_with(int(arguments[1]))
    task, path = spec.read(Path(arguments[0]))
    sys.path.extend(entry for entry in path if entry not in sys.path)
    if task.evaluate is None:
        raise TrialError(f"the trial names no evaluate function\n  at {arguments[0]}. It ran inside its search.")
    try:
        _perform(task, task.evaluate)
    except attempt.UnwrittenError as error:
        with contextlib.suppress(OSError):  # what it prints lies on the same disk
            print(error, file=sys.stderr, flush=True)
        os._exit(attempt.UNWRITTEN)  # Python's own end would try to write once more, and report that instead


def _perform(task: Task, target: Reference) -> None:
    try:
        os.environ[INSIDE] = "1"
        evaluate = evaluation.resolve(target)
        del os.environ[INSIDE]
        attempt.perform(task, evaluate)
    except attempt.UnwrittenError:
        raise
    except (Exception, SystemExit) as error:
        attempt.fail(task.directory, error)
        raise


def die_with(parent: int) -> None:
    """Ends this process when its parent ends, however that ends."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before we could ask
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main(sys.argv[1:])
