"""Encoders of torch: recorded in pieces, or where padding may be put aside in a nested tensor, kept whole."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import graphnas as gn
from tests.laws.networks import assert_same, run
from tests.tracing.comparison import same


class Reader(nn.Module):
    """An encoder between layers, called with masks."""

    def __init__(self, causal: bool = False, layers: dict[str, Any] | None = None, **settings: Any) -> None:
        super().__init__()
        self.causal = causal
        self.embed = nn.Linear(4, 8)
        layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, **layers or {})
        self.encoder = nn.TransformerEncoder(layer, 2, **settings)
        self.head = nn.Linear(8, 3)

    def forward(self, x: Tensor, padding: Tensor | None = None) -> Tensor:
        mask = torch.ones(x.size(1), x.size(1), dtype=torch.bool).triu(1) if self.causal else None
        return self.head(self.encoder(self.embed(x), mask, src_key_padding_mask=padding))  # type: ignore[no-any-return]


class Translator(nn.Module):
    """Encoder and decoder."""

    def __init__(self) -> None:
        super().__init__()
        self.transformer = nn.Transformer(8, 2, 2, 2, 16, batch_first=True)
        self.head = nn.Linear(8, 3)

    def forward(self, x: Tensor, padding: Tensor, y: Tensor) -> Tensor:
        mask = torch.ones(y.size(1), y.size(1), dtype=torch.bool).triu(1)
        y = self.transformer(x, y, tgt_mask=mask, src_key_padding_mask=padding, memory_key_padding_mask=padding)
        return self.head(y)  # type: ignore[no-any-return]


def padded(batch: int, length: int, width: int = 4) -> tuple[Tensor, Tensor]:
    """Sequences, the first of which is two places shorter."""
    padding = torch.zeros(batch, length, dtype=torch.bool)
    padding[0, -2:] = True
    return torch.randn(batch, length, width, generator=torch.Generator().manual_seed(batch + length)), padding


def assert_does_the_same(model: nn.Module, network: nn.Module, inputs: tuple[Any, ...]) -> None:
    """Equal in both modes, and where no gradients are wanted, where torch has a faster way."""
    weights = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    for training in (False, True):
        assert_same(*(run(each, weights, *inputs, training=training) for each in (model, network)))
    with torch.no_grad():
        assert same(model.eval()(*inputs), network.eval()(*inputs))


@pytest.mark.filterwarnings("ignore:enable_nested_tensor is True")
@pytest.mark.parametrize(
    ("settings", "whole"),
    [
        ({}, True),
        ({"causal": True}, True),
        ({"layers": {"activation": "gelu", "dropout": 0.3}, "norm": nn.LayerNorm(8, eps=1e-6)}, True),
        ({"layers": {"norm_first": True}}, False),
        ({"layers": {"activation": F.silu}}, False),
        ({"enable_nested_tensor": False, "causal": True}, False),
    ],
    ids=("plain", "causal", "norm", "norm first", "another activation", "no nested tensors"),
)
def test_padded_encoder_does_the_same_at_other_batches_and_lengths(settings: dict[str, Any], whole: bool) -> None:
    torch.manual_seed(0)
    model = Reader(**settings)
    if whole:
        with pytest.warns(gn.OpaqueWarning, match="'encoder'.*nested tensor"):
            graph = gn.trace(model, *padded(2, 5))
    else:
        graph = gn.trace(model, *padded(2, 5))
    network = gn.build(graph, model.state_dict())
    assert repr(network) == repr(model) or not whole
    for batch, length in ((2, 5), (3, 5), (2, 7)):
        assert_does_the_same(model, network, padded(batch, length))
        assert_does_the_same(model, network, (padded(batch, length)[0], torch.zeros(batch, length, dtype=torch.bool)))


@pytest.mark.filterwarnings("ignore::graphnas.OpaqueWarning")
def test_encoder_kept_whole_is_written_as_people_write_it(tmp_path: Path) -> None:
    model = Reader(norm=nn.LayerNorm(8))
    graph = gn.trace(model, *padded(2, 5))
    gn.save(graph, tmp_path / "graph.json")
    assert gn.load(tmp_path / "graph.json") == graph
    source = "".join(gn.emit(graph).split())
    layer = 'nn.TransformerEncoderLayer(d_model=8,nhead=2,dim_feedforward=16,activation="relu",batch_first=True)'
    assert f"self.encoder=nn.TransformerEncoder({layer},2,norm=nn.LayerNorm(normalized_shape=(8,)))" in source


@pytest.mark.filterwarnings("ignore::graphnas.OpaqueWarning")
def test_padded_transformer_does_the_same_at_other_batches_and_lengths() -> None:
    torch.manual_seed(0)
    model = Translator()
    network = gn.build(gn.trace(model, *padded(2, 5, 8), torch.randn(2, 4, 8)), model.state_dict())
    for batch, length in ((2, 5), (3, 6)):
        assert_does_the_same(model, network, (*padded(batch, length, 8), torch.randn(batch, 3, 8)))
