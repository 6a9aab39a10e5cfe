"""Trials that run a command line: what it prints last as JSON is the result."""

from __future__ import annotations

import json
import shlex
import subprocess
from typing import Any

from graphnas.errors import TrialError
from graphnas.trials.trial import Trial

SETTING = "command"
REFERENCE = f"{__name__}:evaluate"


def evaluate(trial: Trial) -> float | dict[str, float]:
    """Runs the command with the trial's `{file}`, `{seed}`, `{device}`, `{directory}`, `{number}` and settings put in.

    Raises:
        TrialError: the command fails, or prints no JSON.
    """
    words = [_filled(word, trial) for word in shlex.split(trial.parameters[SETTING])]
    try:
        ended = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=False)
    except OSError as error:
        raise TrialError(f"the command cannot be run: {error}\n  at {shlex.join(words)}.") from error
    print(ended.stdout, end="")
    if ended.returncode:
        raise TrialError(f"the command ended with code {ended.returncode}\n  at {shlex.join(words)}.")
    return _last(ended.stdout, shlex.join(words))


def _filled(word: str, trial: Trial) -> str:
    names = ("file", "seed", "device", "directory", "number")
    values = {name: getattr(trial, name) for name in names} | dict(trial.parameters)
    for name, value in values.items():
        if name != SETTING:
            word = word.replace(f"{{{name}}}", str(value))
    return word


def _last(printed: str, command: str) -> float | dict[str, float]:
    for line in reversed(printed.splitlines()):
        try:
            found: Any = json.loads(line)
        except json.JSONDecodeError:
            continue
        if isinstance(found, int | float):
            return float(found)
        if isinstance(found, dict):
            return found
    raise TrialError(
        f"the command printed no result\n  at {command}. "
        'Its last line of JSON counts, such as {"accuracy": 0.9} or a number.'
    )
