"""A published space: an architecture found on a small network becomes a large one, and what it costs is known before.

`python -m examples.carry_over`
"""

from __future__ import annotations

import torch

import graphnas as gn


def main() -> None:
    """Draws the cheapest of some cells on a small DARTS network, and builds it large."""
    example = torch.zeros(2, 3, 32, 32)
    small = gn.trace(gn.spaces.darts(cells=3, channels=8, search=True), example)
    print(f"{len(small.choices)} decisions, {small.size():,} cells")
    macs = gn.cost.macs(small)
    arch = min((gn.sample(small, seed) for seed in range(200)), key=macs)
    print(f"the cheapest of 200: {macs(arch):,} multiply-adds among 3 cells of 8 channels")

    large = gn.trace(gn.spaces.darts(cells=6, channels=16), example)
    child = gn.specialize(large, arch)
    built = sum(parameter.numel() for parameter in gn.build(child).parameters())
    print(f"among 6 cells of 16 channels: {gn.cost.macs(large)(arch):,} multiply-adds, {built:,} parameters")
    assert built == gn.cost.params(large)(arch)


if __name__ == "__main__":
    main()
