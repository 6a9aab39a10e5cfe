"""Modules that cannot be recorded and whose constructors take a config, as most language models are written."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn


@dataclass
class Scaling:
    """A part of a config."""

    factor: float = 1.0
    kind: str = "linear"


@dataclass
class Config:
    """What a block is made from."""

    width: int
    bias: bool = True
    scaling: Scaling = field(default_factory=Scaling)
    shape: tuple[int, ...] = (1, 2)
    names: dict[int, str] = field(default_factory=lambda: {0: "a"})
    dtype: torch.dtype = torch.float32
    total: int = field(init=False)

    def __post_init__(self) -> None:
        self.total = 2 * self.width


@dataclass
class Loose:
    """A config whose fields may be anything."""

    width: int = 6
    bias: bool = True
    more: Any = None


@dataclass
class Slotted:
    """A config without a dict."""

    __slots__ = ("bias", "width")
    width: int
    bias: bool


class Block(nn.Module):
    """A round trip through numpy, made from a config that it keeps."""

    def __init__(self, config: Any) -> None:
        super().__init__()
        self.config = config
        self.lin = nn.Linear(config.width, config.width, bias=config.bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.lin(x) + torch.tensor(np.tanh(x.detach().numpy()))


class Scaled(Block):
    """Reads what stands deeper in its config."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) * self.config.scaling.factor


class Mapped(nn.Module):
    """Is made from a dict."""

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__()
        self.config = config
        self.lin = nn.Linear(config["width"], config["width"])

    def forward(self, x: Tensor) -> Tensor:
        return self.lin(x) + torch.tensor(np.tanh(x.detach().numpy())) * self.config["scaling"].factor


class Forgetting(nn.Module):
    """Is made from a config that the modules around it keep."""

    def __init__(self, config: Any) -> None:
        super().__init__()
        self.lin = nn.Linear(config.width, config.width, bias=config.bias)
        self.register_buffer("scale", torch.arange(config.width) * config.scaling.factor, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.lin(x) * self.scale + torch.tensor(np.tanh(x.detach().numpy()))


class Holder(nn.Module):
    """Keeps a config for what is inside."""

    def __init__(self, inner: nn.Module, config: Any) -> None:
        super().__init__()
        self.config = config
        self.inner = inner

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x)


class Changing(Block):
    """Writes to the config that it is made from."""

    def __init__(self, config: Any) -> None:
        config.width += 1
        super().__init__(config)
        self.lin = nn.Linear(6, 6)


def namespace(kind: type[argparse.Namespace | SimpleNamespace]) -> Any:
    """A config of a class that holds anything."""
    return kind(width=6, bias=False, scaling=kind(factor=0.5), rates=[0.1, -0.0])
