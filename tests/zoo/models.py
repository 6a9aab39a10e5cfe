"""The published networks, with random weights."""

from __future__ import annotations

from tests.zoo import of_timm, of_torchvision, of_transformers

MODELS = (*of_torchvision.MODELS, *of_timm.MODELS, *of_transformers.MODELS)
