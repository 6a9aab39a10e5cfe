"""The networks that benchmarks measure, with their inputs of 32 x 32 pixels, and spaces of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType

import torch
from torch import Tensor, nn

import graphnas as gn
from graphnas.mutations.sites import Site
from tests.laws.networks import NARROW
from tests.models import (
    bert,
    convnext,
    densenet,
    efficientnet,
    googlenet,
    gpt,
    mixer,
    mobilenet_v3,
    regnet,
    resnet,
    unet,
    vgg,
    vit,
)
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
    "bert": Network(lambda: bert.bert_base(96, 70), _words, (nn.GELU,)),
}

# Networks as people write them: the file, and the name above or in `tests.laws.networks.NARROW`.
HAND_WRITTEN: dict[str, ModuleType] = {
    "resnet50": resnet,
    "mobilenet_v3_small": mobilenet_v3,
    "vit_b_16": vit,
    "gpt": gpt,
    "vgg16": vgg,
    "densenet121": densenet,
    "convnext_tiny": convnext,
    "efficientnet_b0": efficientnet,
    "regnet_y_400mf": regnet,
    "googlenet": googlenet,
    "unet": unet,
    "mixer_b_16": mixer,
    "bert_base": bert,
}


def hand_written_graph(name: str) -> gn.Graph:
    """One of the networks that people wrote, traced."""
    if name in NETWORKS:
        return gn.trace(NETWORKS[name].build(), NETWORKS[name].example(2))
    (network,) = (network for network in NARROW if network.name == name)
    return gn.trace(network.model(), network.example(*network.traced))


class Separable(nn.Module):
    """A depthwise and a pointwise convolution."""

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(in_channels, in_channels, 3, stride, 1, groups=in_channels, bias=False)
        self.pointwise = nn.Conv2d(in_channels, out_channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Both in turn."""
        return self.pointwise(self.depthwise(x))


def _sizes(site: Site) -> tuple[int, int, int]:
    given, result = site.input_shape, site.output_shape
    return int(given[1]), int(result[1]), int(given[2]) // int(result[2])


def _separable(site: Site) -> nn.Module:
    return Separable(*_sizes(site))


def _dilated(site: Site) -> nn.Module:
    in_channels, out_channels, stride = _sizes(site)
    return nn.Conv2d(in_channels, out_channels, 3, stride, padding=2, dilation=2, bias=False)


def mixed_space() -> gn.Graph:
    """Of ResNet-50 activations, operators and their kernels, shortcuts, and which blocks run."""
    graph = gn.trace(resnet50().eval(), torch.zeros(2, 3, 64, 64))
    return gn.mutate(
        graph,
        gn.Value("layer[34].[1-9].conv2", "kernel_size", (5,), also={"padding": lambda size: size // 2}),
        gn.Swap(nn.ReLU, {"silu": nn.SiLU, "elu": nn.ELU}),
        gn.Swap("layer*.*.conv2", {"separable": _separable, "dilated": _dilated}),
        gn.Skip("layer*.[1-9].conv2"),
        gn.Swap("layer[1-4].[1-9]", {"none": nn.Identity}),
    )
