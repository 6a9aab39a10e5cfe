# The network Bert, written by graphnas 0.1.0 from graph ad8bd739a6bafae9.
import math

import torch
from torch import nn


class BertEmbeddings(nn.Module):
    def __init__(self):
        super().__init__()
        self.word_embeddings = nn.Embedding(70, 24, padding_idx=0)
        self.position_embeddings = nn.Embedding(512, 24)
        self.token_type_embeddings = nn.Embedding(2, 24)
        self.LayerNorm = nn.LayerNorm(24, eps=1e-12)
        self.dropout = nn.Dropout(p=0.1)

    def forward(self, input_ids, token_type_ids):
        position_ids = torch.arange(input_ids.shape[1], device=input_ids.device)
        embeddings = self.word_embeddings(input_ids) + self.token_type_embeddings(token_type_ids)
        return self.dropout(self.LayerNorm(embeddings + self.position_embeddings(position_ids)))


class BertSelfAttention(nn.Module):
    def __init__(self):
        super().__init__()
        self.query = nn.Linear(24, 24)
        self.key = nn.Linear(24, 24)
        self.value = nn.Linear(24, 24)
        self.dropout = nn.Dropout(p=0.1)

    def forward(self, hidden_states, mask):
        batch, length, width = hidden_states.size()
        query = self.query(hidden_states).view((batch, length, 12, width // 12))
        query = query.transpose(1, 2)
        key = self.key(hidden_states).view((batch, length, 12, width // 12))
        key = key.transpose(1, 2)
        value = self.value(hidden_states).view((batch, length, 12, width // 12))
        value = value.transpose(1, 2)
        scores = query @ key.transpose(-1, -2) / math.sqrt(width // 12)
        context = self.dropout(torch.softmax(scores + mask, dim=-1)) @ value
        return context.transpose(1, 2).reshape(batch, length, width)


class BertSelfOutput(nn.Module):
    def __init__(self):
        super().__init__()
        self.dense = nn.Linear(24, 24)
        self.LayerNorm = nn.LayerNorm(24, eps=1e-12)
        self.dropout = nn.Dropout(p=0.1)

    def forward(self, hidden_states, input_tensor):
        return self.LayerNorm(self.dropout(self.dense(hidden_states)) + input_tensor)


class BertPooler(nn.Module):
    def __init__(self):
        super().__init__()
        self.dense = nn.Linear(24, 24)
        self.activation = nn.Tanh()

    def forward(self, hidden_states):
        return self.activation(self.dense(hidden_states[:, 0]))


class BertLayer(nn.Module):
    def __init__(self):
        super().__init__()
        self.attention = BertSelfAttention()
        self.output = BertSelfOutput()
        self.intermediate = nn.Linear(24, 96)
        self.act = nn.GELU()
        self.dense = nn.Linear(96, 24)
        self.LayerNorm = nn.LayerNorm(24, eps=1e-12)
        self.dropout = nn.Dropout(p=0.1)

    def forward(self, hidden_states, mask):
        hidden_states = self.output(self.attention(hidden_states, mask), hidden_states)
        x = self.dropout(self.dense(self.act(self.intermediate(hidden_states))))
        return self.LayerNorm(x + hidden_states)


class BertEncoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.ModuleList(BertLayer() for _ in range(12))

    def forward(self, hidden_states, mask):
        for layer in self.layer:
            hidden_states = layer(hidden_states, mask)
        return hidden_states


class Bert(nn.Module):
    def __init__(self):
        super().__init__()
        self.embeddings = BertEmbeddings()
        self.encoder = BertEncoder()
        self.pooler = BertPooler()

    def forward(self, input_ids):
        mask = torch.where(input_ids == 0, -10000.0, 0.0)[:, None, None, :]
        x = self.encoder(self.embeddings(input_ids, torch.zeros_like(input_ids)), mask)
        return (x, self.pooler(x))


def build() -> nn.Module:
    return Bert()


if __name__ == "__main__":
    net = build().eval()
    print(f"parameters: {sum(p.numel() for p in net.parameters()):,}")
    output = net(input_ids=torch.ones((2, 7), dtype=torch.int64))
    print("output:", tuple(output.shape) if torch.is_tensor(output) else output)
