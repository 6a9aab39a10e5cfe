# The network NASBench201, written by graphnas 0.1.0 from graph 9d55cef1ecfe9253.
import torch
from torch import nn


class ReLUConvNorm(nn.Sequential):
    def __init__(self, in_channels, out_channels, stride=1):
        super().__init__(
            nn.ReLU(),
            nn.Conv2d(in_channels, out_channels, 3, stride=stride, padding=1, bias=False),
            nn.BatchNorm2d(out_channels)
        )


class ReductionBlock(nn.Module):
    def __init__(self, in_channels):
        super().__init__()
        self.convs = nn.Sequential(
            ReLUConvNorm(in_channels, 2 * in_channels, stride=2),
            ReLUConvNorm(2 * in_channels, 2 * in_channels)
        )
        self.shortcut = nn.Sequential(
            nn.AvgPool2d(2, stride=2), nn.Conv2d(in_channels, 2 * in_channels, 1, bias=False)
        )

    def forward(self, x):
        return self.shortcut(x) + self.convs(x)


class Cell(nn.Module):
    def __init__(self, in_channels):
        super().__init__()
        self.edges = nn.ModuleDict(
            {
                "1_0": nn.ModuleDict({"nor_conv_3x3": ReLUConvNorm(in_channels, in_channels)}),
                "2_0": nn.ModuleDict({"nor_conv_3x3": ReLUConvNorm(in_channels, in_channels)}),
                "2_1": nn.ModuleDict({"nor_conv_3x3": ReLUConvNorm(in_channels, in_channels)}),
                "3_0": nn.ModuleDict({"skip_connect": nn.Identity()}),
                "3_1": nn.ModuleDict({"nor_conv_3x3": ReLUConvNorm(in_channels, in_channels)}),
                "3_2": nn.ModuleDict({"nor_conv_3x3": ReLUConvNorm(in_channels, in_channels)})
            }
        )

    def forward(self, inputs):
        nor_conv_3x3 = self.edges['1_0']['nor_conv_3x3'](inputs)
        x = (
            self.edges['2_0']['nor_conv_3x3'](inputs)
            + self.edges['2_1']['nor_conv_3x3'](nor_conv_3x3)
        )
        inputs = self.edges['3_0']['skip_connect'](inputs)
        nor_conv_3x3 = self.edges['3_1']['nor_conv_3x3'](nor_conv_3x3)
        x = self.edges['3_2']['nor_conv_3x3'](x)
        return inputs + nor_conv_3x3 + x


class NASBench201(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16))
        self.stages = nn.Sequential(
            *(Cell(16) for _ in range(5)), ReductionBlock(16), *(Cell(32) for _ in range(5)),
            ReductionBlock(32), *(Cell(64) for _ in range(5))
        )
        self.norm = nn.Sequential(nn.BatchNorm2d(64), nn.ReLU())
        self.head = nn.Linear(64, 10)

    def forward(self, x):
        x = self.norm(self.stages(self.stem(x))).mean((2, 3))
        return self.head(x)


def build() -> nn.Module:
    return NASBench201()


if __name__ == "__main__":
    net = build().eval()
    print(f"parameters: {sum(p.numel() for p in net.parameters()):,}")
    output = net(x=torch.randn(2, 3, 32, 32))
    print("output:", tuple(output.shape) if torch.is_tensor(output) else output)
