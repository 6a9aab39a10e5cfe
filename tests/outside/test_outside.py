"""Networks of other kinds: the exported file does bit for bit what the network does."""

from __future__ import annotations

import importlib.util
import itertools
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

import graphnas as gn
from tests.laws.networks import assert_same, run, same
from tests.outside.cases import CASES, Arguments, Case


def exported(case: Case, folder: Path) -> tuple[nn.Module, nn.Module]:
    """The original, and what the file that was written for it builds."""
    torch.manual_seed(0)
    model = case.factory()
    graph = gn.Tracer(opaque="error", exact=True).trace(model, *(gn.example(**given) for given in case.traced))
    gn.export(graph, folder / "child.py", weights=model.state_dict())
    found = importlib.util.spec_from_file_location("child", folder / "child.py")
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    child = module.build()
    child.load_state_dict(load_file(folder / "child.safetensors"))
    return model, child


@pytest.mark.parametrize("case", CASES, ids=repr)
def test_exported_file_does_what_the_network_does(case: Case, tmp_path: Path) -> None:
    model, child = exported(case, tmp_path)
    assert list(child.state_dict()) == list(model.state_dict())
    buffers, others = list(model.named_buffers()), list(child.named_buffers())
    assert [name for name, _ in others] == [name for name, _ in buffers]
    assert all(torch.equal(first, second) for (_, first), (_, second) in zip(buffers, others))
    weights = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    for training, given in itertools.product((False, True), (*case.traced, *case.untraced)):
        runs = [run(network, weights, training=training, **given) for network in (model, child)]
        assert_same(*runs)


@pytest.mark.parametrize("case", CASES, ids=repr)
def test_perturbed_parameters_change_what_the_file_does(case: Case, tmp_path: Path) -> None:
    model, child = exported(case, tmp_path)
    weights = dict(model.state_dict())
    for given in case.traced:
        before = run(model, weights, training=False, **given)
        for name, parameter in model.named_parameters():
            perturbed = parameter.detach() + torch.rand_like(parameter)
            others = {key: perturbed for key, held in weights.items() if held.data_ptr() == parameter.data_ptr()}
            assert not same(run(child, weights | others, training=False, **given).output, before.output), name


@pytest.mark.parametrize("case", CASES, ids=repr)
def test_exported_file_is_short_clean_and_runs_as_a_script_without_graphnas(case: Case, tmp_path: Path) -> None:
    exported(case, tmp_path)
    source = (tmp_path / "child.py").read_text()
    assert source.count("\n") <= case.lines
    for line in source.splitlines():
        assert len(line) <= 99 or "_unpack" in source  # the text of a window has no place to break it
    program = (
        "import sys; sys.modules['graphnas'] = None; import runpy; runpy.run_path('child.py', run_name='__main__')"
    )
    ran = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert "output:" in ran.stdout
    lint = [sys.executable, "-m", "ruff", "check", "--isolated", "--select", "E,F,W,I", "--ignore", "E501"]
    checked = subprocess.run([*lint, "child.py"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout


NOWHERE = torch.zeros(0, dtype=torch.long)
# Network, what is given instead of the traced inputs, and whether the original takes it.
BAD: list[tuple[str, Arguments, bool]] = [
    ("lstm", {"lengths": torch.tensor([5, 7, 0])}, False),
    ("lstm", {"lengths": torch.tensor([5, 9, 3])}, False),
    ("lstm", {"lengths": torch.tensor([5, 6, 3])}, True),
    ("lstm", {"lengths": torch.tensor([5, 7, 3], device="meta")}, False),
    ("lstm", {"lengths": [5, 7, 3]}, False),
    ("lstm", {"hidden": (torch.zeros(2, 3, 12),)}, False),
    ("lstm", {"hidden": (torch.zeros(2, 3, 11), torch.zeros(2, 3, 11))}, False),
    ("lstm", {"input": torch.full((3, 7), 50)}, False),
    ("graphs", {"x": torch.zeros(0, 7), "edge_index": NOWHERE.view(2, 0), "batch": NOWHERE}, False),
    ("graphs", {"edge_index": NOWHERE.view(2, 0)}, True),
    ("graphs", {"edge_index": torch.zeros(3, 8, dtype=torch.long)}, False),
    ("graphs", {"edge_index": torch.full((2, 8), 99)}, False),
    ("graphs", {"batch": torch.tensor([0, 0, 0, 0, 3, 3, 3, 3, 3, 3])}, True),
    ("graphs", {"batch": -torch.ones(10, dtype=torch.long)}, False),
    ("nanogpt", {"idx": torch.zeros(2, 40, dtype=torch.long), "targets": None}, False),
    ("nanogpt", {"idx": torch.zeros(2, 0, dtype=torch.long), "targets": None}, False),
    ("nanogpt", {"targets": torch.zeros(2, 6, dtype=torch.long)}, False),
    ("unet", {"x": torch.zeros(1, 3, 8, 8)}, False),
    ("unet", {"x": torch.zeros(1, 3, 16, 16)}, True),
    ("unet", {"x": torch.zeros(3, 37, 45)}, False),
    ("speech", {"waveform": torch.zeros(2, 100)}, False),
    ("speech", {"lengths": torch.tensor([0, 0])}, True),
    ("speech", {"waveform": torch.zeros(2, 8000, dtype=torch.float16)}, True),
    ("speech", {"waveform": torch.zeros(0, 8000), "lengths": NOWHERE}, False),
]


@pytest.mark.parametrize(("name", "instead", "is_taken"), BAD)
def test_unusual_input_is_taken_or_refused_as_by_the_network(
    name: str, instead: Arguments, is_taken: bool, tmp_path: Path
) -> None:
    case = next(case for case in CASES if case.name == name)
    networks = [network.eval() for network in exported(case, tmp_path)]
    given = {**case.traced[0], **instead}
    if is_taken:
        assert same(*(network(**given) for network in networks))
        return
    expected, found = (_error(network, given) for network in networks)
    refused = isinstance(found, ValueError) and "the network was traced" in str(found)
    assert refused or (type(found), str(found)) == (type(expected), str(expected))


def _error(network: nn.Module, given: dict[str, Any]) -> Exception:
    with pytest.raises(Exception) as raised:  # noqa: PT011  which one is compared
        network(**given)
    return raised.value
