# The network DARTS, written by graphnas 0.1.0 from graph 612a48512b7ea34a.
import torch
from torch import nn


class CIFARStem(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 108, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(108)

    def forward(self, x):
        return self.norm(self.conv(x))


class ReLUConvNorm(nn.Sequential):
    def __init__(self, in_channels, out_channels):
        super().__init__(
            nn.ReLU(), nn.Conv2d(in_channels, out_channels, 1, bias=False),
            nn.BatchNorm2d(out_channels)
        )


class DepthwiseSeparableConv(nn.Sequential):
    def __init__(self, in_channels, padding=1):
        super().__init__(
            nn.ReLU(),
            nn.Conv2d(
                in_channels, in_channels, 3, padding=padding, dilation=padding, groups=in_channels,
                bias=False
            ),
            nn.Conv2d(in_channels, in_channels, 1, bias=False), nn.BatchNorm2d(in_channels)
        )


class FactorizedReduce(nn.Module):
    def __init__(self, in_channels):
        super().__init__()
        self.relu = nn.ReLU()
        self.even = nn.Conv2d(in_channels, in_channels // 4, 1, stride=2, bias=False)
        self.odd = nn.Conv2d(in_channels, in_channels // 4, 1, stride=2, bias=False)
        self.norm = nn.BatchNorm2d(in_channels // 2)

    def forward(self, x):
        x = self.relu(x)
        x = torch.cat((self.even(x), self.odd(x[:, :, 1:, 1:])), 1)
        return self.norm(x)


class AuxiliaryHead(nn.Sequential):
    def __init__(self):
        super().__init__(
            nn.ReLU(), nn.AvgPool2d(5, stride=3, count_include_pad=False),
            nn.Conv2d(576, 128, 1, bias=False), nn.BatchNorm2d(128), nn.ReLU(),
            nn.Conv2d(128, 768, 2, bias=False), nn.BatchNorm2d(768), nn.ReLU(), nn.Flatten(),
            nn.Linear(768, 10)
        )


class Cell(nn.Module):
    def __init__(self, in_channels):
        super().__init__()
        self.edges = nn.ModuleDict(
            {
                "2_0": nn.ModuleDict(
                    {
                        "sep_conv_3x3": nn.Sequential(
                            DepthwiseSeparableConv(in_channels),
                            DepthwiseSeparableConv(in_channels)
                        )
                    }
                ),
                "2_1": nn.ModuleDict(
                    {
                        "sep_conv_3x3": nn.Sequential(
                            DepthwiseSeparableConv(in_channels),
                            DepthwiseSeparableConv(in_channels)
                        )
                    }
                ),
                "3_0": nn.ModuleDict(
                    {
                        "sep_conv_3x3": nn.Sequential(
                            DepthwiseSeparableConv(in_channels),
                            DepthwiseSeparableConv(in_channels)
                        )
                    }
                ),
                "3_1": nn.ModuleDict(
                    {
                        "sep_conv_3x3": nn.Sequential(
                            DepthwiseSeparableConv(in_channels),
                            DepthwiseSeparableConv(in_channels)
                        )
                    }
                ),
                "4_0": nn.ModuleDict({"skip_connect": nn.Identity()}),
                "4_1": nn.ModuleDict(
                    {
                        "sep_conv_3x3": nn.Sequential(
                            DepthwiseSeparableConv(in_channels),
                            DepthwiseSeparableConv(in_channels)
                        )
                    }
                ),
                "5_0": nn.ModuleDict({"skip_connect": nn.Identity()}),
                "5_2": nn.ModuleDict(
                    {"dil_conv_3x3": DepthwiseSeparableConv(in_channels, padding=2)}
                )
            }
        )

    def forward(self, inputs, inputs_1):
        joined = (
            self.edges['2_0']['sep_conv_3x3'](inputs) + self.edges['2_1']['sep_conv_3x3'](inputs_1)
        )
        x = self.edges['3_0']['sep_conv_3x3'](inputs) + self.edges['3_1']['sep_conv_3x3'](inputs_1)
        out = (
            self.edges['4_0']['skip_connect'](inputs) + self.edges['4_1']['sep_conv_3x3'](inputs_1)
        )
        x5_choice = (
            self.edges['5_0']['skip_connect'](inputs) + self.edges['5_2']['dil_conv_3x3'](joined)
        )
        return torch.cat([joined, x, out, x5_choice], dim=1)


class Cell2(nn.Module):
    def __init__(self):
        super().__init__()
        self.edges = nn.ModuleDict(
            {
                "2_0": nn.ModuleDict({"max_pool_3x3": nn.MaxPool2d(3, stride=2, padding=1)}),
                "2_1": nn.ModuleDict({"max_pool_3x3": nn.MaxPool2d(3, stride=2, padding=1)}),
                "3_1": nn.ModuleDict({"max_pool_3x3": nn.MaxPool2d(3, stride=2, padding=1)}),
                "3_2": nn.ModuleDict({"skip_connect": nn.Identity()}),
                "4_0": nn.ModuleDict({"max_pool_3x3": nn.MaxPool2d(3, stride=2, padding=1)}),
                "4_2": nn.ModuleDict({"skip_connect": nn.Identity()}),
                "5_1": nn.ModuleDict({"max_pool_3x3": nn.MaxPool2d(3, stride=2, padding=1)}),
                "5_2": nn.ModuleDict({"skip_connect": nn.Identity()})
            }
        )

    def forward(self, inputs, inputs_1):
        joined = (
            self.edges['2_0']['max_pool_3x3'](inputs) + self.edges['2_1']['max_pool_3x3'](inputs_1)
        )
        x = self.edges['3_1']['max_pool_3x3'](inputs_1) + self.edges['3_2']['skip_connect'](joined)
        out = self.edges['4_0']['max_pool_3x3'](inputs) + self.edges['4_2']['skip_connect'](joined)
        x5_choice = (
            self.edges['5_1']['max_pool_3x3'](inputs_1) + self.edges['5_2']['skip_connect'](joined)
        )
        return torch.cat([joined, x, out, x5_choice], dim=1)


class DARTSCell(nn.Module):
    def __init__(self):
        super().__init__()
        self.before = ReLUConvNorm(108, 36)
        self.previous = ReLUConvNorm(108, 36)
        self.nodes = Cell(36)

    def forward(self, before):
        return self.nodes(self.before(before), self.previous(before))


class DARTSCell2(nn.Module):
    def __init__(
        self, in_channels, layer_in_channels, out_channels, layer_in_channels_2,
        factorized_reduce=False, cell2=False
    ):
        super().__init__()
        if factorized_reduce:
            self.before = FactorizedReduce(in_channels)
        else:
            self.before = ReLUConvNorm(layer_in_channels, out_channels)
        self.previous = ReLUConvNorm(layer_in_channels_2, out_channels)
        self.nodes = Cell2() if cell2 else Cell(out_channels)

    def forward(self, before, previous):
        return self.nodes(self.before(before), self.previous(previous))


class DARTS(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = CIFARStem()
        self.cells = nn.ModuleList(
            [
                DARTSCell(), DARTSCell2(108, 108, 36, 144),
                *(DARTSCell2(144, 144, 36, 144) for _ in range(4)),
                DARTSCell2(144, 144, 72, 144, cell2=True),
                DARTSCell2(144, 288, 72, 288, factorized_reduce=True),
                *(DARTSCell2(288, 288, 72, 288) for _ in range(5)),
                DARTSCell2(288, 288, 144, 288, cell2=True),
                DARTSCell2(288, 576, 144, 576, factorized_reduce=True),
                *(DARTSCell2(576, 576, 144, 576) for _ in range(5))
            ]
        )
        self.auxiliary = AuxiliaryHead()
        self.head = nn.Linear(576, 10)

    def forward(self, x):
        x = self.stem(x)
        out = self.cells[0](x)
        x = self.cells[1](x, out)
        out = self.cells[2](out, x)
        x = self.cells[3](x, out)
        out = self.cells[4](out, x)
        x = self.cells[5](x, out)
        out = self.cells[6](out, x)
        x = self.cells[7](x, out)
        out = self.cells[8](out, x)
        x = self.cells[9](x, out)
        out = self.cells[10](out, x)
        x = self.cells[11](x, out)
        out = self.cells[12](out, x)
        x = self.cells[13](x, out)
        out = self.cells[14](out, x)
        x_1 = self.cells[15](x, out)
        out = self.cells[16](out, x_1)
        x_1 = self.cells[17](x_1, out)
        out = self.cells[19](x_1, self.cells[18](out, x_1)).mean((2, 3))
        logits = self.head(out)
        if self.training:
            x = self.auxiliary(x)
        return (logits, x) if self.training else logits


def build() -> nn.Module:
    return DARTS()


if __name__ == "__main__":
    net = build().eval()
    print(f"parameters: {sum(p.numel() for p in net.parameters()):,}")
    output = net(x=torch.randn(2, 3, 32, 32))
    print("output:", tuple(output.shape) if torch.is_tensor(output) else output)
