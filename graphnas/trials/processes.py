"""Each trial in a process of its own, in a process group of its own, on this machine."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from graphnas.trials import attempt, spec
from graphnas.trials.executor import Handle, Outcome, Task

# Names the attempt in the environment of its process and of everything that this starts.
MARK = "GRAPHNAS_TRIAL"


@dataclass(frozen=True, slots=True)
class _Running:
    process: subprocess.Popen[bytes]
    began: float


class Processes:
    """Runs up to `workers` trials at once.

    Args:
        workers: how many.
        timeout_s: after how many seconds a trial is killed, and all that it started; None for never.
    """

    def __init__(self, workers: int, timeout_s: float | None = None) -> None:
        self._workers = workers
        self._timeout_s = timeout_s
        self._running: dict[int, _Running] = {}

    def capacity(self) -> int:
        """How many further trials can start now."""
        return self._workers - len(self._running)

    def submit(self, task: Task) -> Handle:
        """Starts a process."""
        command = [sys.executable, "-m", "graphnas.trials.worker", str(spec.write(task)), str(os.getpid())]
        output, errors = (task.directory / name for name in (attempt.STDOUT, attempt.STDERR))
        with output.open("wb") as out, errors.open("wb") as err:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
                env=self._environment(task.directory),
            )
        self._running[task.trial.number] = _Running(process, time.monotonic())
        return Handle(process.pid, started_at(process.pid))

    def _environment(self, directory: Path) -> dict[str, str]:
        """Ours, graphnas importable, and the processors shared out unless the caller said how."""
        root = str(Path(__file__).parents[2])
        paths = [entry for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry]
        threads = str(max(1, len(os.sched_getaffinity(0)) // self._workers) if hasattr(os, "sched_getaffinity") else 1)
        shared = {name: os.environ.get(name, threads) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")}
        own = {MARK: str(directory), "PYTHONPATH": os.pathsep.join([*paths, root])}
        return {**os.environ, **shared, **own}

    def poll(self) -> list[tuple[int, Outcome]]:
        """The trials whose processes ended, or were killed for their time, since the last call."""
        ended = []
        for number, running in list(self._running.items()):
            duration_s = time.monotonic() - running.began
            late = self._timeout_s is not None and duration_s > self._timeout_s
            if late or _has_ended(running.process.pid):
                self.cancel(number)
                code = running.process.returncode
                problem = f"it took longer than {self._timeout_s:g} s" if late else _problem(code)
                unwritten = not late and code == attempt.UNWRITTEN
                ended.append((number, Outcome(problem, not late and code < 0, duration_s, unwritten)))
        return ended

    def cancel(self, number: int) -> None:
        """Kills a trial's process group, what is left of it included, and waits for the process."""
        process = self._running.pop(number).process
        # Not yet waited for, the process keeps its number, so the group is certainly ours.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _has_ended(pid: int) -> bool:
    """Whether a child has ended; it stays to be waited for."""
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _problem(code: int) -> str:
    if code >= 0:
        return f"it ended with exit code {code}" if code else ""
    with suppress(ValueError):
        return f"it was killed by {signal.Signals(-code).name}"
    return f"it was killed by signal {-code}"


def started_at(pid: int) -> str | None:
    """When a process started, in the system's own terms: a number given to a later process has another start."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except OSError:
        return None
    return stat.rpartition(")")[2].split()[19]


def kill_left_over(pid: int | None, started: str | None, directory: Path) -> None:
    """Kills what is left of an attempt whose controller died.

    Args:
        pid: of its process, if it was noted.
        started: when that process started; a later process of the same number is left alone.
        directory: of the attempt, by which the processes are known that it started.
    """
    if pid is not None and started is not None and started_at(pid) == started:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)
    for other in _marked(directory):
        with suppress(ProcessLookupError, PermissionError):
            os.kill(other, signal.SIGKILL)


def _marked(directory: Path) -> list[int]:
    """The processes of an attempt; none where the system does not show environments."""
    mark = f"{MARK}={directory.resolve()}".encode()
    found = []
    for environment in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):
            if mark in environment.read_bytes().split(b"\0"):
                found.append(int(environment.parent.name))
    return found
