"""The file that tells a worker process what to do."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from graphnas.trials import data, files
from graphnas.trials.evaluation import Reference
from graphnas.trials.executor import Task
from graphnas.trials.trial import Trial

NAME = "spec.json"


def write(task: Task) -> Path:
    """Writes a task into its directory."""
    trial = task.trial
    content = {
        "format": 1,
        "number": trial.number,
        "arch": data.to_json(trial.arch),
        "parameters": data.to_json(trial.parameters),
        "file": str(trial.file),
        "seed": trial.seed,
        "device": trial.device,
        "directory": str(trial.directory),
        "evaluate": task.evaluate.fields() if task.evaluate else None,
        "answers": task.answers,
        # The worker finds the modules that the controller finds.
        "path": [str(Path(entry).resolve()) for entry in sys.path],
    }
    path = trial.directory / NAME
    files.write(path, json.dumps(content, indent=1))
    return path


def read(path: Path) -> tuple[Task, list[str]]:
    """The task, and where its modules are found."""
    content = json.loads(path.read_text(encoding="utf-8"))
    trial = Trial(
        number=content["number"],
        arch=data.from_json(content["arch"]),
        parameters=data.from_json(content["parameters"]),
        file=Path(content["file"]),
        seed=content["seed"],
        device=content["device"],
        directory=Path(content["directory"]),
    )
    evaluate = Reference(**content["evaluate"]) if content["evaluate"] else None
    return Task(trial, evaluate, content["answers"]), content["path"]
