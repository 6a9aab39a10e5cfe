"""The whole way in seconds: trace, mutate, search, a file that runs. What is run before every commit."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import torch
from torch import Tensor, nn

import graphnas as gn


class Tiny(nn.Module):
    """Two layers and an activation."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1 = nn.Linear(4, 8)
        self.act = nn.ReLU()
        self.fc2 = nn.Linear(8, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(self.act(self.fc1(x)))


def score(trial: gn.Trial) -> float:
    """Runs the network; what is best is known."""
    trial.build()(torch.zeros(2, 4))
    return float(trial.arch["act"] == "tanh")


def test_a_model_is_traced_mutated_searched_and_written(tmp_path: Path) -> None:
    model = Tiny()
    graph = gn.trace(model, torch.zeros(2, 4))
    space = gn.mutate(graph, gn.Swap(nn.ReLU, {"tanh": nn.Tanh, "silu": nn.SiLU}), gn.Skip("act"))
    assert space.size() == len(list(gn.enumerate_archs(space))) > 2
    assert gn.specialize(space, gn.default(space)) == graph

    study = gn.search(
        space, score, gn.Random(), trials=space.size(), directory=tmp_path / "run", executor="inline", show=False
    )
    best = study.best.arch
    assert [trial.state for trial in study.trials] == ["complete"] * space.size()
    assert best["act"] == "tanh"

    child = gn.specialize(space, best)
    gn.export(child, tmp_path / "child.py", weights=model.state_dict())
    subprocess.run([sys.executable, str(tmp_path / "child.py")], cwd=tmp_path, check=True, capture_output=True)
    x = torch.randn(3, 4)
    assert torch.equal(gn.build(child, model.state_dict())(x), gn.build(space, model.state_dict())(x, plan=best))
