"""The same call again continues; killed, interrupted, with more trials or other workers; another study is refused."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from graphnas.errors import TrialError
from graphnas.ir.choice import Choice
from graphnas.strategies.evolution import RegularizedEvolution
from graphnas.strategies.random import Random
from graphnas.trials import schema
from graphnas.trials.search import search
from graphnas.trials.study import Study
from graphnas.trials.trial import Record, Trial
from tests.strategies.spaces import flat
from tests.trials import evaluations
from tests.trials.processes import alive

ROOT = Path(__file__).parents[2]


def inline(directory: Path, trials: int = 20, **options: Any) -> Study:
    """A quick search in this process."""
    strategy = RegularizedEvolution(population=4, tournament=2)
    given = {"evaluate": evaluations.score, "strategy": strategy, "executor": "inline", "show": False}
    return search(flat(4, 4, 4), trials=trials, directory=directory, **{**given, **options})


def tried(study: Study) -> list[tuple[dict[str, object], dict[str, float], str]]:
    """What was tried and what came out, in order."""
    return [(dict(trial.arch), dict(trial.metrics), trial.state) for trial in study.trials]


# ---------------------------------------------------------------- continuing
def test_more_trials_continue_the_sequence(tmp_path: Path) -> None:
    whole = tried(inline(tmp_path / "whole"))
    for trials in (1, 2, 3, 10, 10, 20):
        assert tried(inline(tmp_path / "parts", trials=trials)) == whole[:trials]


def test_the_sequence_does_not_depend_on_how_long_trials_take(tmp_path: Path) -> None:
    whole = tried(inline(tmp_path / "inline", trials=12, workers=3))
    options = {"executor": "processes", "evaluate": evaluations.slow, "workers": 3}
    assert tried(inline(tmp_path / "processes", trials=12, **options)) == whole


def test_another_number_of_workers_keeps_the_lag(tmp_path: Path) -> None:
    whole = tried(inline(tmp_path / "whole", workers=3))
    inline(tmp_path / "parts", trials=8, workers=3)
    study = inline(tmp_path / "parts", workers=1)
    assert tried(study) == whole
    assert study.lag == 3


def test_a_finished_study_runs_nothing_again(tmp_path: Path) -> None:
    inline(tmp_path)

    def refuse(trial: Trial) -> float:
        raise AssertionError(trial)

    assert len(inline(tmp_path, evaluate=refuse).trials) == 20


def test_an_error_of_a_subscriber_loses_nothing(tmp_path: Path) -> None:
    def fail(record: Record) -> None:
        if record.number == 5:
            raise LookupError

    whole = tried(inline(tmp_path / "whole"))
    with pytest.raises(LookupError):
        inline(tmp_path / "parts", on_trial=fail)
    assert tried(inline(tmp_path / "parts")) == whole


def test_a_strategy_that_does_not_repeat_itself_is_refused(tmp_path: Path) -> None:
    class Fickle(Random):
        def start(self, space: Any, objectives: Any, seed: int) -> None:
            super().start(space, objectives, random.SystemRandom().randrange(10**9))

    inline(tmp_path, strategy=Fickle(), trials=10)
    with pytest.raises(TrialError, match=r"the strategy proposes[\s\S]*must repeat itself"):
        inline(tmp_path, strategy=Fickle(), trials=11)


# ---------------------------------------------------------------- kill -9
def start(directory: Path, trials: int = 12, function: str = "slow") -> subprocess.Popen[bytes]:
    """A search in a process group of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "tests.trials.controller_script", str(directory), str(trials), function],
        cwd=ROOT,
        start_new_session=True,
    )


def running(directory: Path) -> list[int]:
    """The processes of trials that the store knows of."""
    with closing(sqlite3.connect(f"file:{directory / schema.NAME}?mode=ro", uri=True)) as connection:
        return [row[0] for row in connection.execute("SELECT pid FROM trial WHERE state = 'running' AND pid NOT NULL")]


def wait_for_trial(directory: Path, number: int) -> None:
    """Returns once a trial with this number was proposed and something runs."""
    for _ in range(1200):
        try:
            if len(Study(directory).trials) >= number and running(directory):
                return
        except TrialError:
            pass
        time.sleep(0.05)
    raise AssertionError(f"trial {number} never began")


def test_kill_9_of_the_controller_leaves_no_orphan_and_changes_nothing(tmp_path: Path) -> None:
    assert start(tmp_path / "whole").wait() == 0
    whole = tried(Study(tmp_path / "whole"))
    assert len(whole) == 12
    assert {state for _, _, state in whole} == {"complete"}
    for number in (1, 4, 7, 10):
        process = start(tmp_path / "killed")
        wait_for_trial(tmp_path / "killed", number)
        pids = running(tmp_path / "killed")
        process.kill()
        process.wait()
        assert not any(alive(pid) for pid in pids)
    assert start(tmp_path / "killed").wait() == 0
    study = Study(tmp_path / "killed")
    assert tried(study) == whole
    with closing(sqlite3.connect(tmp_path / "killed" / schema.NAME)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert connection.execute("SELECT sum(attempt) > 12 FROM trial").fetchone() == (1,)


def test_what_a_trial_started_before_kill_9_is_killed_by_the_next_search(tmp_path: Path) -> None:
    process = start(tmp_path, 1, "hangs_once_with_child")
    left = tmp_path / "trials" / "000001" / "a1" / "pid"
    while not (left.exists() and left.read_text()):
        assert process.poll() is None
        time.sleep(0.05)
    process.kill()
    process.wait()
    assert start(tmp_path, 1, "hangs_once_with_child").wait() == 0
    assert not alive(int(left.read_text()))
    assert tried(Study(tmp_path))[0][1:] == ({"accuracy": 1.0}, "complete")


def test_a_result_that_a_dead_controller_never_saw_is_taken(tmp_path: Path) -> None:
    whole = tried(inline(tmp_path, trials=6))
    with sqlite3.connect(tmp_path / schema.NAME) as connection:
        connection.execute("UPDATE trial SET state = 'running', metrics = NULL, pid = NULL WHERE id = 6")
    connection.close()

    def refuse(trial: Trial) -> float:
        raise AssertionError(trial)

    assert tried(inline(tmp_path, trials=6, evaluate=refuse)) == whole


def test_two_searches_in_one_directory_are_refused(tmp_path: Path) -> None:
    def second(record: Record) -> None:
        with pytest.raises(TrialError, match="another search is running"):
            inline(tmp_path)
        raise LookupError

    with pytest.raises(LookupError):
        inline(tmp_path, on_trial=second)


# ---------------------------------------------------------------- Ctrl-C
def test_ctrl_c_once_lets_running_trials_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupt(record: Record) -> None:
        if record.number == 5:
            os.kill(os.getpid(), signal.SIGINT)

    before = signal.getsignal(signal.SIGINT)
    whole = tried(inline(tmp_path / "whole"))
    study = inline(tmp_path / "parts", on_trial=interrupt)
    assert signal.getsignal(signal.SIGINT) is before
    assert study.interrupted
    assert "The same call continues" in capsys.readouterr().out
    assert [trial.state for trial in study.trials[:5]] == ["complete"] * 5
    assert len(study.trials) < 8
    study = inline(tmp_path / "parts")
    assert not study.interrupted
    assert tried(study) == whole


def test_ctrl_c_twice_stops_running_trials(tmp_path: Path) -> None:
    process = start(tmp_path, 50)
    wait_for_trial(tmp_path, 3)
    pids = running(tmp_path)
    process.send_signal(signal.SIGINT)
    time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    # Where the trials had ended between the two, the first has ended the search already.
    assert process.wait() in (0, 1, -signal.SIGINT)
    assert not any(alive(pid) for pid in pids)
    assert all(trial.state in ("queued", "complete") for trial in Study(tmp_path).trials)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_an_order_to_end_kills_what_trials_started_and_the_same_call_continues(
    tmp_path: Path, number: signal.Signals
) -> None:
    process = start(tmp_path, 1, "hangs_once_with_child")
    left = tmp_path / "trials" / "000001" / "a1" / "pid"
    while not (left.exists() and left.read_text()):
        time.sleep(0.05)
    process.send_signal(number)
    assert process.wait() == 128 + number
    assert not alive(int(left.read_text()))
    assert [trial.state for trial in Study(tmp_path).trials] == ["queued"]
    assert start(tmp_path, 1, "hangs_once_with_child").wait() == 0


# ---------------------------------------------------------------- another study
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seed": 1}, "another seed: 0, not 1"),
        ({"objectives": {"accuracy": "minimize"}}, "other objectives"),
        ({"strategy": Random()}, r"another strategy: RegularizedEvolution\(population=4, .*, not Random"),
        ({"strategy": RegularizedEvolution(population=5)}, "another strategy"),
        ({"constraints": [Choice("c0", (0, 1, 2, 3)) <= 2]}, "another space"),
        ({"parameters": {"epochs": 3}}, "other parameters"),
        ({"metrics": {"macs": Choice("c0", (0, 1, 2, 3)) * 2}}, "other metrics"),
    ],
)
def test_another_study_in_the_directory_is_refused(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    before = tried(inline(tmp_path, trials=3))
    with pytest.raises(TrialError, match=message):
        inline(tmp_path, trials=5, **options)
    assert tried(Study(tmp_path)) == before


def test_a_study_is_read_from_its_directory(tmp_path: Path) -> None:
    inline(tmp_path, trials=3)
    study = Study.open(tmp_path)
    assert study.space == flat(4, 4, 4)
    assert study.objectives == {"accuracy": "maximize"}
    assert study.strategy == "RegularizedEvolution(population=4, tournament=2, repeats=False)"
    assert (study.seed, study.lag, study.name) == (0, 2, "Net")
    assert study.best.metrics["accuracy"] == max(trial.metrics["accuracy"] for trial in study.trials)


def test_no_store_is_no_study(tmp_path: Path) -> None:
    with pytest.raises(TrialError, match="there is no study"):
        Study.open(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("read", [Study.open, inline])
def test_a_newer_store_is_refused(tmp_path: Path, read: Any) -> None:
    inline(tmp_path, trials=1)
    connection = sqlite3.connect(tmp_path / schema.NAME)
    connection.execute(f"PRAGMA user_version = {schema.VERSION + 1}")
    connection.close()
    with pytest.raises(TrialError, match=r"version 2, newer than 1[\s\S]*Update graphnas"):
        read(tmp_path)


@pytest.mark.parametrize("read", [Study.open, inline])
def test_a_file_that_is_no_store_is_refused(tmp_path: Path, read: Any) -> None:
    (tmp_path / schema.NAME).write_text("nothing of the kind" * 100)
    with pytest.raises(TrialError, match="the store cannot be opened"):
        read(tmp_path)


@pytest.mark.parametrize("read", [lambda folder: Study(folder).pareto(), inline])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("UPDATE trial SET arch = '{{{'", "trial 1 is not what graphnas writes"),
        ("UPDATE trial SET arch = '[]'", "trial 1 is not what graphnas writes"),
        ('UPDATE trial SET arch = \'{"c0": {"eval": 1}}\'', "trial 1 is not what graphnas writes"),
        ('UPDATE trial SET metrics = \'{"accuracy": "high"}\'', "trial 1 is not what graphnas writes"),
        ("UPDATE trial SET same_as = 77 WHERE id = 1", "trial 1 is not what graphnas writes"),
        ("DROP TABLE trial", "no such table"),
    ],
)
def test_a_damaged_store_is_refused(tmp_path: Path, read: Any, change: str, message: str) -> None:
    inline(tmp_path, trials=2)
    connection = sqlite3.connect(tmp_path / schema.NAME)
    with connection:
        connection.execute(change)
    connection.close()
    with pytest.raises(TrialError, match=rf"the store cannot be read: .*{message}[\s\S]*at .*study.db"):
        read(tmp_path)


@pytest.mark.parametrize("change", ["UPDATE study SET objective = '3'", "UPDATE trial SET metrics = '{\"loss\": 1}'"])
def test_a_changed_store_has_no_best(tmp_path: Path, change: str) -> None:
    inline(tmp_path, trials=2)
    connection = sqlite3.connect(tmp_path / schema.NAME)
    with connection:
        connection.execute(change)
    connection.close()
    with pytest.raises(TrialError, match="Who changed"):
        _ = Study(tmp_path).best


def test_a_data_base_of_something_else_is_refused(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / schema.NAME)
    connection.execute("CREATE TABLE cats(name)")
    connection.close()
    with pytest.raises(TrialError, match="the file holds no study"):
        inline(tmp_path)
