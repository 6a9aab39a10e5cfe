"""The networks that benchmarks measure, with their inputs of 32 x 32 pixels, and spaces of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

import graphnas as gn
from tests.models.gpt import GPT
from tests.models.mobilenet_v3 import mobilenet_v3_small
from tests.models.resnet import resnet18, resnet50
from tests.models.vit import vit_b_16, vit_small


@dataclass(frozen=True)
class Network:
    """A network with an example.

    Attributes:
        factory: builds it.
        example: input for a batch size.
        activations: the layers that its space of activations leaves open.
    """

    factory: Callable[[], nn.Module]
    example: Callable[[int], Tensor]
    activations: tuple[type[nn.Module], ...]

    def build(self) -> nn.Module:
        """The network in eval mode, the same start every time."""
        torch.manual_seed(0)
        return self.factory().eval()

    def activation_space(self) -> gn.Graph:
        """Every activation by itself becomes a choice between itself and two others."""
        graph = gn.trace(self.build(), self.example(2))
        alternatives = {"silu": nn.SiLU, "elu": nn.ELU}
        return gn.mutate(graph, *(gn.Swap(kind, alternatives) for kind in self.activations))


def _image(batch: int) -> Tensor:
    return torch.randn(batch, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def _words(batch: int) -> Tensor:
    return torch.randint(0, 65, (batch, 32), generator=torch.Generator().manual_seed(0))


NETWORKS = {
    "resnet18": Network(resnet18, _image, (nn.ReLU,)),
    "resnet50": Network(resnet50, _image, (nn.ReLU,)),
    "mobilenet_v3_small": Network(mobilenet_v3_small, _image, (nn.ReLU, nn.Hardswish)),
    "vit_b_16": Network(lambda: vit_b_16(32), _image, (nn.GELU,)),
    "vit_small": Network(vit_small, _image, (nn.GELU,)),
    "gpt": Network(lambda: GPT(depth=6), _words, (nn.GELU,)),
}
