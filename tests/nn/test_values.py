"""Numbers that are chosen, in the constructors of torch's layers and in code around them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import graphnas as gn
from graphnas.analysis.options import check_options


class First(nn.Module):
    """The first of several results."""

    def forward(self, x: tuple[Tensor, ...]) -> Tensor:
        return x[0]


class Attention(nn.Module):
    """Attention whose sizes are computed with in forward."""

    def __init__(self, width: Any) -> None:
        super().__init__()
        self.width, self.heads = width, gn.choice("heads", (2, 1, 4))
        self.project, self.qkv = nn.Linear(6, width), nn.Linear(width, 3 * width)

    def forward(self, x: Tensor) -> Tensor:
        batch, length, _ = x.shape
        size = self.width // self.heads
        qkv = self.qkv(self.project(x)).reshape(batch, length, 3, self.heads, size)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        y = torch.softmax(q @ k.transpose(-2, -1) * size**-0.5, -1) @ v
        return y.transpose(1, 2).reshape(batch, length, self.width).mean(-1)


class Attending(nn.Module):
    """One of torch's layers that has parts."""

    def __init__(self, width: Any) -> None:
        super().__init__()
        self.project = nn.Linear(6, width)
        self.attention = nn.MultiheadAttention(width, gn.choice("heads", (2, 4)), batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        x = self.project(x)
        return self.attention(x, x, x, need_weights=False)[0].mean(-1)


IMAGE, SEQUENCE = (2, 4, 8, 8), (2, 5, 6)
CASES: dict[str, tuple[Callable[[Any], nn.Module], tuple[int, ...]]] = {
    "conv1d": (lambda w: nn.Sequential(nn.Conv1d(5, w, 3), nn.Conv1d(w, 5, 3)), SEQUENCE),
    "conv3d": (lambda w: nn.Sequential(nn.Conv3d(2, w, 1), nn.Conv3d(w, 2, 1)), (1, 2, 4, 4, 4)),
    "transposed": (lambda w: nn.Sequential(nn.ConvTranspose2d(4, w, 2, 2), nn.Conv2d(w, 2, 1)), IMAGE),
    "depthwise": (lambda w: nn.Sequential(nn.Conv2d(4, w, 1), nn.Conv2d(w, w, 3, groups=w)), IMAGE),
    "recurrent": (lambda w: nn.Sequential(nn.LSTM(6, w, batch_first=True), First(), nn.Linear(w, 3)), SEQUENCE),
    "number of layers": (lambda w: nn.Sequential(nn.GRU(6, 4, num_layers=w // 4), First()), SEQUENCE),
    "attention": (Attending, SEQUENCE),
    "attention written out": (Attention, SEQUENCE),
    "encoder": (lambda w: nn.Sequential(nn.TransformerEncoderLayer(6, 2, w)), SEQUENCE),
    "layer norm": (lambda w: nn.Sequential(nn.Linear(6, w), nn.LayerNorm((5, w)), nn.Linear(w, 2)), SEQUENCE),
    "group norm": (lambda w: nn.Sequential(nn.Conv2d(4, w, 1), nn.GroupNorm(w // 4, w)), IMAGE),
    "pools": (lambda w: nn.Sequential(nn.MaxPool2d(w // 4), nn.AdaptiveAvgPool2d(w // 4)), IMAGE),
    "pixel shuffle": (lambda w: nn.Sequential(nn.PixelShuffle(w // 4)), IMAGE),
    "size": (lambda w: nn.Sequential(nn.Upsample(size=(w, w))), IMAGE),
    "padding": (lambda w: nn.Sequential(nn.ZeroPad2d(w)), IMAGE),
    "unflatten": (lambda w: nn.Sequential(nn.Linear(6, w), nn.Unflatten(2, (w // 4, 4))), SEQUENCE),
    "floats": (lambda w: nn.Sequential(nn.Dropout(w / 16), nn.LeakyReLU(gn.choice("slope", (0.1, 0.2)))), IMAGE),
    "rounded": (lambda w: nn.Sequential(nn.Linear(6, round(w * 1.5)), nn.Linear(round(w * 1.5), 2)), SEQUENCE),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_layers_take_chosen_numbers(name: str) -> None:
    make, shape = CASES[name]
    model, x = make(gn.choice("width", (4, 8))), torch.randn(shape)
    expected = model.eval()(x)  # it runs before any search
    space = gn.trace(model, x)
    assert "width" in space.choices
    check_options(space)
    supernet = gn.build(space).eval()
    seen = []
    for arch in gn.enumerate_archs(space):
        child = gn.build(gn.specialize(space, arch), supernet.state_dict()).eval()
        assert torch.equal(child(x), supernet(x, plan=arch)), arch
        seen.append((child(x).shape, sum(parameter.numel() for parameter in child.parameters())))
    original = gn.build(gn.specialize(space, gn.default(space)), model.state_dict()).eval()
    assert torch.equal(original(x), expected)
    assert name == "floats" or len(set(seen)) > 1


def test_a_number_that_a_layer_makes_plain_is_told() -> None:
    ratio = gn.choice("ratio", (1, 2))
    with pytest.warns(gn.TraceWarning), pytest.raises(gn.TraceError, match=r"<ratio>(?s:.)*test_values.py:\d+"):
        nn.Upsample(scale_factor=ratio)
