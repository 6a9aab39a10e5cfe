# The network ConvNeXt, written by graphnas 0.1.0 from graph 08e63f48b7dfa728.
import torch
from torch import nn


class LayerNorm2d(nn.Module):
    def __init__(self, normalized_shape):
        super().__init__()
        self.norm = nn.LayerNorm(normalized_shape, eps=1e-06)

    def forward(self, x):
        x = self.norm(x.permute(0, 2, 3, 1))
        return x.permute(0, 3, 1, 2)


class Block(nn.Module):
    def __init__(self, gamma_size):
        super().__init__()
        self.gamma = nn.Parameter(torch.empty(gamma_size))
        self.dwconv = nn.Conv2d(gamma_size, gamma_size, 7, padding=3, groups=gamma_size)
        self.norm = nn.LayerNorm(gamma_size, eps=1e-06)
        self.pwconv1 = nn.Linear(gamma_size, 4 * gamma_size)
        self.act = nn.GELU()
        self.pwconv2 = nn.Linear(4 * gamma_size, gamma_size)

    def forward(self, x):
        out = self.norm(self.dwconv(x).permute(0, 2, 3, 1))
        out = self.gamma * self.pwconv2(self.act(self.pwconv1(out)))
        return x + out.permute(0, 3, 1, 2)


class ConvNeXt(nn.Module):
    def __init__(self):
        super().__init__()
        self.downsample_layers = nn.ModuleList(
            [
                nn.Sequential(nn.Conv2d(3, 8, 4, stride=4), LayerNorm2d(8)),
                nn.Sequential(LayerNorm2d(8), nn.Conv2d(8, 16, 2, stride=2)),
                nn.Sequential(LayerNorm2d(16), nn.Conv2d(16, 32, 2, stride=2)),
                nn.Sequential(LayerNorm2d(32), nn.Conv2d(32, 64, 2, stride=2))
            ]
        )
        self.stages = nn.ModuleList(
            [
                nn.Sequential(*(Block(8) for _ in range(3))),
                nn.Sequential(*(Block(16) for _ in range(3))),
                nn.Sequential(*(Block(32) for _ in range(9))),
                nn.Sequential(*(Block(64) for _ in range(3)))
            ]
        )
        self.norm = nn.LayerNorm(64, eps=1e-06)
        self.head = nn.Linear(64, 10)

    def forward(self, x):
        x = self.downsample_layers[1](self.stages[0](self.downsample_layers[0](x)))
        x = self.stages[2](self.downsample_layers[2](self.stages[1](x)))
        x = self.stages[3](self.downsample_layers[3](x)).mean((2, 3))
        return self.head(self.norm(x))


def build() -> nn.Module:
    return ConvNeXt()


if __name__ == "__main__":
    net = build().eval()
    print(f"parameters: {sum(p.numel() for p in net.parameters()):,}")
    output = net(x=torch.randn(2, 3, 32, 32))
    print("output:", tuple(output.shape) if torch.is_tensor(output) else output)
