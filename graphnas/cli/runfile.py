"""A search as a TOML file."""

from __future__ import annotations

import inspect
import shlex
import tomllib
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from graphnas.cli import command
from graphnas.errors import GraphNASError, TrialError, nearest
from graphnas.strategies.strategy import Strategy
from graphnas.strategies.table import STRATEGIES


@dataclass
class Run:
    """What a search needs; the keys of a run file.

    Attributes:
        space: the space file.
        evaluate: "module:function" or "file.py:function".
        command: a command line instead, as a list of words or one string.
        directory: of the study.
        strategy: its name, or a table of its name and arguments.
        trials, workers, seed, timeout_s, device: as in `graphnas.search`.
        weights: what the children inherit, a file.
        objectives: metric → "maximize" or "minimize".
        parameters: training settings: a value, or a list to choose from.
        allow: modules beyond torch that the space may name.
    """

    space: str = ""
    evaluate: str = ""
    command: str | list[str] = ""
    directory: str = ""
    strategy: str | dict[str, Any] = ""
    trials: int = 100
    workers: int = 2
    seed: int = 0
    timeout_s: float | None = None
    device: str | list[str] = "cpu"
    weights: str = ""
    objectives: dict[str, str] = field(default_factory=lambda: {"accuracy": "maximize"})
    parameters: dict[str, Any] = field(default_factory=dict)
    allow: list[str] = field(default_factory=list)


_KINDS: dict[str, tuple[type, ...]] = {
    **dict.fromkeys(("space", "evaluate", "directory", "weights"), (str,)),
    **dict.fromkeys(("trials", "workers", "seed"), (int,)),
    **dict.fromkeys(("objectives", "parameters"), (dict,)),
    "command": (str, list),
    "device": (str, list),
    "strategy": (str, dict),
    "timeout_s": (int, float),
    "allow": (list,),
}


def read(path: Path) -> Run:
    """The run that a file describes; its paths are meant from where the file lies.

    Raises:
        TrialError: the file cannot be read, or a key is unknown or of the wrong kind.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise TrialError(
            f"the run cannot be read: {error}\n  at {path}. Give a file of TOML; the guide's second chapter has one."
        ) from error
    known = [item.name for item in fields(Run)]
    for key, value in content.items():
        if key not in known:
            raise TrialError(
                f"a run has no key {key!r}; keys are {', '.join(known)}\n  at {path}.{nearest(key, known)}"
            )
        if not isinstance(value, _KINDS[key]) or (isinstance(value, bool)):
            kinds = " or ".join(kind.__name__ for kind in _KINDS[key])
            raise TrialError(f"{key} must be {kinds}, but is {value!r:.100}\n  at {path}. Change it there.")
    run = Run(**content)
    for key in ("command", "device", "allow"):
        value = getattr(run, key)
        if isinstance(value, list) and not all(isinstance(item, str) for item in value):
            raise TrialError(f"{key} must be a list of strings, but is {value!r:.100}\n  at {path}. Quote them.")
    for key in ("space", "directory", "weights"):
        if getattr(run, key):
            setattr(run, key, str(path.parent / getattr(run, key)))
    place, _, name = run.evaluate.rpartition(":")
    if place.endswith(".py"):
        run.evaluate = f"{path.parent / place}:{name}"
    return run


def strategy(wanted: str | dict[str, Any]) -> Strategy | None:
    """The strategy of a name, or of a table with a name and arguments; None for the default.

    Raises:
        TrialError: there is no such strategy, or it does not take the arguments.
    """
    arguments = dict(wanted) if isinstance(wanted, dict) else {"name": wanted}
    name = arguments.pop("name", "")
    if not name and not arguments:
        return None
    if not isinstance(name, str) or name not in STRATEGIES:
        raise TrialError(
            f"there is no strategy {name!r}; there are {', '.join(STRATEGIES)}\n"
            f"  at strategy.{nearest(name, STRATEGIES)}"
        )
    make: Callable[..., Strategy] = STRATEGIES[name]
    try:
        return make(**arguments)
    except (TypeError, ValueError) as error:
        takes = ", ".join(inspect.signature(make).parameters) or "nothing"
        raise TrialError(f"{error}\n  at strategy {name!r}. Its arguments are {takes}.") from error


def evaluation(run: Run) -> tuple[str, dict[str, Any]]:
    """The function that evaluates trials, by name, and the training settings.

    Raises:
        GraphNASError: there is none, or a command beside it.
    """
    if bool(run.evaluate) == bool(run.command):
        raise GraphNASError(
            "a search needs one way to evaluate\n  at evaluate. Give --evaluate file.py:function (in a run file "
            'evaluate = "..."), or a command: graphnas search space.json -- python train.py --model {file}'
        )
    if not run.command:
        return run.evaluate, run.parameters
    if command.SETTING in run.parameters:
        raise GraphNASError(f"the setting {command.SETTING!r} is the command itself\n  at parameters. Rename it.")
    line = run.command if isinstance(run.command, str) else shlex.join(run.command)
    return command.REFERENCE, {**run.parameters, command.SETTING: line}
