"""A job that hangs, computes without end, takes all memory or dies is one line of the answer, and the others go on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import torch

from tests.zoo.processes import Answer, Limits, run

LIMITS = Limits(cpu_s=1, wall_s=4, memory_gib=2)


def _fine() -> Answer:
    print("printed")
    return {"outcome": "equal", "reason": ""}


def _raises() -> Answer:
    raise ValueError("no such layer")


def _waits() -> Answer:
    time.sleep(60)
    return {}


def _computes() -> Answer:
    while True:
        pass


def _allocates() -> Answer:
    return {"size": len(torch.zeros(2**30))}


def _dies() -> Answer:
    os.kill(os.getpid(), signal.SIGKILL)
    return {}


def test_every_job_has_an_answer(tmp_path: Path) -> None:
    jobs = {job.__name__[1:]: job for job in (_fine, _raises, _waits, _computes, _allocates, _dies)}
    answers = dict(run(jobs, tmp_path, 2, LIMITS))
    assert answers["fine"]["outcome"] == "equal"
    assert (tmp_path / "fine.txt").read_text() == "printed\n"
    reasons = {name: answer["reason"] for name, answer in answers.items()}
    assert reasons["raises"] == "ValueError: no such layer"
    assert "no such layer" in (tmp_path / "raises.txt").read_text()
    assert reasons["waits"] == "took longer than 4 s"
    assert reasons["computes"] == "computed longer than 1 s"
    assert "allocate" in reasons["allocates"]
    assert reasons["dies"] == "killed by SIGKILL"


def test_a_killed_run_leaves_no_process(tmp_path: Path) -> None:
    code = (
        "import os, time\nfrom pathlib import Path\nfrom tests.zoo.processes import Limits, run\n"
        "def job():\n    print(os.getpid(), flush=True)\n    time.sleep(60)\n"
        f"list(run({{'job': job}}, Path({str(tmp_path)!r}), 1, Limits()))"
    )
    process = subprocess.Popen([sys.executable, "-c", code], cwd=Path(__file__).parents[2])
    printed = tmp_path / "job.txt"
    while not (printed.exists() and printed.read_text()):
        time.sleep(0.05)
    process.kill()
    process.wait()
    job = int(printed.read_text())
    for _ in range(100):
        if not Path(f"/proc/{job}").exists():
            return
        time.sleep(0.05)
    raise AssertionError("the job outlived its run")
