"""Bad input of every kind: the right error with what, where and what to do; nothing lost, and the model untouched."""

from __future__ import annotations

import builtins
import hashlib
import inspect
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import graphnas as gn
from graphnas.errors import ArchError, ConstraintError, EmitError, GraphError, GraphNASError, TraceError, TrialError
from graphnas.ir.graph import Graph
from graphnas.ir.storing import from_json, to_json

HERE = "test_bad_input.py"


# ---------------------------------------------------------------- a user's model
class Block(nn.Module):
    """A convolution, a norm that is frozen by its user, and an activation in place."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)
        self.norm = nn.BatchNorm2d(channels)
        self.norm.weight.requires_grad_(False)
        self.act = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.norm(self.conv(x)))


class Net(nn.Module):
    """Two blocks and a head, with a hook, a mixed mode and state of its own."""

    def __init__(self, fails: bool = False) -> None:
        super().__init__()
        self.fails = fails
        self.stem = nn.Conv2d(3, 4, 3, padding=1)
        self.blocks = nn.Sequential(Block(4), Block(4))
        self.head = nn.Linear(4, 10)
        self.register_buffer("steps", torch.tensor(7))
        self.notes = {"seen": [1, 2]}

    def forward(self, x: Tensor) -> Tensor:
        self.notes["seen"].append(3)
        self.steps += 1
        x = self.blocks(self.stem(x))
        if self.fails:
            raise RuntimeError("the sensor is offline")  # LINE: raise
        return self.head(x.mean((2, 3)))


def line_of(mark: str) -> int:
    """The line of this file that carries a mark."""
    lines = inspect.getsource(sys.modules[__name__]).splitlines()
    return next(number for number, line in enumerate(lines, 1) if line.endswith(f"# LINE: {mark}"))


def made(fails: bool = False) -> Net:
    """The model, in training with one part in evaluation, as a careful user may have it."""
    torch.manual_seed(0)
    model = Net(fails)
    model.train()
    model.blocks[0].norm.eval()
    model.head.register_forward_hook(lambda module, args, output: None)
    return model


X = torch.zeros(2, 3, 8, 8)


def photograph(model: nn.Module) -> Any:
    """Everything about a model and about torch that bad input might leave changed."""
    modules = {
        path: (
            id(module), module.training, type(module), repr(module.__dict__.get("notes")),
            [(name, id(value)) for name, value in module.__dict__.items() if name != "training"],
            [*module._forward_hooks.values()],
        )
        for path, module in model.named_modules()
    }  # fmt: skip
    tensors = [
        (name, id(t), t.data_ptr(), t.requires_grad, t.tolist()) for name, t in model.state_dict(keep_vars=True).items()
    ]
    patched = [
        nn.Module.__call__,
        nn.Module.forward,
        torch.compiler.is_compiling,
        torch.relu,
        Tensor.__add__,
        builtins.len,
    ]
    return modules, tensors, patched, torch.is_grad_enabled()


@pytest.fixture
def model() -> Iterator[Net]:
    """The user's model, which must be afterwards as it was before."""
    found = made()
    before = photograph(found)
    yield found
    assert photograph(found) == before


def traced(model: nn.Module) -> Graph:
    """The model's graph."""
    return gn.trace(model, X)


def space_of(model: nn.Module) -> Graph:
    """A space with two choices."""
    rule = gn.Swap("blocks.*.act", {"gelu": nn.GELU, "silu": nn.SiLU}, label="{node}")
    return gn.mutate(traced(model), rule)


def parts(error: pytest.ExceptionInfo[GraphNASError], *needed: str) -> None:
    """Checks that a message has everything that it needs."""
    message = str(error.value)
    for part in needed:
        assert part in message, message


# ---------------------------------------------------------------- tracing
def test_a_model_that_raises() -> None:
    failing = made(fails=True)
    before = photograph(failing)
    with pytest.raises(TraceError) as error:
        traced(failing)
    assert photograph(failing) == before
    parts(error, "the sensor is offline", "RuntimeError", f"{HERE}:{line_of('raise')}", "float32[2, 3, 8, 8]")
    assert isinstance(error.value.__cause__, RuntimeError)


@pytest.mark.parametrize(
    ("examples", "what"),
    [
        ((torch.zeros(2, 5, 8, 8),), "[2, 5, 8, 8]"),
        ((torch.zeros(2, 3, 8, 8, dtype=torch.long),), "int64[2, 3, 8, 8]"),
        ((), "x"),
        ((X, X), "argument"),
        (("a picture",), "stem"),
    ],
)
def test_wrong_example_inputs(model: Net, examples: tuple[Any, ...], what: str) -> None:
    with pytest.raises(TraceError) as error:
        gn.trace(model, *examples)
    parts(error, what)


def test_no_module_at_all() -> None:
    with pytest.raises(TraceError, match="function cannot be traced"):
        gn.trace(lambda x: x, X)


# ---------------------------------------------------------------- rules
def test_a_rule_that_matches_nothing(model: Net) -> None:
    graph = traced(model)
    stored = to_json(graph)
    with pytest.raises(GraphError) as error:
        gn.mutate(graph, gn.Swap("blocks.*.atc", {"gelu": nn.GELU}))
    parts(error, "blocks.*.atc", "Did you mean", "blocks.0.act", "Swap(")
    assert to_json(graph) == stored


def test_a_value_of_an_unknown_argument(model: Net) -> None:
    with pytest.raises(GraphError) as error:
        gn.mutate(traced(model), gn.Value("blocks.*.conv", "kernel_sizes", (5,)))
    parts(error, "kernel_sizes", "kernel_size")


def test_a_candidate_that_does_not_fit_its_site(model: Net) -> None:
    rule = gn.Swap("stem", {"half": lambda site: nn.Conv2d(3, 4, 3, stride=2, padding=1)})
    with pytest.raises(GraphError) as error:
        gn.mutate(traced(model), rule)
    parts(error, "half", "stem", HERE, "4, 4", "8, 8")


def test_a_candidate_that_raises(model: Net) -> None:
    rule = gn.Swap("stem", {"five": lambda site: nn.Conv2d(5, 4, 3, padding=1)})
    with pytest.raises(GraphError) as error:
        gn.mutate(traced(model), rule)
    parts(error, "five", "stem", HERE)


# ---------------------------------------------------------------- architectures and constraints
@pytest.mark.parametrize(
    ("arch", "needed"),
    [
        ({"blocks.0.atc": "gelu"}, ("blocks.0.atc", "Did you mean 'blocks.0.act'")),
        ({"blocks.0.act": "gelu6"}, ("gelu6", "'original', 'gelu', 'silu'", "blocks.0.act")),
        ({"blocks.0.act": 1}, ("blocks.0.act", "options are")),
    ],
)
def test_an_unknown_label_or_option(model: Net, arch: dict[str, Any], needed: tuple[str, ...]) -> None:
    space = space_of(model)
    with pytest.raises(ArchError) as error:
        gn.specialize(space, arch)
    parts(error, *needed)


def impossible(space: Graph) -> Graph:
    """The space under constraints that exclude each other."""
    choice = space.choices["blocks.0.act"]
    return replace(space, constraints=(choice.equals("gelu"), choice.equals("silu")))


def test_an_unsatisfiable_constraint(model: Net) -> None:
    space = impossible(space_of(model))
    with pytest.raises(ConstraintError) as error:
        gn.sample(space, seed=0)
    parts(error, "blocks.0.act")


def evaluate(trial: Any) -> float:
    """What the tests' trials measure: how often they have been called, by the files that they leave."""
    counter = Path(os.environ["GRAPHNAS_TEST_COUNTER"])
    (counter / f"{os.getpid()}-{len(list(counter.iterdir()))}").touch()
    return float(len(trial.arch))


@pytest.fixture
def counter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with one file a trial that has run."""
    folder = tmp_path / "trials"
    folder.mkdir()
    monkeypatch.setenv("GRAPHNAS_TEST_COUNTER", str(folder))
    return folder


def test_an_unsatisfiable_constraint_is_found_before_any_trial(model: Net, counter: Path, tmp_path: Path) -> None:
    space = impossible(space_of(model))
    with pytest.raises(ConstraintError):
        gn.search(space, evaluate, trials=2, workers=1, directory=tmp_path / "study")
    assert list(counter.iterdir()) == []


# ---------------------------------------------------------------- files
def contents(folder: Path) -> dict[str, str]:
    """A folder's files and what is in them, SQLite's logs apart."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.endswith(("-wal", "-shm")))
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_a_store_of_another_space(model: Net, counter: Path, tmp_path: Path) -> None:
    folder, weights = tmp_path / "study", model.state_dict()
    space = space_of(model)
    other = gn.mutate(traced(model), gn.Value("blocks.*.conv", "bias", (False,), label="bias"))
    study = gn.search(space, evaluate, trials=1, workers=1, directory=folder, weights=weights)
    kept, before = [(trial.arch, trial.metrics) for trial in study.trials], contents(folder)
    with pytest.raises(TrialError) as error:
        gn.search(other, evaluate, trials=1, workers=1, directory=folder, weights=weights)
    parts(error, "study")
    assert contents(folder) == before
    again = gn.search(space, evaluate, trials=1, workers=1, directory=folder, weights=weights)
    assert [(trial.arch, trial.metrics) for trial in again.trials] == kept
    assert len(list(counter.iterdir())) == 1


def test_a_truncated_graph(model: Net) -> None:
    text = to_json(traced(model))
    with pytest.raises(GraphError) as error:
        from_json(text[: len(text) // 2])
    parts(error, "not JSON", "line", "complete")


def test_a_hostile_graph(model: Net, tmp_path: Path) -> None:
    sentinel = tmp_path / "sentinel"
    data = json.loads(to_json(traced(model)))
    node = next(row for row in data["nodes"] if "call" in row["op"])
    node["op"] = {"call": "os.system"}
    node["args"] = [f"touch {sentinel}"]
    with pytest.raises(GraphError) as error:
        from_json(json.dumps(data))
    parts(error, "'os.system' is called", node["name"], HERE, "allow")
    assert not sentinel.exists()


FULL = """
import resource, signal, sys
import torch
from graphnas.errors import GraphNASError
import graphnas as gn
from tests.test_bad_input import made, traced

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
model = made()
child = traced(model)
gn.export(child, sys.argv[1], weights=model.state_dict())
with torch.no_grad():
    model.head.weight.add_(1)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
try:
    gn.export(child, sys.argv[1], weights=model.state_dict())
except GraphNASError as error:
    print(type(error).__name__, error)
"""


@pytest.mark.parametrize("limit", [500, 3000])
def test_a_full_disk_while_exporting(limit: int, tmp_path: Path) -> None:
    """No file may grow beyond a limit, which fails as a full disk does, at the source or at the weights."""
    path, environment = tmp_path / "out" / "child.py", {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    path.parent.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(path), str(limit)], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("EmitError"), done.stdout
    assert "child" in done.stdout
    assert sorted(os.listdir(path.parent)) == ["child.py", "child.safetensors"]
    check = f"import runpy; runpy.run_path({str(path)!r}, run_name='__main__')"
    assert subprocess.run([sys.executable, "-c", check], capture_output=True).returncode == 0


def test_a_file_that_cannot_be_exported_to(model: Net, tmp_path: Path) -> None:
    with pytest.raises(EmitError) as error:
        gn.export(traced(model), tmp_path / "missing" / "folder" / "child.py", weights=model.state_dict())
    parts(error, "missing")


BAD: dict[str, Callable[[Graph], object]] = {
    "no label": lambda space: gn.specialize(space, {"none": 1}),
    "no site": lambda space: gn.mutate(space, gn.Skip("none.*")),
    "no weights": lambda space: gn.build(gn.specialize(space, {}), weights={"stem.weight": torch.zeros(1)}),
}


@pytest.mark.parametrize("case", BAD)
def test_a_space_is_the_same_after_an_error(model: Net, case: str) -> None:
    space = space_of(model)
    before = to_json(space)
    with pytest.raises(GraphNASError):
        BAD[case](space)
    assert to_json(space) == before
