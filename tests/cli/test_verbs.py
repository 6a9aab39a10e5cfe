"""Every verb writes what the next one reads, and says with --json what it did."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from graphnas.ir import storing
from graphnas.ir.pages import page
from graphnas.ir.specialize import default, specialize
from graphnas.version import VERSION
from tests.cli.conftest import Run


def test_version_is_printed(run: Run) -> None:
    assert run("--version").out.strip() == VERSION


def test_doctor_finds_what_the_tests_need(run: Run) -> None:
    answer = run("doctor", "--json")
    states = {row["package"]: row["state"] for row in answer.data["packages"]}
    assert answer.code == 0
    assert states["torch"] == "works"
    assert all(row["remedy"].startswith("pip install") for row in answer.data["packages"] if row["state"] == "missing")
    assert "Everything needed is there." in run("doctor").out


def test_trace_says_what_it_recorded(run: Run, folder: Path) -> None:
    answer = run("trace", "net:factory", "--input", "2,3,8,8", "-o", "model.json", "--json")
    assert answer.code == 0
    assert answer.data["operations"] == {"call": 1, "layer": 4}
    assert answer.data["opaque"] == []
    (guard,) = answer.data["guards"]
    assert guard["where"] == "net.py:15"
    assert storing.load(folder / "model.json").name == "Net"
    assert "4 layers" in run("trace", "net:factory", "--input", "2,3,8,8", "-o", "model.json").out


DECIDING = """
import torch
import graphnas as gn
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 2)

    def forward(self, x, scale=None):
        return self.fc(x) if scale is None else self.fc(x) * scale


def examples():
    print("one moment")
    return [gn.example(torch.randn(2, 4)), gn.example(x=torch.randn(3, 4), scale=torch.ones(2))]


one = gn.example(torch.randn(2, 4))
wrong = [torch.randn(2, 4)]


def fails():
    raise RuntimeError("no data here")
"""


def test_trace_takes_examples_from_the_users_code(run: Run, folder: Path) -> None:
    (folder / "deciding.py").write_text(DECIDING)
    answer = run("trace", "deciding:Net", "--examples", "deciding.py:examples", "-o", "deciding.json", "--json")
    assert answer.code == 0
    assert "if scale is not None:" in run("emit", "deciding.json").out
    assert run("trace", "deciding:Net", "--examples", "deciding.py:one", "-o", "one.json").code == 0
    assert "if scale" not in run("emit", "one.json").out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--input", "2,4", "--examples", "deciding.py:one"), "one --examples"),
        (("--examples", "deciding.py:wrong"), "Give gn.example(...), or a list of them"),
        (("--examples", "deciding.py:fails"), "no data here"),
        (("--examples", "deciding.py:eggsamples"), "examples"),
    ],
)
def test_trace_says_what_is_wrong_with_examples(
    run: Run, folder: Path, arguments: tuple[str, ...], message: str
) -> None:
    (folder / "deciding.py").write_text(DECIDING)
    answer = run("trace", "deciding:Net", *arguments, "-o", "deciding.json")
    assert answer.code == (2 if "--input" in arguments else 1)
    assert message in answer.err
    assert not (folder / "deciding.json").exists()


def test_trace_says_how_parameters_start(run: Run, folder: Path) -> None:
    (folder / "starting.py").write_text(STARTING)
    arguments = ("trace", "starting:Net", "--input", "2,4", "-o", "starting.json")
    data = run(*arguments, "--json").data
    assert data["started"] == 1
    assert data["bare"] == [
        {
            "path": "shift",
            "reason": "its values come from where the recording does not see, such as numpy or a file",
            "where": "starting.py:13",
        }
    ]
    shown = run(*arguments).out
    assert "initialization recorded of 1 tensors" in shown
    assert "inherited, shift: its values come from where the recording does not see" in shown
    assert "# shift has no start of its own and must be loaded" in run("emit", "starting.json").out
    run(*arguments, "--weights", "starting.safetensors")
    assert run("emit", "starting.json", "--weights", "starting.safetensors", "-o", "starting_child.py").code == 0
    assert "nn.init.orthogonal_(self.fc.weight)" in (folder / "starting_child.py").read_text()


STARTING = """\
import numpy
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 4)
        nn.init.orthogonal_(self.fc.weight)


        self.shift = nn.Parameter(torch.from_numpy(numpy.ones(4, "float32")))

    def forward(self, x):
        return self.fc(x) + self.shift
"""


def test_mutate_explains_and_writes(run: Run, folder: Path, space: Path) -> None:
    answer = run("mutate", "model.json", "rules.py:rules", "--json")
    assert answer.data["file"] is None
    assert answer.data["choices"] == {"act": ["original", "silu", "tanh"], "conv2.skip": [False, True]}
    assert [rule["rule"] for rule in answer.data["rules"]] == ["Swap", "Skip"]
    assert answer.data["architectures"] == 6
    out = run("mutate", "model.json", "rules.py:one").out
    assert "conv2.skip: False | True" in out
    assert out.splitlines()[-1] == "choices: 1; architectures: 2"
    graph = storing.load(space)
    assert specialize(graph, default(graph)) == storing.load(folder / "model.json")


def test_space_is_shown_counted_and_checked(run: Run, space: Path) -> None:
    assert "choose <act>" in run("space", "show", space).out
    assert "net.py:" in run("space", "show", space, "--sources").out
    assert run("space", "show", space, "--json").data["choices"]["act"]["options"] == ["original", "silu", "tanh"]
    assert run("space", "size", space, "--json").data == {"size": 6}
    assert run("space", "size", space, "--estimate", "--json").data["size"] == 6.0
    assert run("space", "check", space, "--json").data == {"valid": True, "choices": 2, "checked": 10}
    assert "is valid" in run("space", "check", space).out


def test_space_is_shown_as_a_page(run: Run, space: Path, folder: Path) -> None:
    assert "wrote page.html" in run("space", "show", "--html", space, "-o", "page.html").out
    written = (folder / "page.html").read_text(encoding="utf-8")
    root = ElementTree.fromstring(written)
    assert written == page(storing.load(space))
    assert "Net: 11 steps, 2 choices, 6 architectures" in "".join(root.itertext())
    assert run("space", "show", "--html", space).out.strip() == written.strip()
    answer = run("space", "show", "--html", space, "--json").data
    assert answer["html"] == written
    assert answer["choices"]["act"]["take"] == 1


def test_page_marks_an_architecture(run: Run, space: Path, folder: Path) -> None:
    run("space", "sample", space, "--seed", 3, "-o", "arch.json")
    answer = run("space", "show", "--html", space, "--arch", "arch.json", "-o", "page.html", "--json").data
    assert answer["file"] == "page.html"
    assert "html" not in answer
    root = ElementTree.fromstring((folder / "page.html").read_text(encoding="utf-8"))
    rows = [["".join(cell.itertext()) for cell in row] for row in root.iter("tr")]
    arch = json.loads((folder / "arch.json").read_text())
    assert {row[0]: row[-1] for row in rows[1:]} == {label: repr(option) for label, option in arch.items()}


def test_text_of_a_space_is_written_to_a_file(run: Run, space: Path, folder: Path) -> None:
    run("space", "show", space, "-o", "space.txt")
    assert (folder / "space.txt").read_text(encoding="utf-8") == str(storing.load(space))


def test_sample_is_read_by_emit_and_the_file_runs(run: Run, folder: Path, space: Path) -> None:
    assert run("space", "sample", space, "--seed", 3, "-o", "arch.json").code == 0
    assert (
        json.loads((folder / "arch.json").read_text())
        == run("space", "sample", space, "--seed", 3, "--json").data["arch"]
    )
    answer = run("emit", space, "--arch", "arch.json", "-o", "child.py", "--weights", "model.safetensors", "--json")
    assert answer.code == 0, answer.err
    assert answer.data["open_choices"] == []
    shown = subprocess.run([sys.executable, "child.py"], cwd=folder, capture_output=True, text=True, check=True)
    assert "output: (2, 2)" in shown.stdout


def test_emit_of_an_open_graph_is_the_supernet(run: Run, space: Path, folder: Path) -> None:
    source = run("emit", space).out
    assert "from graphnas.oneshot import runtime" in source
    assert run("emit", space, "--json").data["source"] == source
    (folder / "part.json").write_text('{"act": "tanh"}')
    part = run("emit", space, "--arch", "part.json", "--json").data
    assert part["open_choices"] == ["conv2.skip"]
    assert "_guard" not in run("emit", space, "--no-guards").out


def test_search_show_ls_and_export(run: Run, space: Path, folder: Path) -> None:
    words = ("search", space, "--evaluate", "evaluation.py:evaluate", "-d", "runs/one", "-n", 4, "-j", 1)
    answer = run(*words, "--strategy", "random", "--weights", "model.safetensors", "--json")
    assert answer.code == 0, answer.err
    assert answer.data["states"] == {"complete": 4}
    (best,) = answer.data["best"]
    again = run(*words, "--strategy", "random", "--weights", "model.safetensors", "--json")
    assert again.data == answer.data
    assert run("show", "runs/one", "--json").data == answer.data
    assert f"best: trial {best['number']}" in run("show", "runs/one").out
    (row,) = run("ls", "--json").data["studies"]
    assert row["states"] == {"complete": 4}
    assert "4 complete" in run("ls").out
    exported = run("export", "runs/one", "--best", "-o", "best.py", "--json").data
    assert exported["trial"] == best["number"]
    assert exported["inherited_from"].endswith("child.safetensors")
    shown = subprocess.run([sys.executable, "best.py"], cwd=folder, capture_output=True, text=True, check=True)
    assert "output: (2, 2)" in shown.stdout
    first = run("export", "runs/one", "--trial", 1, "-o", "first.py", "--json")
    assert first.data["trial"] == 1


def test_search_by_a_command_line(run: Run, space: Path) -> None:
    command = ("--", sys.executable, "train.py", "--model", "{file}")
    answer = run("search", space, "-d", "runs/command", "-n", 5, "--strategy", "random", "--json", *command)
    assert answer.code == 0, answer.err
    assert {row["metrics"]["accuracy"] for row in answer.data["trials"]} <= {0.5, 1.0}
    for row in answer.data["trials"]:
        assert row["metrics"]["accuracy"] == (1.0 if row["arch"]["act"] == "tanh" else 0.5)


def test_search_by_a_run_file(run: Run, space: Path, folder: Path) -> None:
    (folder / "run.toml").write_text(
        f"""
        space = "space.json"
        command = ["{sys.executable}", "train.py", "--model", "{{file}}", "--lr", "{{lr}}"]
        directory = "runs/file"
        trials = 3
        strategy = {{name = "evolution", population = 2}}
        [objectives]
        accuracy = "maximize"
        [parameters]
        lr = [0.1, 0.2]
        """
    )
    answer = run("search", "run.toml", "-j", 1, "--json")
    assert answer.code == 0, answer.err
    assert len(answer.data["trials"]) == 3
    for row in answer.data["trials"]:
        assert row["metrics"]["lr"] == row["parameters"]["lr"]


def test_what_is_no_number_is_null_in_json(run: Run, space: Path, folder: Path) -> None:
    (folder / "odd.py").write_text("def evaluate(trial):\n    return {'accuracy': 0.5, 'loss': float('nan')}\n")
    answer = run("search", space, "--evaluate", "odd.py:evaluate", "-d", "runs/odd", "-n", 1, "--json")
    assert answer.code == 0, answer.err
    assert answer.data["trials"][0]["metrics"] == {"accuracy": 0.5, "loss": None}
