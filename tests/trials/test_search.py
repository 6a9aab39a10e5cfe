"""Searches from their call to what they leave."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from graphnas.errors import ConstraintError, EmitError, TrialError
from graphnas.ir.choice import Choice
from graphnas.ir.frozen import FrozenDict
from graphnas.ir.graph import Graph
from graphnas.ir.node import Call, Constant, Entry, Input, Layer, Node, Param, Parameter, Ref, Size
from graphnas.strategies.evolution import RegularizedEvolution
from graphnas.strategies.random import Random
from graphnas.trials import child, spec
from graphnas.trials.executor import Task
from graphnas.trials.search import search
from graphnas.trials.study import Study
from graphnas.trials.trial import Record, Trial
from tests.strategies.spaces import decided, flat, nested, subsets
from tests.trials import evaluations
from tests.trials.processes import alive

HERE = Path(__file__).parent


def archs(study: Study) -> list[dict[str, object]]:
    """What was tried, in order."""
    return [dict(trial.arch) for trial in study.trials]


def inline(tmp_path: Path, evaluate: Any = evaluations.score, **options: Any) -> Study:
    """A quick search in this process."""
    given = {"space": flat(4, 4, 4), "trials": 10, "executor": "inline", "show": False, "directory": tmp_path / "run"}
    return search(evaluate=evaluate, **{**given, **options})


# ---------------------------------------------------------------- what trials are given
def test_a_trial_runs_the_generated_file_in_a_process_of_its_own(tmp_path: Path) -> None:
    study = search(subsets(), evaluations.built, Random(), trials=2, directory=tmp_path, show=False)
    for trial in study.trials:
        assert trial.state == "complete", trial.error
        assert trial.file is not None
        assert "def build()" in trial.file.read_text(encoding="utf-8")
        assert "graphnas" not in [line.split()[1] for line in trial.file.read_text().splitlines() if "import " in line]
    again = search(subsets(), evaluations.built, Random(), trials=2, directory=tmp_path / "again", show=False)
    assert [trial.metrics for trial in again.trials] == [trial.metrics for trial in study.trials]


def test_a_trial_leads_a_process_group_and_sees_its_settings(tmp_path: Path) -> None:
    study = search(
        flat(2),
        "tests.trials.evaluations:environment",
        trials=2,
        directory=tmp_path,
        parameters={"lr": (0.1, 0.01), "epochs": 3},
        show=False,
    )
    for trial in study.trials:
        assert trial.metrics["leads_its_group"] == 1
        assert trial.metrics["lr"] == trial.parameters["lr"] in (0.1, 0.01)
        assert trial.metrics["epochs"] == 3
        assert trial.metrics["torch_loaded"] == 0
        assert (trial.file.parent / "checkpoint").read_text() == "kept" if trial.file else False
        assert study.reports(trial.number) == [
            (0, {"loss": 1.0}), (1, {"loss": 0.5}), (2, {"loss": 1 / 3}), (3, {"value": 0.5})
        ]  # fmt: skip


def test_searched_settings_are_part_of_what_is_tried(tmp_path: Path) -> None:
    study = inline(tmp_path, space=flat(2), parameters={"lr": (0.1, 0.01)}, trials=100)
    tried = {(trial.arch["c0"], trial.parameters["lr"]) for trial in study.trials}
    assert tried == {(0, 0.1), (0, 0.01), (1, 0.1), (1, 0.01)}
    assert len(study.trials) == 4


def test_an_evaluate_function_may_lie_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "helper.py").write_text("VALUE = 0.25\n")
    file = tmp_path / "mine.py"
    file.write_text("import helper\ndef run(trial):\n    return helper.VALUE\n")
    study = search(flat(2), f"{file}:run", trials=1, directory=tmp_path / "run", show=False)
    assert study.best.metrics == {"accuracy": 0.25}


def test_every_trial_is_published_when_it_ends(tmp_path: Path) -> None:
    seen: list[Record] = []
    study = inline(tmp_path, on_trial=seen.append)
    assert seen == list(study.trials)


def test_progress_is_a_line_per_trial(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    inline(tmp_path, show=True, trials=2)
    lines = capsys.readouterr().err.splitlines()
    assert [line.split("  ")[0] for line in lines] == ["trial 1", "trial 2"]
    assert "accuracy 0." in lines[0]


def linear(bare: bool = False) -> Graph:
    """A linear layer whose width is a choice; with `bare`, plus a parameter of the network's own."""
    width = Choice("width", (4, 2))
    config = FrozenDict({"in_features": 3, "out_features": width, "bias": True, "device": None, "dtype": None})
    nodes = [Node("fc", Layer("fc", "torch.nn.Linear", config), (Ref("x"),))]
    entries = [Entry("", "module", "Net"), Entry("fc", "layer", "torch.nn.Linear", config)]
    if bare:
        shape = FrozenDict({"shape": (1,), "dtype": Constant("torch.float32")})
        entries.insert(1, Entry("shift", "parameter", "", shape))
        nodes = [Node("shift", Param("shift", (1,))), *nodes]
        nodes.append(Node("add", Call("torch.Tensor.__add__"), (Ref("fc"), Ref("shift"))))
    inputs = (Input("x", ("x",), (2, 3)),)
    output = Ref(nodes[-1].name)
    return Graph(inputs, tuple(nodes), output, modules=tuple(entries), signature=(Parameter("x"),))


def test_a_child_inherits_the_weights_that_are_given(tmp_path: Path) -> None:
    weights = {"fc.weight": torch.arange(12.0).reshape(4, 3), "fc.bias": torch.zeros(4), "shift": torch.ones(1)}
    options = {"show": False, "strategy": Random(), "trials": 2, "weights": weights}
    study = search(linear(bare=True), evaluations.built, directory=tmp_path, **options)
    found = {trial.arch["width"]: trial.metrics["accuracy"] for trial in study.trials}
    # Rows of the weight add up to 3, 12, 21, 30.
    assert found == {4: 16.5 + 1, 2: 7.5 + 1}


def test_a_parameter_without_a_start_is_refused_before_any_trial(tmp_path: Path) -> None:
    with pytest.raises(EmitError, match="parameter 'shift' belongs to no layer"):
        inline(tmp_path, space=linear(bare=True))
    assert not (tmp_path / "run").exists()


# ---------------------------------------------------------------- results
def test_best_and_pareto(tmp_path: Path) -> None:
    c0 = Choice("c0", (0, 1, 2, 3))
    study = inline(
        tmp_path,
        evaluate=lambda trial: (trial.arch["c0"] // 2) + 0.0,
        space=flat(4),
        strategy=Random(),
        objectives={"accuracy": "maximize", "macs": "minimize"},
        metrics={"macs": c0 * 10},
    )
    assert sorted(trial.metrics["macs"] for trial in study.pareto()) == [0, 20]
    with pytest.raises(TrialError, match="no single best of accuracy and macs"):
        _ = study.best
    single = inline(tmp_path / "single", space=flat(4), evaluate=lambda trial: -abs(trial.arch["c0"] - 2.0))
    assert single.best.arch == {"c0": 2}


def test_metrics_do_not_depend_on_dead_labels(tmp_path: Path) -> None:
    size = Choice("inner", ("relu", "tanh", "gelu")).equals("relu")
    study = inline(tmp_path, space=nested(), metrics={"is_relu": size}, trials=9)
    assert {trial.arch.get("inner"): trial.metrics["is_relu"] for trial in study.trials}[None] == 1.0


def test_constraints_hold_in_every_trial(tmp_path: Path) -> None:
    c0, c1 = (Choice(label, (0, 1, 2, 3)) for label in ("c0", "c1"))
    study = inline(tmp_path, constraints=[c0 + c1 <= 1], trials=30)
    assert all(trial.arch["c0"] + trial.arch["c1"] <= 1 for trial in study.trials)  # type: ignore[operator]
    assert len(study.trials) == 12


def test_a_repeat_is_answered_from_the_first(tmp_path: Path) -> None:
    calls: list[Trial] = []

    def evaluate(trial: Trial) -> float:
        calls.append(trial)
        return 1.0

    strategy = RegularizedEvolution(population=3, tournament=2, repeats=True)
    study = inline(tmp_path, evaluate, space=flat(2, 2), strategy=strategy, trials=20)
    repeats = [trial for trial in study.trials if trial.same_as is not None]
    assert len(calls) + len(repeats) == 20
    assert len(calls) <= 4
    for trial in repeats:
        first = study.trials[(trial.same_as or 0) - 1]
        assert trial.state == "complete"
        assert (trial.arch, trial.metrics, trial.file) == (first.arch, first.metrics, first.file)


def test_a_space_without_choices_has_one_trial(tmp_path: Path) -> None:
    assert len(inline(tmp_path, space=decided()).trials) == 1


# ---------------------------------------------------------------- trials that go wrong
def test_bad_trials_fail_and_the_others_go_on(tmp_path: Path) -> None:
    study = search(flat(8), evaluations.bad, Random(), trials=8, directory=tmp_path, show=False)  # type: ignore[arg-type]
    found = {trial.arch["c0"]: trial for trial in study.trials}
    assert {option: trial.state for option, trial in found.items()} == {
        0: "complete", 1: "failed", 2: "failed", 3: "failed", 4: "failed", 5: "failed", 6: "stopped", 7: "failed"
    }  # fmt: skip
    assert "about to fail" in found[1].error
    assert found[1].error.startswith("it raised RuntimeError: out of luck\n  at ")
    assert "stderr.txt" in found[1].error
    again = shlex.split(found[1].error.splitlines()[-1].removeprefix("again: python"))
    rerun = subprocess.run([sys.executable, *again], capture_output=True, text=True, check=False)
    assert rerun.returncode == 1
    assert "RuntimeError: out of luck" in rerun.stderr
    assert Study(tmp_path).trials == study.trials
    assert found[2].error.startswith("its 'accuracy' is nan")
    assert found[3].error.startswith("evaluate returned no 'accuracy'; there is loss")
    assert "'good' as 'accuracy', which is not a number" in found[4].error
    assert "it was killed by SIGSEGV" in found[5].error
    assert found[5].file is not None
    assert found[5].file.parent.name == "a2"
    assert found[6].error == "not promising"
    assert "it raised SystemExit: 3" in found[7].error
    assert study.best.arch == {"c0": 0}


def test_a_trial_killed_by_a_signal_is_started_again_once(tmp_path: Path) -> None:
    study = search(flat(1), evaluations.crashes_once, trials=1, directory=tmp_path, show=False)
    assert study.best.file is not None
    assert study.best.file.parent.name == "a2"


def test_a_trial_that_takes_too_long_is_killed_with_all_it_started(tmp_path: Path) -> None:
    study = search(flat(1), evaluations.hangs_with_child, trials=1, directory=tmp_path, timeout_s=3, show=False)
    (trial,) = study.trials
    assert trial.state == "failed"
    assert "longer than 3 s" in trial.error
    assert trial.file is not None
    assert trial.file.parent.name == "a1"
    assert not alive(int((trial.file.parent / "pid").read_text()))


def test_what_a_trial_leaves_behind_is_killed(tmp_path: Path) -> None:
    study = search(flat(1), evaluations.leaves_child, trials=1, directory=tmp_path, show=False)
    assert study.best.file is not None
    assert not alive(int((study.best.file.parent / "pid").read_text()))


def test_no_complete_trial_is_no_best(tmp_path: Path) -> None:
    study = inline(tmp_path, lambda trial: 1 / 0, trials=2)
    with pytest.raises(TrialError, match=r"none of 2 trials is complete[\s\S]*ZeroDivisionError"):
        _ = study.best


def test_a_network_that_cannot_be_written_fails_its_trial_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = child.write

    def write(space: Any, arch: Any, directory: Path, weights: Any) -> Path:
        if arch["c0"] == 1:
            raise EmitError("no source for this")
        return whole(space, arch, directory, weights)

    monkeypatch.setattr(child, "write", write)
    study = inline(tmp_path, space=flat(3))
    assert {trial.arch["c0"]: trial.state for trial in study.trials} == {0: "complete", 1: "failed", 2: "complete"}


def test_a_full_disk_ends_the_search_and_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = archs(inline(tmp_path / "whole"))
    write = child.write

    def full(space: Any, arch: Any, directory: Path, weights: Any) -> Path:
        if "000004" in str(directory):
            raise OSError(28, "No space left on device")
        return write(space, arch, directory, weights)

    with monkeypatch.context() as patch:
        patch.setattr(child, "write", full)
        with pytest.raises(TrialError, match=r"trial 4 cannot be written[\s\S]*the same call continues"):
            inline(tmp_path)
    assert archs(inline(tmp_path)) == whole


def test_a_trial_that_finds_the_disk_full_is_tried_again(tmp_path: Path) -> None:
    options = {"evaluate": evaluations.full_at_first, "executor": "processes", "trials": 2, "workers": 1}
    with pytest.raises(TrialError, match=r"the result of trial 1 cannot be written[\s\S]*once there is room"):
        inline(tmp_path, **options)
    assert {trial.state for trial in Study(tmp_path / "run").trials} == {"queued"}
    (tmp_path / "room").touch()
    assert [trial.metrics["accuracy"] for trial in inline(tmp_path, **options).trials] == [1.0, 1.0]


def test_a_trial_that_cannot_be_started_ends_the_search_and_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {"executor": "processes", "trials": 3, "workers": 2}
    whole = spec.write

    def write(task: Task) -> Path:
        if task.trial.number == 2:
            raise OSError(28, "No space left on device")
        return whole(task)

    with monkeypatch.context() as patch:
        patch.setattr(spec, "write", write)
        with pytest.raises(TrialError, match=r"trial 2 cannot be started: .*No space[\s\S]*the same call continues"):
            inline(tmp_path, **options)
    assert {trial.state for trial in inline(tmp_path, **options).trials} == {"complete"}


@pytest.mark.parametrize("executor", ["processes", "inline"])
def test_what_a_user_says_is_kept_as_text_that_can_be_shown(tmp_path: Path, executor: str) -> None:
    study = inline(tmp_path, evaluations.unreadable, space=flat(2), executor=executor)
    errors = {trial.arch["c0"]: trial.error for trial in study.trials}
    assert errors[0].startswith("it raised FileNotFoundError: no \\udcff here")
    assert len(errors[1]) < 6000


def test_a_trial_that_quits_says_so(tmp_path: Path) -> None:
    (trial,) = inline(tmp_path, evaluations.quits, space=flat(1), executor="processes").trials
    assert trial.state == "failed"
    assert "it raised SystemExit: 0" in trial.error


# ---------------------------------------------------------------- calls that are wrong
C0 = Choice("c0", (0, 1, 2, 3))


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"objectives": {}}, TrialError, "there is no objective"),
        ({"objectives": {"accuracy": "maximise"}}, TrialError, "Did you mean 'maximize'"),
        (
            {"objectives": {"a": "maximize", "b": "minimize"}, "strategy": RegularizedEvolution()},
            TrialError,
            "one objective",
        ),
        ({"constraints": [C0 > 9]}, ConstraintError, "no architecture of space Net satisfies"),
        ({"constraints": [Choice("c9", (1, 2)) > 1]}, ConstraintError, "no label 'c9'.*\n.*Did you mean"),
        ({"constraints": [C0 + 1]}, ConstraintError, "is no condition"),
        ({"metrics": {"macs": 5}}, TrialError, "no expression of choices"),
        ({"metrics": {"macs": Choice("c0", (0, 1, 2, 3)) + Size(Ref("x"), 0)}}, TrialError, "is no number"),
        ({"parameters": {"lr": (1, 1)}}, TrialError, r"distinct[\s\S]*parameters\['lr'\]"),
        ({"parameters": {"lr": object()}}, TrialError, "cannot be stored"),
        ({"parameters": {"lr": C0}}, TrialError, "has a label 'c0' already"),
        ({"trials": 0}, TrialError, "trials >= 1"),
        ({"workers": 0}, TrialError, "workers >= 1"),
        ({"timeout_s": 5}, TrialError, "in this process cannot be killed"),
        ({"executor": "slurm"}, TrialError, "no executor 'slurm'"),
        ({"timeout_s": float("nan")}, TrialError, "timeout_s > 0 must hold"),
        ({"seed": 2**64}, TrialError, r"this is no seed[\s\S]*64 bits"),
        ({"seed": None}, TrialError, "this is no seed: None"),
        ({"space": "space.json"}, TrialError, r"this is no space: 'space.json'[\s\S]*gn.load"),
        ({"strategy": "random"}, TrialError, r"this is no strategy: 'random'[\s\S]*gn.Random\(\)"),
        ({"strategy": Random}, TrialError, "this is no strategy: <class"),
        ({"device": []}, TrialError, r"this is no device: \[\]"),
        ({"device": [0]}, TrialError, r"this is no device: \[0\]"),
        ({"objectives": ["accuracy"]}, TrialError, r"objectives are a dict[\s\S]*at objectives="),
        ({"metrics": [1]}, TrialError, "metrics are a dict"),
        ({"parameters": [1]}, TrialError, "parameters are a dict"),
        ({"constraints": C0 > 1}, ConstraintError, r"constraints are a list[\s\S]*at constraints="),
    ],
)
def test_wrong_calls_are_refused_before_any_trial(
    tmp_path: Path, options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        inline(tmp_path, **options)
    assert not (tmp_path / "run").exists()


class Bound:
    """Holds a method."""

    def evaluate(self, trial: Trial) -> float:
        """Fits, but belongs to an object."""
        return 1.0


def _nested() -> Any:
    def evaluate(trial: Trial) -> float:
        return 1.0

    return evaluate


@pytest.mark.parametrize("function", [lambda trial: 1.0, _nested(), Bound().evaluate, print])
def test_functions_that_no_worker_can_import_are_refused(tmp_path: Path, function: Any) -> None:
    with pytest.raises(TrialError, match=r'cannot import[\s\S]*executor="inline"'):
        search(flat(2), function, directory=tmp_path / "run")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nothing", "names no function"),
        ("no_such_module_at_all:f", "there is no module no_such_module_at_all"),
        ("no_such_file.py:f", "there is no file no_such_file.py"),
        (f"{HERE / 'evaluations.py'}:scores", "Did you mean 'score'"),
        ("tests.trials.evaluations:scores", "Did you mean 'score'"),
    ],
)
def test_names_of_functions_that_are_not_there_are_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(TrialError, match=message):
        search(flat(2), text, directory=tmp_path / "run")


def test_a_script_without_a_main_guard_does_not_search_in_its_trials(tmp_path: Path) -> None:
    file = tmp_path / "script.py"
    file.write_text(
        "import sys\nfrom pathlib import Path\nfrom graphnas.trials.search import search\n"
        "from tests.strategies.spaces import flat\n"
        "def evaluate(trial):\n    return 1.0\n"
        "study = search(flat(2), evaluate, trials=1, directory=Path(__file__).parent / 'run', show=False)\n"
        "print(study.trials[0].error)\n"
    )
    done = subprocess.run(
        [sys.executable, str(file)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(HERE.parents[1])},
    )
    assert 'below `if __name__ == "__main__":`' in done.stdout
