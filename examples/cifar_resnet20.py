"""A pretrained ResNet-20 on CIFAR-10 (JPEG): the best child of at most two thirds of its multiply-adds.

`python -m examples.cifar_resnet20 [--trials 16] [--train 1920] [--directory runs/cifar]`, less than a quarter of an
hour on one core. It needs Pillow, and data that `examples/cifar_training.py` describes.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

import graphnas as gn
from examples.cifar_starts import SITES, with_starts
from examples.cifar_training import accuracy, evaluate, fine_tuned, pretrained
from graphnas.ir.choice import Option

SHARE = 2 / 3  # of the original's multiply-adds
SEEDS = (0, 1)


def low_rank(site: gn.Site) -> nn.Module:
    """A convolution to half of the channels, and one of a single tap to all of them."""
    (_, incoming, *_), (_, outgoing, *_) = site.input_shape, site.output_shape
    narrow = nn.Conv2d(incoming, outgoing // 2, 3, padding=1, bias=False)
    return nn.Sequential(narrow, nn.Conv2d(outgoing // 2, outgoing, 1, bias=False))


rules = (
    gn.Swap(SITES, {"separable": gn.library.separable(), "low_rank": low_rank}),
    gn.Depth("layer?"),
)


def space() -> gn.Graph:
    """The network with what the rules leave open."""
    return gn.mutate(gn.trace(pretrained(), torch.zeros(2, 3, 32, 32)), *rules)


def search(directory: Path, trials: int = 16, train: int = 1920, valid: int = 1000) -> gn.Study:
    """Fine-tunes children that inherit the pretrained weights, none above its share of the multiply-adds.

    Args:
        directory: where the study is kept, and continued.
        trials: how many children.
        train: images that each is fine-tuned on.
        valid: images that its accuracy is of.
    """
    children = space()
    macs = gn.cost.macs(children)
    return gn.search(
        children,
        evaluate,
        gn.RegularizedEvolution(population=5, tournament=3),
        trials,
        workers=1,
        directory=directory,
        weights=with_starts(pretrained().state_dict()),
        parameters={"train": train, "valid": valid},
        metrics={"macs": macs},
        constraints=(macs <= SHARE * macs(gn.default(children)),),
    )


def rivals(children: gn.Graph, best: Mapping[str, Option]) -> dict[str, dict[str, Option]]:
    """Architectures by name: the original whole, a block less in every stage, as deep as the best; and the best."""
    original = gn.default(children)
    depths = {label: option for label, option in best.items() if label.endswith(".depth")}
    return {
        "original": original,
        "resnet14": gn.canonical(children, original | dict.fromkeys(depths, 2)),
        "as_deep": gn.canonical(children, original | depths),
        "best": dict(best),
    }


def compare(best: Mapping[str, Option], train: int = 5000, test: int = 5000) -> list[dict[str, Any]]:
    """The best child and its rivals, fine-tuned alike: accuracy on test images that no search saw.

    Args:
        best: its architecture.
        train: images that each is fine-tuned on.
        test: images that its accuracy is of.
    """
    children, weights = space(), with_starts(pretrained().state_dict())
    macs, params = gn.cost.macs(children), gn.cost.params(children)
    rows = []
    for name, arch in rivals(children, best).items():
        child = gn.specialize(children, arch)
        inherited = accuracy(gn.build(child, weights), "test", test)
        tuned = [accuracy(fine_tuned(gn.build(child, weights), train, seed), "test", test) for seed in SEEDS]
        row = {"network": name, "multiply_adds": macs(arch), "parameters": params(arch), "inherited": inherited}
        rows.append(row | {"fine_tuned": statistics.mean(tuned), "seeds": " ".join(f"{share:.4f}" for share in tuned)})
    return rows


def main() -> None:
    """Searches, compares, and prints both."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--directory", type=Path, default=Path("runs/cifar"))
    parser.add_argument("--trials", type=int, default=16)
    parser.add_argument("--train", type=int, default=1920, help="images that a trial is fine-tuned on")
    parser.add_argument("--valid", type=int, default=1000, help="images that a trial is judged by")
    parser.add_argument("--final", type=int, default=5000, help="images that those compared are fine-tuned on")
    parser.add_argument("--test", type=int, default=5000, help="images that those compared are judged by")
    options = parser.parse_args()
    torch.set_num_threads(1)

    study = search(options.directory, options.trials, options.train, options.valid)
    print(f"Best of {len(study.trials)} trials, {study.best.metrics['accuracy']:.4f} on validation images:")
    print("\n".join(f"  {label}: {option}" for label, option in study.best.arch.items()))
    print("\nAccuracy on CIFAR-10 (JPEG), never to be put beside published figures:")
    for row in compare(study.best.arch, options.final, options.test):
        print(
            f"  {row['network']:8} {row['multiply_adds'] / 1e6:5.1f} M multiply-adds, {row['parameters']:,} parameters,"
        )
        print(f"           inherited {row['inherited']:.4f}, fine-tuned {row['fine_tuned']:.4f} ({row['seeds']})")


if __name__ == "__main__":
    main()
