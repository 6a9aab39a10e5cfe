"""A searched child of a pretrained ResNet-20 beside the original cut in depth: CIFAR-10 (JPEG).

`examples/cifar_resnet20.py` as it stands. The images are JPEG files, which lost much: **no figure here can be put
beside a published one**. The pretrained network, which was trained on the lossless images, is right on 81.03 % of the
10,000 test images. All networks begin with its weights, alternatives of a convolution with the nearest that they can do
to it, and all are fine-tuned alike: once on a small part of the training images, by each of two seeds.

`original` is ResNet-20, `resnet14` has a block less in every stage, `as_deep` is the original cut to the depth of the
best child, and `best` is the child that the search found under a bound of two thirds of the multiply-adds. `inherited`
is the accuracy before the fine-tuning, `fine_tuned` the mean after it. Trials are judged too well, since the original
was trained on their validation images as well; no network saw the test images. `train` and `final` are the images that
a trial and a network compared are fine-tuned on.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import graphnas as gn
from benchmarks.report import Report
from examples.cifar_resnet20 import compare, search

SIZES = {"trials": 16, "train": 1920, "valid": 1000}
FINAL = {"train": 5000, "test": 5000}


def run() -> Report:
    """Searches, fine-tunes the best child and its rivals, and gives their accuracy and multiply-adds."""
    with tempfile.TemporaryDirectory() as directory:
        study = search(Path(directory), **SIZES)
        networks, trials = compare(study.best.arch, **FINAL), _trials(study)
    figures = {f"{row['network']}.{name}": row[name] for row in networks for name in ("fine_tuned", "multiply_adds")}
    return Report(figures, {}, [{**SIZES, "final": FINAL["train"], "test": FINAL["test"]}, *networks, *trials])


def _trials(study: gn.Study) -> list[dict[str, Any]]:
    """What each trial changed, and what came of it on the validation images."""
    choices, macs = study.space.choices, gn.cost.macs(study.space)
    return [
        {
            "trial": trial.number,
            "state": trial.state,
            "validation": trial.metrics.get("accuracy"),
            "multiply_adds": macs(trial.arch),
            "changes": ", ".join(
                f"{label} {option}" for label, option in trial.arch.items() if option != choices[label].default
            ),
        }
        for trial in study.trials
    ]
