"""What the tests let trials evaluate; worker processes import it."""

from __future__ import annotations

import os
import random
import resource
import signal
import subprocess
import sys
import time

from graphnas.trials.trial import StopTrial, Trial


def score(trial: Trial) -> float:
    """Some value that depends on the architecture alone."""
    return random.Random(repr(sorted(trial.arch.items()))).random()


def slow(trial: Trial) -> float:
    """As `score`, a little later for some."""
    time.sleep(0.05 + 0.15 * score(trial))
    return score(trial)


def built(trial: Trial) -> dict[str, float]:
    """Runs the generated network."""
    import torch

    net = trial.build()
    output = net(torch.ones(2, 3))
    return {"accuracy": float(output.mean()), "drawn": random.random(), "torch": float(torch.rand(()))}


def environment(trial: Trial) -> dict[str, float]:
    """What a trial sees of its process: group, parameters, files."""
    (trial.directory / "checkpoint").write_text("kept", encoding="utf-8")
    for step in range(3):
        trial.report(step, {"loss": 1.0 / (step + 1)})
    trial.report(3, 0.5)
    return {
        "accuracy": 1.0,
        "leads_its_group": float(os.getpgid(0) == os.getpid()),
        "lr": float(trial.parameters["lr"]),
        "epochs": float(trial.parameters["epochs"]),
        "torch_loaded": float("torch" in sys.modules),
    }


def bad(trial: Trial) -> object:
    """Ends in the way that option `c0` says."""
    match trial.arch["c0"]:
        case 0:
            return 1.0
        case 1:
            print("about to fail", file=sys.stderr)
            raise RuntimeError("out of luck")
        case 2:
            return float("nan")
        case 3:
            return {"loss": 1.0}
        case 4:
            return "good"
        case 5:
            os.kill(os.getpid(), signal.SIGSEGV)
        case 6:
            raise StopTrial("not promising")
        case 7:
            sys.exit(3)
    return None


def crashes_once(trial: Trial) -> float:
    """Dies by a signal at its first attempt."""
    if trial.directory.name == "a1":
        os.kill(os.getpid(), signal.SIGKILL)
    return 1.0


def hangs_with_child(trial: Trial) -> float:
    """Starts a process of its own, leaves its number behind, and never ends."""
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    (trial.directory / "pid").write_text(str(process.pid), encoding="utf-8")
    while True:
        time.sleep(1)


def leaves_child(trial: Trial) -> float:
    """Ends while a process that it started still runs."""
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    (trial.directory / "pid").write_text(str(process.pid), encoding="utf-8")
    return 1.0


def hangs_once_with_child(trial: Trial) -> float:
    """Hangs as `hangs_with_child` at its first attempt, and succeeds at the next."""
    return 1.0 if trial.directory.name != "a1" else hangs_with_child(trial)


def full_at_first(trial: Trial) -> float:
    """Finds the disk full when it has measured, until a file called room lies beside the study."""
    if not (trial.directory.parents[3] / "room").exists():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
    return 1.0


def unreadable(trial: Trial) -> float:
    """Fails over a file whose name is no text, after a very long line."""
    raise FileNotFoundError("a" * 10**6 if trial.arch["c0"] else os.fsdecode(b"no \xff here"))


def quits(trial: Trial) -> float:
    """Leaves as if all were well."""
    sys.exit(0)
