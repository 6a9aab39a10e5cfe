# The network EfficientNet, written by graphnas 0.1.0 from graph aae7c0d316fca4ec.
import torch
from torch import nn


class SqueezeExcite(nn.Module):
    def __init__(self, in_channels, out_channels):
        super().__init__()
        self.reduce = nn.Conv2d(in_channels, out_channels, 1)
        self.act = nn.SiLU()
        self.expand = nn.Conv2d(out_channels, in_channels, 1)

    def forward(self, x):
        out = self.act(self.reduce(x.mean((2, 3), keepdim=True)))
        return x * torch.sigmoid(self.expand(out))


class MBConv(nn.Module):
    def __init__(
        self, in_channels, layer_in_channels, out_channels, layer_out_channels, kernel_size=5,
        stride=1, expand=True, residual=True
    ):
        super().__init__()
        self.residual = residual
        self.expand = None
        if expand:
            self.expand = nn.Sequential(
                nn.Conv2d(in_channels, 6 * in_channels, 1, bias=False),
                nn.BatchNorm2d(6 * in_channels), nn.SiLU()
            )
        self.depthwise = nn.Sequential(
            nn.Conv2d(
                layer_in_channels, layer_in_channels, kernel_size, stride=stride,
                padding=kernel_size // 2, groups=layer_in_channels, bias=False
            ),
            nn.BatchNorm2d(layer_in_channels), nn.SiLU()
        )
        self.se = SqueezeExcite(layer_in_channels, out_channels)
        self.project = nn.Sequential(
            nn.Conv2d(layer_in_channels, layer_out_channels, 1, bias=False),
            nn.BatchNorm2d(layer_out_channels)
        )

    def forward(self, x):
        out = x if self.expand is None else self.expand(x)
        out = self.project(self.se(self.depthwise(out)))
        if self.residual:
            out = out + x
        return out


class EfficientNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, 8, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(8), nn.SiLU()
        )
        self.blocks = nn.Sequential(
            MBConv(8, 8, 2, 4, kernel_size=3, expand=False, residual=False),
            MBConv(4, 24, 1, 6, kernel_size=3, stride=2, residual=False),
            MBConv(6, 36, 1, 6, kernel_size=3), MBConv(6, 36, 1, 10, stride=2, residual=False),
            MBConv(10, 60, 2, 10), MBConv(10, 60, 2, 20, kernel_size=3, stride=2, residual=False),
            MBConv(20, 120, 5, 20, kernel_size=3), MBConv(20, 120, 5, 20, kernel_size=3),
            MBConv(20, 120, 5, 28, residual=False), MBConv(28, 168, 7, 28), MBConv(28, 168, 7, 28),
            MBConv(28, 168, 7, 48, stride=2, residual=False),
            *(MBConv(48, 288, 12, 48) for _ in range(3)),
            MBConv(48, 288, 12, 80, kernel_size=3, residual=False)
        )
        self.head = nn.Sequential(
            nn.Conv2d(80, 320, 1, bias=False), nn.BatchNorm2d(320), nn.SiLU()
        )
        self.dropout = nn.Dropout(p=0.2)
        self.classifier = nn.Linear(320, 10)

    def forward(self, x):
        x = self.head(self.blocks(self.stem(x))).mean((2, 3))
        return self.classifier(self.dropout(x))


def build() -> nn.Module:
    return EfficientNet()


if __name__ == "__main__":
    net = build().eval()
    print(f"parameters: {sum(p.numel() for p in net.parameters()):,}")
    output = net(x=torch.randn(2, 3, 32, 32))
    print("output:", tuple(output.shape) if torch.is_tensor(output) else output)
