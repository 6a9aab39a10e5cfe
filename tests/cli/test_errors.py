"""What the user did wrong is a message and an exit code, never a traceback."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cli.conftest import Run

ROWS = [
    ("trace net.py:factory -i 2,4,8,8 -o m.json", "three channels, please"),
    ("trace net.py:factori -i 2,3,8,8 -o m.json", "Did you mean 'factory'"),
    ("trace net.py:broken -i 2,3,8,8 -o m.json", "no such checkpoint"),
    ("trace net.py:number -i 2,3,8,8 -o m.json", "is no function"),
    ("trace nets.py:factory -i 2,3,8,8 -o m.json", "there is no file nets.py"),
    ("trace nets:factory -i 2,3,8,8 -o m.json", "cannot be imported"),
    ("trace factory -i 2,3,8,8 -o m.json", "names no object"),
    ("trace net.py:factory -i 2,3,x,8 -o m.json", "is no shape"),
    ("trace net.py:factory -i 2,3:flout32 -o m.json", "Did you mean"),
    ("trace net.py:factory -i 9999999999,9999999999 -o m.json", "there is no such tensor"),
    ("trace net.py:factory -i 99999999999999999999,3 -o m.json", "there is no such tensor"),
    ("trace net.py:factory -i 2,3,8,8:quint8 -o m.json", "there is no such tensor"),
    ("trace net.py:factory -i 2,3,8,8 -o nowhere/m.json", "cannot be written"),
    ("trace net.py:factory -i 2,3,-8,8 -o m.json", "is no shape"),
    ("trace net.py:factory -i 2,3,8,8 -o .", "it is a folder"),
    ("trace net.py:factory -i 2,3,8,8 -o /dev/null", "it is a device"),
    ("trace net.py:factory -i 2,3,8,8 -o m.json --weights nowhere/w", "there is no folder nowhere"),
    ("trace net.py:quits -i 2,3,8,8 -o m.json", "SystemExit: bye"),
    ("trace net.py:needs -i 2,3,8,8 -o m.json", "called without arguments"),
    ("trace syntax.py:factory -i 2,3,8,8 -o m.json", "syntax.py:1"),
    ("mutate model.json rules.py:nothing", "conv1"),
    ("mutate model.json rules.py:fails -o s.json", "'Graph' object has no attribute 'layers'\n  at "),
    ("mutate model.json rules.py:gives -o s.json", "gives 3"),
    ("mutate model.json rules.py:empty", "is empty"),
    ("mutate model.json rules.py:wrong", "is no rule"),
    ("mutate missing.json rules.py:rules", "missing.json"),
    ("space show cut.json", "cut.json"),
    ("space show space.json --html -o nowhere/page.html", "there is no folder nowhere"),
    ("space show space.json --html --arch wrong.json", "Did you mean"),
    ("space show space.json --arch wrong.json", "Give --arch with --html"),
    ("space show space.json --html --sources", "--sources without"),
    ("emit space.json -o child.safetensors", "Write child.py"),
    ("emit space.json -o nowhere/child.py", "there is no folder nowhere"),
    ("emit space.json --arch wrong.json", "Did you mean"),
    ("emit space.json --arch list.json", "an architecture is an object"),
    ("emit space.json --arch deep.json", "deep.json"),
    ("emit space.json --arch space.json", "this is no architecture"),
    ("emit space.json --arch missing.json", "missing.json"),
    ("emit space.json --weights model.safetensors", "Give -o"),
    ("emit model.json -o c.py --weights net.py", "the weights cannot be read"),
    ("search space.json", "one way to evaluate"),
    ("search space.json --evaluate evaluation.py:evaluat -d r", "Did you mean"),
    ("search space.json --evaluate evaluation.py:evaluate -d r --strategy randon", "Did you mean 'random'"),
    ("search typo.toml", "Did you mean 'directory'"),
    ("search kind.toml", "trials must be int"),
    ("search cut.toml", "cut.toml"),
    ("search words.toml", "device must be a list of strings"),
    ("search nameless.toml", "there is no strategy ['random']"),
    ("search arguments.toml", "Its arguments are population, tournament"),
    ("search space.json --maximize a --minimize a", "'a' cannot be both"),
    ("search space.json --evaluate evaluation.py:evaluate -d r --timeout nan", "timeout_s > 0 must hold"),
    ("search space.json --evaluate evaluation.py:evaluate -d r --seed 99999999999999999999", "this is no seed"),
    ("show nowhere", "nowhere"),
    ("export nowhere -o c.py", "nowhere"),
    ("export nowhere -o nowhere/c.py", "there is no folder nowhere"),
]


@pytest.mark.parametrize(("words", "message"), ROWS, ids=[row[0] for row in ROWS])
def test_user_error_is_a_message(run: Run, space: Path, folder: Path, words: str, message: str) -> None:
    (folder / "syntax.py").write_text("def factory(:\n")
    (folder / "cut.json").write_text(space.read_text()[:200])
    (folder / "wrong.json").write_text('{"act": "tanhh"}')
    (folder / "list.json").write_text("[]")
    (folder / "typo.toml").write_text('space = "space.json"\ndirectori = "runs"')
    (folder / "kind.toml").write_text('space = "space.json"\ntrials = "many"')
    (folder / "cut.toml").write_text("space = ")
    (folder / "deep.json").write_text('{"a":' * 10**5)
    run_file = 'space = "space.json"\nevaluate = "evaluation.py:evaluate"\ndirectory = "r"\n'
    (folder / "words.toml").write_text(run_file + "device = [1]")
    (folder / "nameless.toml").write_text(run_file + 'strategy = {name = ["random"]}')
    (folder / "arguments.toml").write_text(run_file + 'strategy = {name = "evolution", populatio = 3}')
    files = sorted(folder.iterdir())
    answer = run(*words.split())
    assert answer.code == 1
    assert message in answer.err
    assert "Traceback" not in answer.err
    assert answer.out == ""
    assert sorted(path for path in folder.iterdir() if path.name not in ("__pycache__", "r")) == [
        path for path in files if path.name != "__pycache__"
    ]


@pytest.mark.parametrize("words", ["nothing", "trace", "space size", "trace net.py:factory -o m.json", "ls --jsn"])
def test_usage_error_is_code_two(run: Run, words: str) -> None:
    assert run(*words.split()).code == 2


def test_search_with_failed_trials_is_code_three(run: Run, space: Path) -> None:
    answer = run(
        "search", space, "--evaluate", "evaluation.py:fails", "-d", "runs/bad", "-n", 5, "--strategy", "random"
    )
    assert answer.code == 3
    assert "failed; `graphnas show" in answer.err
    assert "diverged" in run("show", "runs/bad").out


def test_search_by_a_failing_command_is_code_three(run: Run, space: Path) -> None:
    command = ("--", sys.executable, "-c", "raise SystemExit(4)")
    assert run("search", space, "-d", "runs/bad", "-n", 1, *command).code == 3
    assert "ended with code 4" in run("show", "runs/bad").out


def test_search_by_a_silent_command_is_code_three(run: Run, space: Path) -> None:
    assert run("search", space, "-d", "runs/bad", "-n", 1, "--", sys.executable, "-c", "print('fine')").code == 3
    assert "printed no result" in run("show", "runs/bad").out


def test_interrupted_search_is_code_130_and_goes_on(run: Run, space: Path, folder: Path) -> None:
    (folder / "slow.py").write_text("import time\n\ndef evaluate(trial):\n    time.sleep(1)\n    return 0.5\n")
    words = ["search", "space.json", "--evaluate", "slow.py:evaluate", "-d", "runs/slow", "-n", "6", "-j", "1"]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    process = subprocess.Popen(
        [sys.executable, "-m", "graphnas", *words], cwd=folder, env=environment, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    line = process.stderr.readline()  # the first trial has ended
    assert "trial 1" in line
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    rest = process.communicate(timeout=60)[1]
    assert process.returncode == 130, rest
    assert "to go on: graphnas search" in rest
    assert run(*words, "--json").data["states"] == {"complete": 6}


def test_help_loads_no_torch(folder: Path) -> None:
    code = "import sys; sys.argv = ['graphnas', 'search', '--help']\nfrom graphnas.cli import main\n"
    code += "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code\nassert 'torch' not in sys.modules"
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, env=environment)
