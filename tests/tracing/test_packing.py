"""Packed sequences: what makes and takes them is one step, and recurrent layers stay layers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import rnn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pack_sequence, pad_packed_sequence, pad_sequence

import graphnas as gn
from graphnas.ir.node import Call, Layer
from tests.laws.networks import assert_same, run
from tests.tracing.comparison import same


class Tagger(nn.Module):
    """An LSTM over sentences of their own lengths."""

    def __init__(self, is_sorted: bool = False, batch_first: bool = True) -> None:
        super().__init__()
        self.is_sorted = is_sorted
        self.batch_first = batch_first
        self.embed = nn.Embedding(20, 8)
        self.lstm = nn.LSTM(8, 6, 2, batch_first=batch_first, dropout=0.3, bidirectional=True)
        self.head = nn.Linear(12, 5)

    def forward(self, tokens: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        x = self.embed(tokens)
        packed = pack_padded_sequence(x, lengths, self.batch_first, enforce_sorted=self.is_sorted)
        packed, (hidden, _) = self.lstm(packed)
        x, lengths = pad_packed_sequence(packed, batch_first=self.batch_first)
        return self.head(x), hidden, lengths


class Words(nn.Module):
    """Works on the words of packed sentences, and hands packed sequences from module to module."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(20, 8)
        self.encoder = Recurrent()
        self.head = nn.Linear(6, 5)

    def forward(self, tokens: Tensor, lengths: Tensor) -> tuple[Tensor, PackedSequence, Tensor]:
        words = pack_padded_sequence(tokens, lengths, True, False)
        packed = PackedSequence(self.embed(words.data), *words[1:])
        packed, hidden = self.encoder(packed)
        return self.head(packed.data), packed, hidden


class Recurrent(nn.Module):
    """Takes and gives packed sequences."""

    def __init__(self) -> None:
        super().__init__()
        self.gru = nn.GRU(8, 6)
        self.rnn = nn.RNN(6, 6, nonlinearity="relu")

    def forward(self, packed: PackedSequence) -> tuple[PackedSequence, Tensor]:
        packed, hidden = self.gru(packed)
        packed.data.mul_(2)
        packed, _ = self.rnn(packed._replace(data=torch.tanh(packed.data)))
        return packed, hidden


class Listed(nn.Module):
    """Packs sequences of a list."""

    def __init__(self) -> None:
        super().__init__()
        self.gru = nn.GRU(3, 4)

    def forward(self, first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
        packed, _ = self.gru(pack_sequence([first, second], enforce_sorted=False))
        padded, lengths = pad_packed_sequence(packed)
        return padded + pad_sequence([first, second]).mean(-1, keepdim=True), lengths


def sentences(*lengths: int) -> tuple[Tensor, Tensor]:
    """Tokens of so many words each."""
    tokens = torch.randint(1, 20, (len(lengths), max(lengths)), generator=torch.Generator().manual_seed(sum(lengths)))
    return tokens, torch.tensor(lengths)


def lists(first: int, second: int) -> tuple[Tensor, Tensor]:
    """Two sequences of so many vectors."""
    return torch.randn(first, 3), torch.randn(second, 3)


def turned(*lengths: int) -> tuple[Tensor, Tensor]:
    """As `sentences`, with the words first."""
    tokens, sizes = sentences(*lengths)
    return tokens.t(), sizes


NETWORKS: list[tuple[Callable[[], nn.Module], Callable[..., Any], tuple[int, ...], tuple[tuple[int, ...], ...]]] = [
    (Tagger, sentences, (5, 7, 3), ((4, 9), (6,), (3, 3, 3, 1))),
    (lambda: Tagger(batch_first=False), turned, (5, 7, 3), ((4, 9), (6,))),
    (lambda: Tagger(is_sorted=True), sentences, (7, 5, 3), ((9, 4), (6,), (3, 3, 3, 1))),
    (Words, sentences, (5, 7, 3), ((4, 9), (6,), (3, 3, 3, 1))),
    (Listed, lists, (4, 6), ((5, 2), (1, 1))),
]


@pytest.mark.parametrize(("factory", "given", "traced", "untraced"), NETWORKS)
def test_network_on_packed_sequences_is_equal_at_other_batch_sizes_and_lengths(
    factory: Callable[[], nn.Module],
    given: Callable[..., Any],
    traced: tuple[int, ...],
    untraced: tuple[tuple[int, ...], ...],
) -> None:
    torch.manual_seed(0)
    model = factory()
    network = gn.build(gn.trace(model, *given(*traced)), model.state_dict())
    weights = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    for lengths in (traced, *untraced):
        inputs = given(*lengths)
        for training in (False, True):
            assert_same(*(run(each, weights, *inputs, training=training) for each in (model, network)))


def test_recurrent_layer_given_a_packed_sequence_stays_a_layer() -> None:
    graph = gn.trace(Tagger(), *sentences(5, 7, 3))
    layers = [node.op.type for node in graph.nodes if isinstance(node.op, Layer)]
    assert layers == ["torch.nn.Embedding", "torch.nn.LSTM", "torch.nn.Linear"]
    calls = [node.op.target for node in graph.nodes if isinstance(node.op, Call)]
    assert calls == [f"torch.nn.utils.rnn.{name}" for name in ("pack_padded_sequence", "pad_packed_sequence")]
    assert gn.emit(graph).partition("def build()")[0].count("\n") <= 22


@pytest.mark.parametrize(
    "layer",
    [
        nn.LSTM(6, 4, proj_size=3),
        nn.LSTM(6, 4, 2, bias=False, batch_first=True, bidirectional=True),
        nn.GRU(6, 4, dropout=0.0),
        nn.RNN(6, 4, nonlinearity="relu"),
        nn.GRU(6, 4, dtype=torch.float64),
    ],
    ids=repr,
)
def test_recurrent_layer_is_built_with_the_arguments_that_it_has(layer: nn.Module) -> None:
    model = nn.Sequential(layer)
    x = torch.randn(5, 2, 6, dtype=next(layer.parameters()).dtype)
    graph = gn.trace(model, x)
    assert len(graph.nodes) == 1
    network = gn.build(graph, model.state_dict())
    assert repr(network) == repr(model)
    assert same(network(x), model(x))


def test_result_of_a_module_that_reads_parts_and_the_whole_of_a_packed_sequence_is_written_by_names() -> None:
    source = gn.emit(gn.trace(Words(), *sentences(5, 7, 3)))
    assert "nn.utils.rnn.PackedSequence(" in source
    assert ".batch_sizes" in source


def test_packed_input_without_an_order_is_refused_with_what_to_do() -> None:
    model, packed = nn.Sequential(nn.GRU(6, 4)), pack_sequence([torch.ones(3, 6), torch.ones(2, 6)])
    with pytest.raises(gn.TraceError, match="enforce_sorted=False"):
        gn.trace(model, packed)


def test_original_errors_are_raised() -> None:
    model = Tagger(is_sorted=True)
    network = gn.build(gn.trace(model, *sentences(7, 5, 3)), model.state_dict())
    for lengths in ((3, 5, 7), (7, 0), (-1,)):
        tokens, sizes = torch.ones(len(lengths), 7, dtype=torch.long), torch.tensor(lengths)
        with pytest.raises(RuntimeError) as expected:
            model(tokens, sizes)
        with pytest.raises(RuntimeError) as found:
            network(tokens, sizes)
        assert str(found.value) == str(expected.value)


def test_functions_of_torch_are_afterwards_what_they_were() -> None:
    before = [(rnn.pad_sequence.__code__, rnn.pad_sequence.__defaults__, rnn.pad_sequence.__kwdefaults__)]
    gn.trace(Listed(), *lists(4, 6))
    assert [(rnn.pad_sequence.__code__, rnn.pad_sequence.__defaults__, rnn.pad_sequence.__kwdefaults__)] == before
    assert rnn.pad_sequence([torch.ones(2), torch.ones(1)]).shape == (2, 2)
