# The supernet Encoder, written by graphnas 0.1.0 from graph 9210dd51535e5405.
import torch
from torch import nn

from graphnas.oneshot import runtime


def _guard(holds, where):
    if not holds:
        raise ValueError(f"the network was traced under another condition: {where}")


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm = nn.LayerNorm(8)
        self.qkv = nn.Linear(8, 24)
        self.out = nn.Linear(8, 8)

    def forward(self, x, mask):
        out = self.qkv(self.norm(x))
        query, key, value, *_ = out.chunk(3, -1)
        _guard(-(-out.shape[2] // -(-out.shape[2] // 3)) == 3, "tests/mutations/networks.py:17")
        query = torch.softmax(query @ key.transpose(-1, -2) + mask, -1)
        return x + self.out(query @ value)


class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Linear(4, 8)
        self.layers = nn.ModuleList(Attention() for _ in range(4))
        self.norm = nn.LayerNorm(8)

    def forward(self, x, *, plan):
        triu = torch.full((x.shape[1], x.shape[1]), -1000000000.0).triu(1)
        out = self.embedding(x)
        x_1 = out
        for layer in list(self.layers)[:2]:
            x_1 = layer(x_1, triu)
        x_2 = runtime.lazy(lambda: self.layers[2](x_1, triu))
        layers_depth = runtime.choose(
            plan["layers.depth"], {4: lambda: self.layers[3](x_2(), triu), 3: x_2, 2: lambda: x_1}
        )
        return self.norm(layers_depth)


def build() -> nn.Module:
    return Encoder()


if __name__ == "__main__":
    net = build().eval()
    print(f"parameters: {sum(p.numel() for p in net.parameters()):,}")
    output = net(x=torch.randn(2, 5, 4), plan={"layers.depth": 4})
    print("output:", tuple(output.shape) if torch.is_tensor(output) else output)
