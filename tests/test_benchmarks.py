"""Benchmarks: what they make of samples, how they are called, and that each runs, on little."""

from __future__ import annotations

import json
from itertools import count

import pytest
import torch

import graphnas as gn
from benchmarks import __main__ as runner
from benchmarks import compile as compiling
from benchmarks import cost, forward, readability, resnet20, soundness, spaces, starts
from benchmarks.measuring import interleaved, ratios, spread
from benchmarks.networks import HAND_WRITTEN, NETWORKS
from benchmarks.report import Report, page


def test_spread_is_median_quartiles_and_an_interval_around_the_median() -> None:
    found = spread([1.0, 2.0, 3.0, 4.0, 100.0])
    assert (found.median, found.lower_quartile, found.upper_quartile, found.samples) == (3.0, 2.0, 4.0, 5)
    assert 1.0 <= found.lower_bound <= found.median <= found.upper_bound <= 100.0
    assert spread([2.0] * 9).upper_bound == 2.0


def test_interval_of_the_median_covers_what_it_should() -> None:
    import random

    hits = 0
    for seed in range(60):
        rng = random.Random(seed)
        found = spread([rng.gauss(1.0, 0.1) for _ in range(60)], seed)
        hits += found.lower_bound <= 1.0 <= found.upper_bound
    assert hits >= 50


def test_interleaved_runs_everything_equally_often_in_turns() -> None:
    numbers, order = count(), []
    times = interleaved({name: lambda name=name: order.append((name, next(numbers))) for name in "ab"}, 4, warm=0)
    assert {name: len(found) for name, found in times.items()} == {"a": 4, "b": 4}
    assert [name for name, _ in order] == list("abbaabba")
    assert ratios([2.0, 3.0], [1.0, 2.0]) == [2.0, 1.5]


def test_page_says_which_bars_hold() -> None:
    report = Report({"good": 1.0, "bad": 2.0, "free": 3.0}, {"good": 1.0, "bad": 1.5}, [{"what": "x", "ms": 0.12345}])
    text = page(report.as_dict("sample"), "A sample.")
    assert "| `good` | 1 | ≤ 1 | yes |" in text
    assert "| `bad` | 2 | ≤ 1.5 | **no** |" in text
    assert "| x | 0.1235 |" in text or "| x | 0.1234 |" in text


def test_runner_lists_and_refuses(capsys: pytest.CaptureFixture[str]) -> None:
    assert runner.main(["--list"]) == 0
    assert set(runner.BENCHMARKS) == {line.split()[0] for line in capsys.readouterr().out.splitlines()}
    with pytest.raises(SystemExit) as end:
        runner.main(["nothing"])
    assert end.value.code == 2


@pytest.mark.parametrize("name", runner.BENCHMARKS)
def test_benchmark_runs_on_little(
    name: str, cifar10: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    small = {"vit_small": NETWORKS["vit_small"]}
    monkeypatch.setattr(readability, "NETWORKS", small)
    monkeypatch.setattr(readability, "ARCHS", 2)
    monkeypatch.setattr(readability, "HAND_WRITTEN", {"unet": HAND_WRITTEN["unet"]})
    monkeypatch.setattr(forward, "NETWORKS", small)
    monkeypatch.setattr(forward, "ROUNDS", 4)
    monkeypatch.setattr(soundness, "ROWS", {"encoder": soundness.ROWS["encoder"]})
    monkeypatch.setattr(compiling, "TRACED", ("vit_small",))
    for setting, number in {"ROUNDS": 2, "CHILDREN": 3, "ASKS": 5}.items():
        monkeypatch.setattr(compiling, setting, number)
    cells = gn.spaces.darts(cells=3, channels=2)
    monkeypatch.setattr(cost, "SPACES", {"darts": lambda: gn.trace(cells, torch.zeros(2, 3, 8, 8))})
    monkeypatch.setattr(cost, "ROUNDS", 2)
    monkeypatch.setattr(spaces, "TIMED", {"small": (3, 2)})
    monkeypatch.setattr(spaces, "TABLES", {"nasbench_macro": spaces.TABLES["nasbench_macro"]})
    monkeypatch.setattr(spaces, "BUILT", 2)
    monkeypatch.setattr(resnet20, "SIZES", {"trials": 1, "train": 20, "valid": 20})
    monkeypatch.setattr(resnet20, "FINAL", {"train": 20, "test": 20})
    runner.main([name, "--json"])
    found = json.loads(capsys.readouterr().out)
    assert list(found) == ["name", "figures", "context", "rows"]
    assert found["name"] == name
    assert found["context"]["bars"].keys() <= found["figures"].keys()
    assert all(isinstance(value, int | float) for value in found["figures"].values())


def test_starts_of_children_are_compared_with_those_of_originals() -> None:
    report = starts.run(("gpt",), seeds=4)
    assert report.figures["gpt.worst_deviation"] < starts.BAR
    assert report.rows[0]["seeds"] == 4


def test_soundness_tells_outcomes_apart() -> None:
    (one, several) = soundness.run_rows({"encoder": soundness.ROWS["encoder"]})
    assert one["refused"] + one["needless"] > several["refused"] + several["needless"]
    assert several["right"] > one["right"]
    assert not one["wrong"] + several["wrong"] + one["failed"] + several["failed"]
    whole = soundness.Run(torch.ones(1), {}, {})
    guard = ValueError("the network was traced under another condition: net.py:3")
    outcomes = {
        "wrong": (soundness.Run(torch.zeros(1), {}, {}), whole),
        "failed": (TypeError("no"), whole),
        "needless": (guard, whole),
        "refused": (guard, soundness.Run(torch.zeros(1), {}, {})),
    }
    assert {name: soundness._outcome(whole, *found) for name, found in outcomes.items()} == {n: n for n in outcomes}
