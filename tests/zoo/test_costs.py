"""Costs of published models, against the figures that torchvision publishes with their weights."""

from __future__ import annotations

import pytest
import torch

import graphnas as gn

models = pytest.importorskip("torchvision.models", reason="torchvision is in the environment of `make zoo` alone")

WEIGHTS = {
    "resnet18": "ResNet18_Weights",
    "resnet50": "ResNet50_Weights",
    "mobilenet_v3_small": "MobileNet_V3_Small_Weights",
    "efficientnet_b0": "EfficientNet_B0_Weights",
    "vit_b_16": "ViT_B_16_Weights",
    "swin_t": "Swin_T_Weights",
}


@pytest.mark.parametrize(("name", "weights"), WEIGHTS.items(), ids=WEIGHTS)
def test_published_model_costs_what_is_published(name: str, weights: str) -> None:
    published = getattr(models, weights).IMAGENET1K_V1.meta
    graph = gn.trace(getattr(models, name)().eval(), torch.zeros(2, 3, 224, 224))
    assert gn.cost.params(graph)({}) == published["num_params"]
    assert round(gn.cost.macs(graph)({}) / 1e9, 3) == published["_ops"]  # in thousand millions, to three places
