"""The verbs `ls`, `show` and `export`: what searches left."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import typer

from graphnas.cli import loading
from graphnas.cli.output import AsJson, answer, source, table
from graphnas.errors import GraphNASError, TrialError
from graphnas.ir.specialize import specialize
from graphnas.trials import data as stored
from graphnas.trials import schema
from graphnas.trials.study import Study
from graphnas.trials.trial import Record

Directory = Annotated[Path, typer.Argument(metavar="STUDY", help="The directory of the study.")]


def list_studies(
    directory: Annotated[Path, typer.Argument(help="Where to look.")] = Path("runs"), as_json: AsJson = False
) -> None:
    """List the studies below a directory."""
    found = [_listed(path.parent) for path in sorted(directory.rglob(schema.NAME))]
    columns = ("study", "space", "trials", "best")
    rows = [(row["directory"], row["name"], _counts(row["states"]), _best(row) or row["error"]) for row in found]
    text = table(columns, rows) if rows else f"there is no study in {directory}"
    answer({"studies": found}, text, as_json)


def _listed(directory: Path) -> dict[str, Any]:
    try:
        data = described(Study(directory))
    except GraphNASError as error:
        return {"directory": str(directory), "name": "", "states": {}, "best": [], "error": str(error).splitlines()[0]}
    return {**{key: data[key] for key in ("directory", "name", "objectives", "states", "best")}, "error": ""}


def show(directory: Directory, as_json: AsJson = False) -> None:
    """Show a study: its best trials, and what became of the others."""
    data = described(Study(directory))
    columns = ("trial", "state", "metrics", "seconds", "architecture")
    rows = [
        (
            row["number"],
            row["state"] if row["same_as"] is None else f"as {row['same_as']}",
            _metrics(row["metrics"]),
            "" if row["duration_s"] is None else f"{row['duration_s']:.1f}",
            _decisions(row["arch"]),
        )
        for row in data["trials"]
    ]
    failures = [f"\ntrial {row['number']} {row['state']}: {row['error']}" for row in data["trials"] if row["error"]]
    answer(data, "\n".join([table(columns, rows), *failures, "", summary(data)]), as_json)


def export(
    directory: Directory,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The file to write; weights lie beside it.", callback=source)
    ],
    best: Annotated[bool, typer.Option("--best", help="The best trial, which is meant without --trial, too.")] = False,
    trial: Annotated[int | None, typer.Option(help="This trial instead of the best one.")] = None,
    weights: Annotated[
        Path | None, typer.Option(help="Weights of the original; by default those that the trial inherited.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write the network of a trial, with weights, as files that need torch and safetensors alone."""
    from graphnas.codegen.export import export as write

    if best and trial is not None:
        raise TrialError("--best and --trial name two trials\n  at the command line. Give one of them.")
    study = Study(directory)
    record = study.best if trial is None else _trial(study, trial)
    beside = record.file.with_suffix(".safetensors") if record.file else None
    inherited = weights or (beside if beside and beside.exists() else None)
    write(specialize(study.space, record.arch), output, loading.weights(inherited), arch=record.arch)
    data = {
        "trial": record.number,
        "file": str(output),
        "weights": str(output.with_suffix(".safetensors")),
        "inherited_from": str(inherited) if inherited else None,
    }
    start = f"weights from {inherited}" if inherited else "every layer at its own start: the study has no weights"
    answer(data, f"wrote {output}: trial {record.number}, {start}", as_json)


def _trial(study: Study, number: int) -> Record:
    for record in study.trials:
        if record.number == number:
            return record
    raise TrialError(
        f"there is no trial {number}, but {len(study.trials)} from 1 on\n  at {study.directory}. See graphnas show."
    )


def described(study: Study) -> dict[str, Any]:
    """A study as JSON data; "best" is empty before any trial is complete."""
    trials = study.trials
    complete = any(trial.state == "complete" for trial in trials)
    return {
        "directory": str(study.directory),
        "name": study.name,
        "strategy": study.strategy,
        "seed": study.seed,
        "lag": study.lag,
        "objectives": study.objectives,
        "states": dict(Counter(trial.state for trial in trials)),
        "best": [_row(trial) for trial in study.pareto()[: 1 if len(study.objectives) == 1 else None]]
        if complete
        else [],
        "trials": [_row(trial) for trial in trials],
    }


def _row(trial: Record) -> dict[str, Any]:
    return {
        "number": trial.number,
        "state": trial.state,
        "metrics": dict(trial.metrics),
        "arch": json.loads(stored.to_json(trial.arch)),
        "parameters": json.loads(stored.to_json(trial.parameters)),
        "file": str(trial.file) if trial.file else None,
        "error": trial.error,
        "same_as": trial.same_as,
        "seed": trial.seed,
        "duration_s": trial.duration_s,
    }


def summary(data: dict[str, Any]) -> str:
    """A study in a few lines."""
    lines = [f"{data['directory']}: {_counts(data['states'])}"]
    title = "best" if len(data["objectives"]) == 1 else "not dominated"
    lines += [
        f"{title}: trial {row['number']}  {_metrics(row['metrics'])}  {_decisions(row['arch'])}" for row in data["best"]
    ]
    return "\n".join(lines)


def _counts(states: dict[str, int]) -> str:
    return ", ".join(f"{count} {state}" for state, count in states.items()) or "no trials"


def _best(row: dict[str, Any]) -> str:
    return "; ".join(_metrics(best["metrics"]) for best in row["best"][:3])


def _metrics(metrics: dict[str, float]) -> str:
    return "  ".join(f"{name} {value:.6g}" for name, value in metrics.items())


def _decisions(arch: dict[str, Any]) -> str:
    return ", ".join(f"{label}={option}" for label, option in arch.items())
