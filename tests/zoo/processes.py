"""Each job in a process of its own, forked from one that has loaded the libraries, with limits of time and memory."""

from __future__ import annotations

import multiprocessing
import os
import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from graphnas.trials.worker import die_with

_FORK = multiprocessing.get_context("fork")
Answer = dict[str, Any]
Job = Callable[[], Answer]


@dataclass(frozen=True)
class Limits:
    """What one process may take.

    Attributes:
        cpu_s: seconds of computing, which a busy machine does not change.
        wall_s: seconds from start to end, for one that waits.
        memory_gib: of its own data.
    """

    cpu_s: int = 120
    wall_s: float = 600
    memory_gib: float = 10


@dataclass(frozen=True)
class _Running:
    process: BaseProcess
    answer: Connection
    began: float


def run(jobs: Mapping[str, Job], folder: Path, workers: int, limits: Limits) -> Iterator[tuple[str, Answer]]:
    """Name and answer of every job, as each ends; where a process gives none, what ended it.

    Args:
        jobs: what to run, by name.
        folder: for what the processes print, one file each.
        workers: how many run at once.
        limits: of each.
    """
    folder.mkdir(parents=True, exist_ok=True)
    waiting = dict(jobs)
    running: dict[str, _Running] = {}
    try:
        while waiting or running:
            while waiting and len(running) < workers:
                name = next(iter(waiting))
                running[name] = _started(waiting.pop(name), folder / f"{name.replace('/', '.')}.txt", limits)
            wait([item.answer for item in running.values()], timeout=0.2)
            for name, item in list(running.items()):
                late = time.monotonic() - item.began > limits.wall_s
                if late or item.answer.poll():
                    del running[name]
                    yield name, _ended(item, late, limits)
    finally:
        for item in running.values():
            item.process.kill()
            item.process.join()


def _started(job: Job, printed: Path, limits: Limits) -> _Running:
    answer, inner = _FORK.Pipe(duplex=False)
    process = _FORK.Process(target=_inside, args=(job, inner, printed, limits, os.getpid()))
    process.start()
    inner.close()
    return _Running(process, answer, time.monotonic())


def _inside(job: Job, answer: Connection, printed: Path, limits: Limits, parent: int) -> None:
    die_with(parent)
    size = int(limits.memory_gib * 2**30)
    resource.setrlimit(resource.RLIMIT_DATA, (size, size))
    resource.setrlimit(resource.RLIMIT_CPU, (limits.cpu_s, limits.cpu_s + 5))
    sys.stdout = sys.stderr = file = printed.open("w", buffering=1)
    os.dup2(file.fileno(), 1)
    os.dup2(file.fileno(), 2)
    began = time.process_time()
    try:
        found = job()
    except Exception as error:
        traceback.print_exc()
        found = {"outcome": "failed", "reason": f"{type(error).__name__}: {error}"}
    answer.send({**found, "cpu_s": round(time.process_time() - began, 1)})


def _ended(item: _Running, late: bool, limits: Limits) -> Answer:
    answer = None if late else _received(item.answer)
    item.process.kill()
    item.process.join()
    item.answer.close()
    return answer or {"outcome": "failed", "reason": _cause(item.process.exitcode or 0, late, limits)}


def _received(answer: Connection) -> Answer | None:
    try:
        found: Answer = answer.recv()
    except EOFError:
        return None
    return found


def _cause(code: int, late: bool, limits: Limits) -> str:
    if late:
        return f"took longer than {limits.wall_s:g} s"
    if code == -signal.SIGXCPU:
        return f"computed longer than {limits.cpu_s} s"
    return f"killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
