"""Law 9: an emitted child runs where there is no graphnas, passes a linter, and keeps to 99 columns."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from graphnas.codegen.build import build
from graphnas.codegen.emit import emit
from graphnas.codegen.export import export
from graphnas.ir.sampling import sample
from graphnas.ir.specialize import specialize
from tests.laws.networks import NETWORKS, Network
from tests.laws.test_supernets import graph_of, space_of

PROGRAM = """
import sys
sys.modules["graphnas"] = None  # importing it fails from here on
import torch
import child
torch.set_num_threads(1)
network = child.build()
network.load_state_dict(torch.load("child.pt", weights_only=True))
torch.save(network.eval()(torch.load("input.pt", weights_only=True)), "output.pt")
"""


@pytest.mark.parametrize("network", NETWORKS, ids=repr)
def test_child_runs_bit_for_bit_in_an_interpreter_without_graphnas(network: Network, tmp_path: Path) -> None:
    space = space_of(network)
    child = specialize(space, sample(space, 1))
    torch.manual_seed(0)
    net = build(child, network.model().state_dict())
    export(child, tmp_path / "child.py", net.state_dict(), weights_format="pt")
    given = network.example(*network.traced)
    torch.save(given, tmp_path / "input.pt")
    subprocess.run(
        [sys.executable, "-I", "-c", f"import sys; sys.path.insert(0, '.')\n{PROGRAM}"], cwd=tmp_path, check=True
    )
    assert torch.equal(torch.load(tmp_path / "output.pt"), net.eval()(given))


@pytest.mark.parametrize("network", NETWORKS, ids=repr)
def test_child_imports_torch_and_the_standard_library_only(network: Network) -> None:
    space = space_of(network)
    for arch in ({}, sample(space, 1)):
        source = emit(specialize(space, arch) if arch else graph_of(network))
        assert max(map(len, source.splitlines())) <= 99
        for statement in ast.walk(ast.parse(source)):
            if isinstance(statement, ast.Import):
                assert all(_is_known(alias.name) for alias in statement.names)
            elif isinstance(statement, ast.ImportFrom):
                assert _is_known(statement.module or "")


def _is_known(module: str) -> bool:
    root = module.partition(".")[0]
    return root == "torch" or root in sys.stdlib_module_names


@pytest.mark.parametrize("network", NETWORKS, ids=repr)
def test_child_passes_a_linter(network: Network, tmp_path: Path) -> None:
    space = space_of(network)
    (tmp_path / "default.py").write_text(emit(graph_of(network)))
    (tmp_path / "child.py").write_text(emit(specialize(space, sample(space, 2))))
    command = [
        sys.executable,
        "-m",
        "ruff",
        "check",
        "--isolated",
        "--select",
        "E,F,W,I",
        "--line-length",
        "99",
        str(tmp_path),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
