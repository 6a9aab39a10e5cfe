"""The networks of this folder, with the inputs that they are traced on and others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from tests.outside.graphs import GNN
from tests.outside.lstm import RNNModel
from tests.outside.nanogpt import GPT, GPTConfig
from tests.outside.speech import SpeechRecognizer
from tests.outside.unet import UNet

Arguments = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """A network and its inputs.

    Attributes:
        name: for messages.
        factory: builds it.
        traced: the examples that are traced, each the arguments of a call by name.
        untraced: other sizes, which the original takes.
        lines: the most lines of its file.
    """

    name: str
    factory: Callable[[], nn.Module]
    traced: tuple[Arguments, ...]
    untraced: tuple[Arguments, ...]
    lines: int = field(compare=False)

    def __repr__(self) -> str:
        return self.name


def _generator(*seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(sum(seed))


def text(batch: int, length: int, targets: bool) -> Arguments:
    """Tokens, and perhaps what follows each."""
    tokens = torch.randint(0, 65, (batch, length + 1), generator=_generator(batch, length))
    given: Arguments = {"idx": tokens[:, :-1].contiguous()}
    return given | {"targets": tokens[:, 1:].contiguous()} if targets else given


def image(batch: int, height: int, width: int) -> Arguments:
    """Photographs."""
    return {"x": torch.randn(batch, 3, height, width, generator=_generator(batch, height, width))}


def sentences(*lengths: int, hidden: int = 0, layers: int = 2, pair: bool = True) -> Arguments:
    """Padded sentences of these lengths, and perhaps what was remembered of earlier ones."""
    longest, batch = max(lengths), len(lengths)
    generator = _generator(*lengths)
    tokens = torch.randint(1, 50, (batch, longest), generator=generator)
    sizes = torch.tensor(lengths)
    tokens[torch.arange(longest) >= sizes[:, None]] = 0
    given: Arguments = {"input": tokens, "lengths": sizes}
    if hidden:
        states = [torch.randn(layers, batch, hidden, generator=generator) for _ in range(2 if pair else 1)]
        given["hidden"] = tuple(states) if pair else states[0]
    return given


def molecules(*nodes: int, batch: bool = True) -> Arguments:
    """Graphs of so many nodes each, as one graph; every node has two edges."""
    generator, total = _generator(*nodes), sum(nodes)
    edges: list[Tensor] = []
    first = 0
    for count in nodes:
        edges.append(first + torch.randint(0, count, (2, 2 * count), generator=generator))
        first += count
    given: Arguments = {"x": torch.randn(total, 7, generator=generator), "edge_index": torch.cat(edges, 1)}
    return given | {"batch": torch.arange(len(nodes)).repeat_interleave(torch.tensor(nodes))} if batch else given


def speech(*lengths: int) -> Arguments:
    """Waveforms of so many samples each, padded."""
    waves = torch.randn(len(lengths), max(lengths), generator=_generator(*lengths))
    sizes = torch.tensor(lengths)
    return {"waveform": waves.masked_fill(torch.arange(max(lengths)) >= sizes[:, None], 0.0), "lengths": sizes}


def _gpt(flash: bool, bias: bool = True) -> GPT:
    config = GPTConfig(block_size=32, vocab_size=65, n_layer=3, n_head=4, n_embd=48, dropout=0.1, bias=bias)
    return GPT(config, flash)


_TEXTS = (text(2, 7, False), text(3, 7, True), text(2, 12, True), text(1, 32, False), text(4, 1, True))
_IMAGES = (image(3, 37, 45), image(1, 64, 48), image(2, 33, 32))
_GRAPHS = (molecules(4, 6, 5), molecules(9), molecules(1, 2, 3, 4, 5), molecules(8, batch=False))
CASES = (
    Case("nanogpt", lambda: _gpt(True), (text(2, 7, False), text(2, 7, True)), _TEXTS, 120),
    Case("nanogpt_manual", lambda: _gpt(False, False), (text(2, 7, False), text(2, 7, True)), _TEXTS, 122),
    Case("unet", lambda: UNet(3, 2, width=4), (image(2, 37, 45),), _IMAGES, 95),
    Case("unet_bilinear", lambda: UNet(3, 2, True, width=4, depth=3), (image(2, 37, 45),), _IMAGES, 95),
    Case(
        "lstm",
        lambda: RNNModel("LSTM", 50, 12, 12, 2, tie_weights=True),
        (sentences(5, 7, 3), sentences(5, 7, 3, hidden=12)),
        (sentences(4, 9), sentences(1, 2, 3, 4), sentences(6), sentences(2, 8, hidden=12), sentences(3, 3, 3)),
        56,
    ),
    Case(
        "gru",
        lambda: RNNModel("GRU", 50, 10, 12, 2),
        (sentences(5, 7, 3, hidden=12, pair=False),),
        (sentences(4, 9, hidden=12, pair=False), sentences(6, hidden=12, pair=False)),
        50,
    ),
    Case("graphs", lambda: GNN(7, 8, 3), (molecules(4, 6), molecules(5, batch=False)), _GRAPHS, 108),
    Case(
        "speech",
        lambda: SpeechRecognizer(11, n_mels=16, d_model=16, n_heads=2, n_layers=2, kernel_size=7, channels=4),
        (speech(8000, 6400),),
        (speech(8000, 5000, 7000), speech(4000), speech(4321, 9000)),
        200,
    ),
)
