"""Published networks, traced and built again, compute what they computed: `make zoo`, in an environment of its own."""

from __future__ import annotations

import importlib
from typing import Any

import pytest
import torch
from torch import nn

import graphnas as gn

pytestmark = pytest.mark.zoo

TORCHVISION = (
    *("alexnet", "vgg11_bn", "resnet18", "resnet50", "mobilenet_v2", "mobilenet_v3_small", "shufflenet_v2_x0_5"),
    *("squeezenet1_1", "densenet121", "mnasnet0_5", "regnet_y_400mf", "efficientnet_b0", "convnext_tiny"),
)
TIMM = ("resnet26d", "vit_tiny_patch16_224", "mixer_s32_224", "convnext_atto")


def build(library: str, name: str) -> nn.Module:
    """A network with random weights, or the test is skipped."""
    module: Any = pytest.importorskip(library)
    torch.manual_seed(0)
    if library == "timm":
        network: nn.Module = module.create_model(name)
    else:
        network = getattr(importlib.import_module("torchvision.models"), name)()
    return network


@pytest.mark.parametrize(
    ("library", "name"), [*(("torchvision", n) for n in TORCHVISION), *(("timm", n) for n in TIMM)]
)
@pytest.mark.parametrize("training", [False, True], ids=["eval", "train"])
def test_traced_and_built_again_a_network_is_the_same(library: str, name: str, training: bool) -> None:
    model = build(library, name)
    state = {key: tensor.clone() for key, tensor in model.state_dict().items()}
    model.train(training)
    graph = gn.trace(model, torch.randn(2, 3, 224, 224))
    child = gn.build(graph, weights=state).train(training)
    assert list(child.state_dict()) == list(state)
    for batch in (2, 3):
        image = torch.randn(batch, 3, 224, 224)
        with torch.no_grad():
            torch.manual_seed(1)
            expected = model(image)
            torch.manual_seed(1)
            assert torch.equal(child(image), expected)
