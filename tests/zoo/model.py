"""What the suite knows of a published network: how to build it, and what to give it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

Inputs = Callable[[int], Mapping[str, Any]]


@dataclass(frozen=True)
class Model:
    """A network of a library.

    Attributes:
        name: library and network.
        make: builds it, with random weights.
        inputs: batch size → its inputs by name.
        batches: the one that is traced, and others.
    """

    name: str
    make: Callable[[], nn.Module]
    inputs: Inputs
    batches: tuple[int, ...] = (2, 3)


def image(name: str, *shape: int) -> Inputs:
    """Inputs of a network for images or videos of a shape without the batch."""
    return lambda batch: {name: noise(batch, *shape)}


def noise(*shape: int) -> Tensor:
    """Numbers that depend on nothing but the shape."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(shape[0]))


def words(batch: int, length: int) -> Tensor:
    """Numbers of words that depend on nothing but the batch size."""
    return torch.randint(1, 90, (batch, length), generator=torch.Generator().manual_seed(batch))
