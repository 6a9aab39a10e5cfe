"""The demo: search a small network on handwritten digits, and leave a file that runs without graphnas.

`make demo`, or `python -m examples.digits [--trials 24] [--directory runs/demo]`.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import nn

import graphnas as gn
from examples.digits_cnn import DigitsCNN
from examples.digits_training import accuracy, digits, evaluate, train
from graphnas.ir.choice import Option

SEEDS = (0, 1, 2)
CHECK = Path(__file__).with_name("digits_check.py")


class Normalized(nn.Module):
    """A convolution that keeps the size, and a normalization behind it."""

    def __init__(self, channels: int, kernel: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, kernel, padding=kernel // 2, bias=False)
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.norm(self.conv(x))


class Separable(nn.Module):
    """A convolution of every channel by itself, then one over channels: half of the weights."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(channels, channels, 5, padding=2, groups=channels, bias=False)
        self.pointwise = nn.Conv2d(channels, channels, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.pointwise(self.depthwise(x))


# What may take the place of a convolution: functions of the site, which knows its shapes.
convolutions = {
    "normalized": lambda site: Normalized(site.output_shape[1], kernel=3),
    "larger": lambda site: Normalized(site.output_shape[1], kernel=5),
    "separable": lambda site: Separable(site.output_shape[1]),
}

rules = (
    gn.Swap("block?.conv?", convolutions),
    gn.Swap(nn.ReLU, {"silu": nn.SiLU, "tanh": nn.Tanh}, label="activation"),
    gn.Skip("block?"),
    gn.Value("drop", "p", (0.0, 0.1)),
)


def network() -> nn.Module:
    """The network to be improved."""
    return DigitsCNN()


def space() -> gn.Graph:
    """The network with what the rules leave open."""
    return gn.mutate(gn.trace(network(), torch.zeros(2, 1, 8, 8)), *rules)


def trained(graph: gn.Graph, seed: int) -> nn.Module:
    """A network trained as in the search, from a start of its own."""
    torch.manual_seed(seed)
    return train(gn.build(graph), seed)


def described(arch: Mapping[str, Option]) -> str:
    """What an architecture changes, a decision a line."""
    return "\n".join(f"    {label}: {option}" for label, option in arch.items())


def compare(best: gn.Graph, original: gn.Graph) -> nn.Module:
    """Prints both networks' accuracy on the part that no search saw; returns the best of the first seed."""
    nets = {name: [trained(graph, seed) for seed in SEEDS] for name, graph in (("untouched", original), ("best", best))}
    print(f"\nAccuracy on {len(digits()['test'][1])} held-out images, the same training, {len(SEEDS)} seeds each:")
    for name, trained_nets in nets.items():
        scores = torch.tensor([accuracy(net, "test") for net in trained_nets], dtype=torch.double)
        weights = sum(parameter.numel() for parameter in trained_nets[0].parameters())
        print(
            f"  {name:10} mean {scores.mean():.4f}  ({', '.join(f'{s:.4f}' for s in scores)})  {weights:,} parameters"
        )
    return nets["best"][0]


def main() -> None:
    """Searches, compares, exports, and runs the exported file in an interpreter that cannot import graphnas."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=24)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--directory", type=Path, default=Path("runs/demo"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    began = time.monotonic()

    digits_space = space()
    print(f"{digits_space.size():,} networks; {len(digits_space.choices)} decisions:", *digits_space.choices)
    study = gn.search(
        digits_space, evaluate, trials=options.trials, workers=options.workers, directory=options.directory
    )
    best = study.best
    print(f"\nBest of {len(study.trials)} trials: {best.metrics['accuracy']:.4f} on the validation part, by")
    print(described(best.arch))

    child = gn.specialize(digits_space, best.arch)
    net = compare(child, gn.specialize(digits_space, gn.default(digits_space)))
    file = options.directory / "child.py"
    gn.export(child, file, weights=net.state_dict(), arch=best.arch)
    print(
        f"\nWrote {file} and {file.with_suffix('.safetensors').name}: the best network with the first seed's weights."
    )
    print(f"  here:                                  {accuracy(net, 'test'):.4f}", flush=True)
    shown = subprocess.run([sys.executable, "-I", str(CHECK), str(file)], check=True, capture_output=True, text=True)
    print(f"  an interpreter that has no graphnas:   {shown.stdout.strip()}")
    if shown.stdout.strip() != f"{accuracy(net, 'test'):.4f}":
        raise SystemExit("the exported file computes something else")
    print(f"{time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
