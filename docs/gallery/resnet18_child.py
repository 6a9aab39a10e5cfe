# The network ResNet, written by graphnas 0.1.0 from graph f7d23e9691e1d23c.
import torch
from torch import nn


class BasicBlock(nn.Module):
    def __init__(self, in_channels, relu_silu):
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, in_channels, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(in_channels)
        self.relu = relu_silu
        self.conv2 = nn.Conv2d(in_channels, in_channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(in_channels)

    def forward(self, x):
        out = self.conv2(self.relu(self.bn1(self.conv1(x))))
        out = self.bn2(out)
        out += x
        return self.relu(out)


class BasicBlock2(nn.Module):
    def __init__(self, in_channels):
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, 2 * in_channels, 3, stride=2, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(2 * in_channels)
        self.relu_silu = nn.SiLU(inplace=True)
        self.conv2 = nn.Conv2d(2 * in_channels, 2 * in_channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(2 * in_channels)
        self.downsample = nn.Sequential(
            nn.Conv2d(in_channels, 2 * in_channels, 1, stride=2, bias=False),
            nn.BatchNorm2d(2 * in_channels)
        )

    def forward(self, x):
        out = self.conv2(self.relu_silu(self.bn1(self.conv1(x))))
        out = self.bn2(out)
        x = self.downsample(x)
        out += x
        return self.relu_silu(out)


class ResNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu_silu = nn.SiLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        self.layer1 = nn.Sequential(
            BasicBlock(64, nn.SiLU(inplace=True)), BasicBlock(64, nn.SiLU(inplace=True))
        )
        self.layer2 = nn.Sequential(BasicBlock2(64), BasicBlock(128, nn.SiLU(inplace=True)))
        self.layer3 = nn.Sequential(BasicBlock2(128), BasicBlock(256, nn.ReLU(inplace=True)))
        self.layer4 = nn.Sequential(BasicBlock2(256), BasicBlock(512, nn.SiLU(inplace=True)))
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(512, 1000)

    def forward(self, x):
        x = self.maxpool(self.relu_silu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(self.avgpool(x).flatten(1))


def build() -> nn.Module:
    return ResNet()


if __name__ == "__main__":
    net = build().eval()
    print(f"parameters: {sum(p.numel() for p in net.parameters()):,}")
    output = net(x=torch.randn(2, 3, 32, 32))
    print("output:", tuple(output.shape) if torch.is_tensor(output) else output)
