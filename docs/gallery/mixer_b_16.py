# The network Mixer, written by graphnas 0.1.0 from graph 96f56cf25c22a069.
import torch
from torch import nn


class MLP(nn.Sequential):
    def __init__(self, in_features, out_features):
        super().__init__(
            nn.Linear(in_features, out_features), nn.GELU(), nn.Linear(out_features, in_features)
        )


class MixerBlock(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm1 = nn.LayerNorm(24)
        self.token_mixing = MLP(4, 12)
        self.norm2 = nn.LayerNorm(24)
        self.channel_mixing = MLP(24, 96)

    def forward(self, x):
        y = self.token_mixing(self.norm1(x).transpose(1, 2))
        x = x + y.transpose(1, 2)
        return x + self.channel_mixing(self.norm2(x))


class Mixer(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 24, 16, stride=16)
        self.blocks = nn.Sequential(*(MixerBlock() for _ in range(12)))
        self.norm = nn.LayerNorm(24)
        self.head = nn.Linear(24, 10)

    def forward(self, x):
        x = self.blocks(self.stem(x).flatten(2).transpose(1, 2))
        return self.head(self.norm(x).mean(1))


def build() -> nn.Module:
    return Mixer()


if __name__ == "__main__":
    net = build().eval()
    print(f"parameters: {sum(p.numel() for p in net.parameters()):,}")
    output = net(x=torch.randn(2, 3, 32, 32))
    print("output:", tuple(output.shape) if torch.is_tensor(output) else output)
