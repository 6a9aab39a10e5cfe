# The network RegNet, written by graphnas 0.1.0 from graph 63c10bcc038d1870.
import torch
from torch import nn


class SE(nn.Module):
    def __init__(self, in_channels, out_channels):
        super().__init__()
        self.fc1 = nn.Conv2d(in_channels, out_channels, 1)
        self.relu = nn.ReLU(inplace=True)
        self.fc2 = nn.Conv2d(out_channels, in_channels, 1)
        self.sigmoid = nn.Sigmoid()

    def forward(self, x):
        out = self.relu(self.fc1(x.mean((2, 3), keepdim=True)))
        return x * self.sigmoid(self.fc2(out))


class YBlock(nn.Module):
    def __init__(self, in_channels, out_channels, stride=1, sequential=False):
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, out_channels, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(out_channels)
        self.conv2 = nn.Conv2d(
            out_channels, out_channels, 3, stride=stride, padding=1, groups=out_channels // 4,
            bias=False
        )
        self.bn2 = nn.BatchNorm2d(out_channels)
        self.se = SE(out_channels, in_channels // 4)
        self.conv3 = nn.Conv2d(out_channels, out_channels, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(out_channels)
        self.relu = nn.ReLU(inplace=True)
        if sequential:
            self.downsample = nn.Sequential(
                nn.Conv2d(in_channels, out_channels, 1, stride=2, bias=False),
                nn.BatchNorm2d(out_channels)
            )
        else:
            self.downsample = nn.Identity()

    def forward(self, x):
        out = self.conv2(self.relu(self.bn1(self.conv1(x))))
        out = self.conv3(self.se(self.relu(self.bn2(out))))
        return self.relu(self.bn3(out) + self.downsample(x))


class RegNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, 32, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(32),
            nn.ReLU(inplace=True)
        )
        self.trunk = nn.Sequential(
            nn.Sequential(YBlock(32, 24, stride=2, sequential=True)),
            nn.Sequential(
                YBlock(24, 52, stride=2, sequential=True), YBlock(52, 52), YBlock(52, 52)
            ),
            nn.Sequential(
                YBlock(52, 104, stride=2, sequential=True), *(YBlock(104, 104) for _ in range(5))
            ),
            nn.Sequential(
                YBlock(104, 220, stride=2, sequential=True), *(YBlock(220, 220) for _ in range(5))
            )
        )
        self.fc = nn.Linear(220, 10)

    def forward(self, x):
        return self.fc(self.trunk(self.stem(x)).mean((2, 3)))


def build() -> nn.Module:
    return RegNet()


if __name__ == "__main__":
    net = build().eval()
    print(f"parameters: {sum(p.numel() for p in net.parameters()):,}")
    output = net(x=torch.randn(2, 3, 32, 32))
    print("output:", tuple(output.shape) if torch.is_tensor(output) else output)
