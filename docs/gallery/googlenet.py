# The network GoogLeNet, written by graphnas 0.1.0 from graph 45d3f5ba617c54d8.
import torch
import torch.nn.functional as F
from torch import nn


class ConvBlock(nn.Module):
    def __init__(self, in_channels, out_channels, kernel_size=1, stride=1):
        super().__init__()
        self.conv = nn.Conv2d(
            in_channels, out_channels, kernel_size, stride=stride, padding=kernel_size // 2,
            bias=False
        )
        self.bn = nn.BatchNorm2d(out_channels)

    def forward(self, x):
        return F.relu(self.bn(self.conv(x)), inplace=True)


class Inception(nn.Module):
    def __init__(
        self, in_channels, out_channels, conv_out_channels, conv_out_channels_2,
        conv_out_channels_3, conv_out_channels_4, conv_out_channels_5=8
    ):
        super().__init__()
        self.branch1 = ConvBlock(in_channels, out_channels)
        self.branch2 = nn.Sequential(
            ConvBlock(in_channels, conv_out_channels),
            ConvBlock(conv_out_channels, conv_out_channels_2, kernel_size=3)
        )
        self.branch3 = nn.Sequential(
            ConvBlock(in_channels, conv_out_channels_3),
            ConvBlock(conv_out_channels_3, conv_out_channels_4, kernel_size=5)
        )
        self.branch4 = nn.Sequential(
            nn.MaxPool2d(3, stride=1, padding=1), ConvBlock(in_channels, conv_out_channels_5)
        )

    def forward(self, x):
        branch1 = self.branch1(x)
        branch2 = self.branch2(x)
        branch3 = self.branch3(x)
        x = self.branch4(x)
        return torch.cat([branch1, branch2, branch3, x], 1)


class GoogLeNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = ConvBlock(3, 8, kernel_size=7, stride=2)
        self.maxpool1 = nn.MaxPool2d(3, stride=2, padding=1)
        self.conv2 = ConvBlock(8, 8)
        self.conv3 = ConvBlock(8, 24, kernel_size=3)
        self.maxpool2 = nn.MaxPool2d(3, stride=2, padding=1)
        self.inception3a = Inception(24, 8, 12, 16, 2, 4, conv_out_channels_5=4)
        self.inception3b = Inception(32, 16, 16, 24, 4, 12)
        self.maxpool3 = nn.MaxPool2d(3, stride=2, padding=1)
        self.inception4a = Inception(60, 24, 12, 26, 2, 6)
        self.inception4b = Inception(64, 20, 14, 28, 3, 8)
        self.inception4c = Inception(64, 16, 16, 32, 3, 8)
        self.inception4d = Inception(64, 14, 18, 36, 4, 8)
        self.inception4e = Inception(66, 32, 20, 40, 4, 16, conv_out_channels_5=16)
        self.maxpool4 = nn.MaxPool2d(3, stride=2, padding=1)
        self.inception5a = Inception(104, 32, 20, 40, 4, 16, conv_out_channels_5=16)
        self.inception5b = Inception(104, 48, 24, 48, 6, 16, conv_out_channels_5=16)
        self.dropout = nn.Dropout(p=0.4)
        self.fc = nn.Linear(128, 10)

    def forward(self, x):
        x = self.conv3(self.conv2(self.maxpool1(self.conv1(x))))
        x = self.maxpool3(self.inception3b(self.inception3a(self.maxpool2(x))))
        x = self.inception4d(self.inception4c(self.inception4b(self.inception4a(x))))
        x = self.inception5b(self.inception5a(self.maxpool4(self.inception4e(x))))
        return self.fc(self.dropout(x.mean((2, 3))))


def build() -> nn.Module:
    return GoogLeNet()


if __name__ == "__main__":
    net = build().eval()
    print(f"parameters: {sum(p.numel() for p in net.parameters()):,}")
    output = net(x=torch.randn(2, 3, 32, 32))
    print("output:", tuple(output.shape) if torch.is_tensor(output) else output)
