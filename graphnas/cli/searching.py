"""The verb `search`: trials of a space, by a function or by a command line."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from graphnas.cli import loading, runfile, studies
from graphnas.cli.output import AsJson, answer, complain
from graphnas.errors import TrialError
from graphnas.trials.study import Study

FAILED, INTERRUPTED = 3, 130


def search(
    file: Annotated[Path, typer.Argument(help="A run file (.toml) or a space file (.json).")],
    command: Annotated[
        list[str] | None,
        typer.Argument(help="After --: what evaluates a trial, such as python train.py --model {file}."),
    ] = None,
    evaluate: Annotated[
        str | None, typer.Option(help="What evaluates a trial: module:function or file.py:function.")
    ] = None,
    directory: Annotated[Path | None, typer.Option("--directory", "-d", help="Where the study is kept.")] = None,
    trials: Annotated[int | None, typer.Option("--trials", "-n", help="How many there shall be.")] = None,
    workers: Annotated[int | None, typer.Option("--workers", "-j", help="How many run at once.")] = None,
    seed: Annotated[int | None, typer.Option(help="Where all randomness comes from.")] = None,
    strategy: Annotated[str | None, typer.Option(help="random or evolution.")] = None,
    maximize: Annotated[list[str] | None, typer.Option(help="A metric to maximize; repeatable.")] = None,
    minimize: Annotated[list[str] | None, typer.Option(help="A metric to minimize; repeatable.")] = None,
    timeout_s: Annotated[float | None, typer.Option("--timeout", help="Seconds after which a trial is killed.")] = None,
    weights: Annotated[Path | None, typer.Option(help="Weights that the children inherit.")] = None,
    as_json: AsJson = False,
) -> None:
    """Search a space; the same command again goes on where it ended."""
    run = runfile.read(file) if file.suffix == ".toml" else runfile.Run(space=str(file))
    given = {
        "evaluate": evaluate,
        "command": command,
        "directory": str(directory) if directory else None,
        "trials": trials,
        "workers": workers,
        "seed": seed,
        "strategy": strategy,
        "timeout_s": timeout_s,
        "weights": str(weights) if weights else None,
    }
    for name, value in given.items():
        if value is not None:
            setattr(run, name, value)
    if both := set(maximize or ()) & set(minimize or ()):
        raise TrialError(f"{min(both)!r} cannot be both\n  at --maximize and --minimize. Give it to one of them.")
    if maximize or minimize:
        run.objectives = {**dict.fromkeys(maximize or (), "maximize"), **dict.fromkeys(minimize or (), "minimize")}
    resume = f"interrupted; to go on: {shlex.join(['graphnas', *sys.argv[1:]])}"
    try:
        study = _search(run, file)
    except (KeyboardInterrupt, SystemExit):
        complain(resume)
        raise
    data = studies.described(study)
    answer(data, studies.summary(data), as_json)
    if study.interrupted:
        complain(resume)
        raise typer.Exit(INTERRUPTED)
    if failed := data["states"].get("failed"):
        some = "1 trial" if failed == 1 else f"{failed} trials"
        complain(f"{some} failed; `graphnas show {data['directory']}` says why")
        raise typer.Exit(FAILED)


def _search(run: runfile.Run, file: Path) -> Study:
    from graphnas.trials.search import search as begin

    if not run.space:
        raise TrialError(f'the run names no space\n  at {file}. Write space = "space.json".')
    evaluate, parameters = runfile.evaluation(run)
    return begin(
        loading.graph(Path(run.space), run.allow),
        evaluate,
        runfile.strategy(run.strategy),
        run.trials,
        run.workers,
        directory=run.directory or Path("runs") / file.stem,
        weights=loading.weights(Path(run.weights) if run.weights else None),
        parameters={name: tuple(value) if isinstance(value, list) else value for name, value in parameters.items()},
        objectives=run.objectives,
        seed=run.seed,
        timeout_s=run.timeout_s,
        device=run.device,
    )
