"""The networks in this folder have the sizes that their papers and torchvision publish."""

from __future__ import annotations

import ast
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from tests.models.bert import bert_base
from tests.models.convnext import convnext_tiny
from tests.models.densenet import densenet121
from tests.models.efficientnet import efficientnet_b0
from tests.models.googlenet import googlenet
from tests.models.gpt import gpt2, gpt_small
from tests.models.mixer import mixer_b_16
from tests.models.mobilenet_v3 import mobilenet_v3_small
from tests.models.regnet import regnet_y_400mf
from tests.models.resnet import resnet18, resnet50
from tests.models.unet import UNet
from tests.models.vgg import vgg16
from tests.models.vit import vit_b_16, vit_small

PUBLISHED = [
    (resnet18, 11_689_512),
    (resnet50, 25_557_032),
    (mobilenet_v3_small, 2_542_856),
    (vit_b_16, 86_567_656),
    (gpt2, 124_439_808),
    (vgg16, 138_357_544),
    (densenet121, 7_978_856),
    (convnext_tiny, 28_589_128),
    (efficientnet_b0, 5_288_548),
    (regnet_y_400mf, 4_344_144),
    (mixer_b_16, 59_880_472),
    (bert_base, 109_482_240),
]

SMALL = [
    (lambda: resnet18(8, 10), torch.zeros(2, 3, 32, 32), (2, 10)),
    (lambda: resnet50(8, 10), torch.zeros(2, 3, 32, 32), (2, 10)),
    (lambda: mobilenet_v3_small(0.25, 10), torch.zeros(2, 3, 32, 32), (2, 10)),
    (vit_small, torch.zeros(2, 3, 32, 32), (2, 10)),
    (gpt_small, torch.zeros(2, 7, dtype=torch.long), (2, 7, 65)),
    (lambda: googlenet(8, 10), torch.zeros(2, 3, 32, 32), (2, 10)),
    (lambda: UNet(4), torch.zeros(2, 3, 32, 32), (2, 2, 32, 32)),
]


@pytest.mark.parametrize(("factory", "parameters"), PUBLISHED)
def test_model_has_the_published_number_of_parameters(factory: Callable[[], nn.Module], parameters: int) -> None:
    with torch.device("meta"):
        model = factory()
    assert sum(parameter.numel() for parameter in model.parameters()) == parameters


@pytest.mark.parametrize(("factory", "example", "shape"), SMALL)
def test_small_model_runs(factory: Callable[[], nn.Module], example: Tensor, shape: tuple[int, ...]) -> None:
    assert factory()(example).shape == shape


def test_gpt_refuses_a_sequence_longer_than_its_context() -> None:
    with pytest.raises(ValueError, match="longer than the context"):
        gpt_small()(torch.zeros(1, 33, dtype=torch.long))


def test_models_do_not_import_graphnas() -> None:
    for path in Path(__file__).parent.glob("*.py"):
        for statement in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in statement.names] if isinstance(statement, ast.Import) else []
            names += [statement.module or ""] if isinstance(statement, ast.ImportFrom) else []
            assert not any(name.startswith("graphnas") for name in names), path
