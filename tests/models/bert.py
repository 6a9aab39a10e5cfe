"""BERT's encoder with its pooler.

Reference: Devlin et al., "BERT: Pre-training of Deep Bidirectional Transformers for Language Understanding", 2019,
section 3, arXiv:1810.04805; the names are those of the published weights.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


class BertEmbeddings(nn.Module):
    """Words, their places, and the sentence that they are in."""

    def __init__(self, vocabulary: int, places: int, width: int, dropout: float) -> None:
        super().__init__()
        self.word_embeddings = nn.Embedding(vocabulary, width, padding_idx=0)
        self.position_embeddings = nn.Embedding(places, width)
        self.token_type_embeddings = nn.Embedding(2, width)
        self.LayerNorm = nn.LayerNorm(width, eps=1e-12)
        self.dropout = nn.Dropout(dropout)

    def forward(self, input_ids: Tensor, token_type_ids: Tensor) -> Tensor:
        position_ids = torch.arange(input_ids.shape[1], device=input_ids.device)
        embeddings = self.word_embeddings(input_ids)
        embeddings = embeddings + self.token_type_embeddings(token_type_ids)
        embeddings = embeddings + self.position_embeddings(position_ids)
        return self.dropout(self.LayerNorm(embeddings))


class BertSelfAttention(nn.Module):
    """Attention of several heads."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, hidden_states: Tensor, mask: Tensor) -> Tensor:
        batch, length, width = hidden_states.shape
        shape = (batch, length, self.heads, width // self.heads)
        query = self.query(hidden_states).view(shape).transpose(1, 2)
        key = self.key(hidden_states).view(shape).transpose(1, 2)
        value = self.value(hidden_states).view(shape).transpose(1, 2)
        scores = query @ key.transpose(-1, -2) / math.sqrt(width // self.heads)
        probabilities = torch.softmax(scores + mask, dim=-1)
        context = self.dropout(probabilities) @ value
        return context.transpose(1, 2).reshape(batch, length, width)


class BertSelfOutput(nn.Module):
    """What follows the attention."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.dense = nn.Linear(width, width)
        self.LayerNorm = nn.LayerNorm(width, eps=1e-12)
        self.dropout = nn.Dropout(dropout)

    def forward(self, hidden_states: Tensor, input_tensor: Tensor) -> Tensor:
        hidden_states = self.dropout(self.dense(hidden_states))
        return self.LayerNorm(hidden_states + input_tensor)


class BertLayer(nn.Module):
    """Attention and a perceptron, each added to what came in and normalized."""

    def __init__(self, width: int, heads: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.attention = BertSelfAttention(width, heads, dropout)
        self.output = BertSelfOutput(width, dropout)
        self.intermediate = nn.Linear(width, hidden)
        self.act = nn.GELU()
        self.dense = nn.Linear(hidden, width)
        self.LayerNorm = nn.LayerNorm(width, eps=1e-12)
        self.dropout = nn.Dropout(dropout)

    def forward(self, hidden_states: Tensor, mask: Tensor) -> Tensor:
        attention = self.attention(hidden_states, mask)
        attention = self.output(attention, hidden_states)
        hidden_states = self.act(self.intermediate(attention))
        hidden_states = self.dropout(self.dense(hidden_states))
        return self.LayerNorm(hidden_states + attention)


class BertEncoder(nn.Module):
    """Layers in a row."""

    def __init__(self, depth: int, width: int, heads: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.layer = nn.ModuleList(BertLayer(width, heads, hidden, dropout) for _ in range(depth))

    def forward(self, hidden_states: Tensor, mask: Tensor) -> Tensor:
        for layer in self.layer:
            hidden_states = layer(hidden_states, mask)
        return hidden_states


class BertPooler(nn.Module):
    """What is made of the first word."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.dense = nn.Linear(width, width)
        self.activation = nn.Tanh()

    def forward(self, hidden_states: Tensor) -> Tensor:
        return self.activation(self.dense(hidden_states[:, 0]))


class Bert(nn.Module):
    """The encoder; a word of number 0 is padding, which nobody attends to."""

    def __init__(
        self, vocabulary: int, places: int, depth: int, width: int, heads: int, hidden: int, dropout: float = 0.1
    ) -> None:
        super().__init__()
        self.embeddings = BertEmbeddings(vocabulary, places, width, dropout)
        self.encoder = BertEncoder(depth, width, heads, hidden, dropout)
        self.pooler = BertPooler(width)

    def forward(self, input_ids: Tensor) -> tuple[Tensor, Tensor]:
        mask = torch.where(input_ids == 0, -10000.0, 0.0)[:, None, None, :]
        hidden_states = self.embeddings(input_ids, torch.zeros_like(input_ids))
        hidden_states = self.encoder(hidden_states, mask)
        return hidden_states, self.pooler(hidden_states)


def bert_base(width: int = 768, vocabulary: int = 30522) -> Bert:
    """BERT-base uncased; its published size is 109,482,240 parameters."""
    return Bert(vocabulary, 512, 12, width, 12, 4 * width)
