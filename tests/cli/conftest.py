"""A folder with what a user has: a model, rules, an evaluation; and a way to run verbs in it."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from graphnas.cli.app import app

MODEL = """
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 4, 3, padding=1)
        self.act = nn.ReLU()
        self.conv2 = nn.Conv2d(4, 4, 3, padding=1)
        self.head = nn.Linear(4, 2)

    def forward(self, x):
        if x.shape[1] != 3:
            raise ValueError("three channels, please")
        x = self.conv2(self.act(self.conv1(x)))
        return self.head(x.mean((2, 3)))


def factory():
    torch.manual_seed(0)
    return Net()


def broken():
    raise RuntimeError("no such checkpoint")


def quits():
    print("about to quit")
    raise SystemExit("bye")


def needs(width):
    return Net()


number = 3
"""

RULES = """
from torch import nn
import graphnas as gn

rules = [gn.Swap(nn.ReLU, {"silu": nn.SiLU, "tanh": nn.Tanh}), gn.Skip("conv2")]
nothing = gn.Swap("conv9", {"silu": nn.SiLU})
one = gn.Skip("conv2")
empty = []
wrong = ["conv2"]


def fails(graph):
    return graph.layers


def gives(graph):
    return 3
"""

EVALUATION = """
def evaluate(trial):
    trial.build()
    return {"accuracy": {"relu": 0.5, "silu": 0.7, "tanh": 0.6}.get(trial.arch["act"], 0.4)}


def fails(trial):
    if trial.arch["act"] == "silu":
        raise ValueError("diverged")
    return 0.5
"""

TRAINING = """
import argparse, json, runpy

parser = argparse.ArgumentParser()
parser.add_argument("--model")
parser.add_argument("--lr", type=float, default=0.0)
options = parser.parse_args()
net = runpy.run_path(options.model)["build"]()
print("training", sum(p.numel() for p in net.parameters()))
print(json.dumps({"accuracy": 1.0 if hasattr(net, "act_tanh") else 0.5, "lr": options.lr}))
print("done")
"""


@dataclass
class Answer:
    """What a verb did: its exit code, its standard output and standard error."""

    code: int
    out: str
    err: str

    @property
    def data(self) -> dict[str, Any]:
        """The JSON object on the standard output."""
        found: dict[str, Any] = json.loads(self.out)
        return found


Run = Callable[..., Answer]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The current directory, with a user's files."""
    for name, text in {
        "net.py": MODEL, "rules.py": RULES, "evaluation.py": EVALUATION, "train.py": TRAINING,
    }.items():  # fmt: skip
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    before = dict(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - set(before):
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[name]


@pytest.fixture
def run(folder: Path) -> Run:
    """Runs a verb in this process."""

    def verb(*words: object) -> Answer:
        result = CliRunner().invoke(app, [str(word) for word in words])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Answer(result.exit_code, result.stdout, result.stderr)

    return verb


@pytest.fixture
def space(run: Run, folder: Path) -> Path:
    """A space file, made by the verbs."""
    assert (
        run("trace", "net.py:factory", "-i", "2,3,8,8", "-o", "model.json", "--weights", "model.safetensors").code == 0
    )
    assert run("mutate", "model.json", "rules.py:rules", "-o", "space.json").code == 0
    return folder / "space.json"
