"""The example of ResNet-20: its data, what alternatives start from, and the whole of it on a hundred images."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

import graphnas as gn
from examples import cifar_resnet20
from examples.cifar_starts import SITES, low_rank, separable, with_starts
from examples.cifar_training import IMAGES, WEIGHTS, accuracy, fine_tuned, images, pretrained
from examples.resnet20 import ResNet20
from tests import cifar


def test_pretrained_network_is_right_on_as_many_test_images_as_known(data: Callable[[str], Path]) -> None:
    data(IMAGES), data(WEIGHTS)
    images.cache_clear()
    assert accuracy(pretrained(), "test", 10_000) == pytest.approx(0.8103, abs=5e-4)


def test_parts_are_apart_and_images_are_what_was_packed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cifar.write(tmp_path)
    monkeypatch.setenv("GRAPHNAS_DATA", str(tmp_path))
    images.cache_clear()
    parts = {part: images(part, 1000) for part in ("train", "valid", "test")}
    assert {part: len(labels) for part, (_, labels) in parts.items()} == {"train": 180, "valid": 20, "test": cifar.TEST}
    for colors, labels in parts.values():
        gray = 255 * (colors * torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)
                      + torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)).mean((1, 2, 3))  # fmt: skip
        assert torch.equal(((gray - 5) / 25).round().long(), labels)
    assert torch.equal(images("test", 3)[0], parts["test"][0][:3])
    images.cache_clear()


def test_training_learns_and_repeats(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cifar.write(tmp_path)
    monkeypatch.setenv("GRAPHNAS_DATA", str(tmp_path))
    images.cache_clear()
    first, second = (fine_tuned(pretrained(), 180, seed=0).state_dict() for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(first["linear.weight"], pretrained().linear.weight)
    images.cache_clear()


def test_absent_data_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRAPHNAS_DATA", str(tmp_path))
    with pytest.raises(SystemExit, match=rf"{re.escape(str(tmp_path / WEIGHTS))} is absent; GRAPHNAS_DATA"):
        pretrained()


# How a kernel is taken apart, and what the two convolutions make of it together.
FACTORS: dict[str, tuple[Callable[[Tensor], tuple[Tensor, Tensor]], Callable[[Tensor, Tensor], Tensor]]] = {
    "separable": (separable, lambda depthwise, pointwise: pointwise * depthwise.transpose(0, 1)),
    "low_rank": (low_rank, lambda spatial, mixing: torch.einsum("or,rihw->oihw", mixing.flatten(1), spatial)),
}


@pytest.mark.parametrize("option", FACTORS)
def test_alternatives_start_as_the_original_where_they_can(option: str) -> None:
    torch.manual_seed(0)
    factors, product = FACTORS[option]
    network = ResNet20().eval()
    for name, module in network.named_modules():
        if fnmatch.fnmatchcase(name, SITES):
            module.weight.data = product(*factors(module.weight.data))
    space = gn.mutate(gn.trace(network, torch.zeros(2, 3, 32, 32)), *cifar_resnet20.rules)
    swapped = {label: option for label, choice in space.choices.items() if option in choice.options}
    assert len(swapped) == 6
    child = gn.build(gn.specialize(space, gn.default(space) | swapped), with_starts(network.state_dict())).eval()
    x = torch.randn(2, 3, 32, 32)
    torch.testing.assert_close(child(x), network(x))
    assert sum(p.numel() for p in child.parameters()) < sum(p.numel() for p in network.parameters())


@pytest.mark.parametrize("option", FACTORS)
def test_no_factors_near_by_are_nearer_to_the_kernel(option: str) -> None:
    torch.manual_seed(0)
    factors, product = FACTORS[option]
    kernel = torch.randn(8, 4, 3, 3)
    found = factors(kernel)
    distance = (product(*found) - kernel).norm()
    for _ in range(20):
        moved = [factor + 0.01 * torch.randn_like(factor) for factor in found]
        assert (product(*moved) - kernel).norm() > distance


def test_example_runs_on_a_hundred_images(
    cifar10: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sizes = ["--trials", "2", "--train", "100", "--valid", "20", "--final", "100", "--test", "40"]
    monkeypatch.setattr("sys.argv", ["cifar_resnet20", "--directory", str(tmp_path), *sizes])
    cifar_resnet20.main()
    printed = capsys.readouterr().out
    study = gn.Study.open(tmp_path)
    assert [trial.state for trial in study.trials] == ["complete"] * 2
    macs = {
        name: float(millions) for name, millions in re.findall(r"^  (\w+) +([\d.]+) M multiply", printed, re.MULTILINE)
    }
    assert list(macs) == ["original", "resnet14", "as_deep", "best"]
    assert (macs["original"], macs["resnet14"]) == (40.6, 26.4)
    assert macs["best"] <= macs["as_deep"] <= 40.6
    assert all(trial.metrics["macs"] <= 40_551_040 * cifar_resnet20.SHARE for trial in study.trials)
    assert macs["best"] == round(study.best.metrics["macs"] / 1e6, 1)
