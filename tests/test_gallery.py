"""The emitted files in `docs/gallery`: `pytest tests/test_gallery.py --update-golden` writes them anew."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from graphnas.codegen.emit import emit
from graphnas.ir.sampling import sample
from graphnas.ir.specialize import specialize
from graphnas.mutations.mutate import mutate
from graphnas.mutations.swap import Swap
from graphnas.tracing.tracer import trace
from tests.laws.networks import NARROW, Network
from tests.models.gpt import GPT
from tests.models.mobilenet_v3 import mobilenet_v3_small
from tests.models.resnet import resnet18, resnet50
from tests.models.vit import vit_b_16

GALLERY = Path(__file__).parents[1] / "docs" / "gallery"
IMAGE = torch.zeros(2, 3, 32, 32)
# Name, network, its input, the activation that a space chooses; the most lines and classes of its own file.
ROWS: list[tuple[str, Callable[[], nn.Module], Tensor, type[nn.Module], int, int]] = [
    ("resnet18", resnet18, IMAGE, nn.ReLU, 90, 3),
    ("resnet50", resnet50, IMAGE, nn.ReLU, 100, 3),
    ("mobilenet_v3_small", mobilenet_v3_small, IMAGE, nn.Hardswish, 150, 9),
    ("vit_b_16", lambda: vit_b_16(32), IMAGE, nn.GELU, 100, 4),
    ("gpt", lambda: GPT(depth=6), torch.zeros(2, 7, dtype=torch.long), nn.GELU, 120, 5),
]

# The most lines and classes of further networks, which are narrow.
NARROW_ROWS = {
    "vgg16": (45, 1),
    "densenet121": (80, 4),
    "convnext_tiny": (75, 3),
    "efficientnet_b0": (95, 3),
    "regnet_y_400mf": (85, 3),
    "googlenet": (90, 3),
    "unet": (60, 3),
    "mixer_b_16": (50, 3),
    "bert_base": (130, 7),
}


@pytest.mark.parametrize("network", NARROW, ids=repr)
def test_gallery_of_narrow_networks_is_up_to_date_and_readable(
    network: Network, golden: Callable[[Path, str], None]
) -> None:
    text = emit(trace(network.model(), network.example(*network.traced)))
    golden(GALLERY / f"{network.name}.py", text)
    lines, classes = NARROW_ROWS[network.name]
    assert text.count("\n") <= lines
    assert text.count("\nclass ") <= classes
    assert max(map(len, text.splitlines())) <= 99


@pytest.mark.parametrize(
    ("name", "factory", "example", "activation", "lines", "classes"), ROWS, ids=[row[0] for row in ROWS]
)
def test_gallery_is_up_to_date_and_readable(
    name: str,
    factory: Callable[[], nn.Module],
    example: Tensor,
    activation: type[nn.Module],
    lines: int,
    classes: int,
    golden: Callable[[Path, str], None],
) -> None:
    graph = trace(factory(), example)
    own = emit(graph)
    space = mutate(graph, Swap(activation, {"silu": nn.SiLU(inplace=True)}))
    child = emit(specialize(space, sample(space, 0)))
    golden(GALLERY / f"{name}.py", own)
    golden(GALLERY / f"{name}_child.py", child)
    golden(GALLERY / f"{name}_supernet.py", emit(space))
    assert own.count("\n") <= lines
    assert own.count("\nclass ") <= classes
    assert child.count("\n") <= 2 * own.count("\n")
    assert max(map(len, (own + child).splitlines())) <= 99
