# The network UNet, written by graphnas 0.1.0 from graph 5ac3965cb9cde578.
import torch
from torch import nn


class DoubleConv(nn.Sequential):
    def __init__(self, in_channels, out_channels):
        super().__init__(
            nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(out_channels), nn.ReLU(inplace=True),
            nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(out_channels), nn.ReLU(inplace=True)
        )


class Up(nn.Module):
    def __init__(self, in_channels):
        super().__init__()
        self.up = nn.ConvTranspose2d(in_channels, in_channels // 2, 2, stride=2)
        self.conv = DoubleConv(in_channels, in_channels // 2)

    def forward(self, x, skip):
        return self.conv(torch.cat([skip, self.up(x)], 1))


class UNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = DoubleConv(3, 4)
        self.pool = nn.MaxPool2d(2, stride=2)
        self.downs = nn.ModuleList(
            [DoubleConv(4, 8), DoubleConv(8, 16), DoubleConv(16, 32), DoubleConv(32, 64)]
        )
        self.ups = nn.ModuleList([Up(64), Up(32), Up(16), Up(8)])
        self.head = nn.Conv2d(4, 2, 1)

    def forward(self, x):
        x = self.stem(x)
        out = self.downs[0](self.pool(x))
        x_1 = self.downs[1](self.pool(out))
        x_2 = self.downs[2](self.pool(x_1))
        x_2 = self.ups[1](self.ups[0](self.downs[3](self.pool(x_2)), x_2), x_1)
        return self.head(self.ups[3](self.ups[2](x_2, out), x))


def build() -> nn.Module:
    return UNet()


if __name__ == "__main__":
    net = build().eval()
    print(f"parameters: {sum(p.numel() for p in net.parameters()):,}")
    output = net(x=torch.randn(2, 3, 32, 32))
    print("output:", tuple(output.shape) if torch.is_tensor(output) else output)
