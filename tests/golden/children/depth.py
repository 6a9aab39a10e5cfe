# The network Encoder, written by graphnas 0.1.0 from graph c84bbcc9008797e1.
import torch
from torch import nn


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm = nn.LayerNorm(8)
        self.qkv = nn.Linear(8, 24)
        self.out = nn.Linear(8, 8)

    def forward(self, x, mask):
        query, key, value = self.qkv(self.norm(x)).chunk(3, -1)
        query = torch.softmax(query @ key.transpose(-1, -2) + mask, -1)
        return x + self.out(query @ value)


class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Linear(4, 8)
        self.layers = nn.ModuleList([Attention(), Attention()])
        self.norm = nn.LayerNorm(8)

    def forward(self, x):
        mask = torch.full((x.shape[1], x.shape[1]), -1000000000.0).triu(1)
        x = self.embedding(x)
        for layer in self.layers:
            x = layer(x, mask)
        return self.norm(x)


def build() -> nn.Module:
    return Encoder()


if __name__ == "__main__":
    net = build().eval()
    print(f"parameters: {sum(p.numel() for p in net.parameters()):,}")
    output = net(x=torch.randn(2, 5, 4))
    print("output:", tuple(output.shape) if torch.is_tensor(output) else output)
