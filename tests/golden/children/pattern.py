# The network ResNet, written by graphnas 0.1.0 from graph 9c97328df74f5f8b.
import torch
from torch import nn


class Gated(nn.Module):
    def __init__(self, in_channels):
        super().__init__()
        self.main = nn.Conv2d(in_channels, in_channels, 1, bias=False)
        self.gate = nn.Conv2d(in_channels, in_channels, 1)

    def forward(self, x, x_1):
        y = self.main(x)
        return y * torch.sigmoid(self.gate(y)) + x_1


class BasicBlock(nn.Module):
    def __init__(
        self, in_channels, out_channels, main_in_channels, stride=1, conv2=False, downsample=False
    ):
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(out_channels)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = None
        if conv2:
            self.conv2 = nn.Conv2d(main_in_channels, out_channels, 3, padding=1, bias=False)
            self.bn2 = nn.BatchNorm2d(out_channels)
        self.downsample = None
        if downsample:
            self.downsample = nn.Sequential(
                nn.Conv2d(in_channels, out_channels, 1, stride=2, bias=False),
                nn.BatchNorm2d(out_channels)
            )
        if not conv2:
            self.conv2_to_relu_gated = Gated(out_channels)

    def forward(self, x):
        out = self.relu(self.bn1(self.conv1(x)))
        if self.conv2 is not None:
            out = self.bn2(self.conv2(out))
        if self.downsample is not None:
            x = self.downsample(x)
        if self.conv2 is not None:
            out += x
            out = self.relu(out)
        else:
            out = self.conv2_to_relu_gated(out, x)
        return out


class ResNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 4, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(4)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        self.layer1 = nn.Sequential(BasicBlock(4, 4, 4), BasicBlock(4, 4, 4))
        self.layer2 = nn.Sequential(
            BasicBlock(4, 8, 4, stride=2, downsample=True), BasicBlock(8, 8, 8)
        )
        self.layer3 = nn.Sequential(
            BasicBlock(8, 16, 16, stride=2, conv2=True, downsample=True),
            BasicBlock(16, 16, 16, conv2=True)
        )
        self.layer4 = nn.Sequential(
            BasicBlock(16, 32, 32, stride=2, conv2=True, downsample=True),
            BasicBlock(32, 32, 32, conv2=True)
        )
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(32, 5)

    def forward(self, x):
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(self.avgpool(x).flatten(1))


def build() -> nn.Module:
    return ResNet()


if __name__ == "__main__":
    net = build().eval()
    print(f"parameters: {sum(p.numel() for p in net.parameters()):,}")
    output = net(x=torch.randn(2, 3, 32, 32))
    print("output:", tuple(output.shape) if torch.is_tensor(output) else output)
