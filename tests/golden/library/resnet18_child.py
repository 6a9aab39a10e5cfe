# The network ResNet, written by graphnas 0.1.0 from graph d6d134507e89c109.
import torch
from torch import nn


class SqueezeExcitation(nn.Module):
    def __init__(self, in_channels):
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.squeeze = nn.Conv2d(in_channels, in_channels // 16, 1)
        self.activation = nn.ReLU()
        self.excite = nn.Conv2d(in_channels // 16, in_channels, 1)
        self.gate = nn.Sigmoid()

    def forward(self, x):
        out = self.excite(self.activation(self.squeeze(self.pool(x))))
        return x * self.gate(out)


class InvertedResidual(nn.Module):
    def __init__(self, stride, out_channels, residual=False):
        super().__init__()
        self.residual = residual
        self.layers = nn.Sequential(
            nn.Conv2d(64, 256, 1, bias=False), nn.BatchNorm2d(256), nn.ReLU6(),
            nn.Conv2d(256, 256, 3, stride=stride, padding=1, groups=256, bias=False),
            nn.BatchNorm2d(256), nn.ReLU6(), nn.Conv2d(256, out_channels, 1, bias=False),
            nn.BatchNorm2d(out_channels)
        )

    def forward(self, x):
        out = self.layers(x)
        if self.residual:
            out = x + out
        return out


class BasicBlock(nn.Module):
    def __init__(
        self, stride, out_channels, conv1_out_channels, residual=None, in_channels=None,
        downsample=False
    ):
        super().__init__()
        self.residual = residual
        if residual is not None:
            self.conv1_inverted = InvertedResidual(stride, out_channels, residual=residual)
        else:
            self.conv1 = nn.Conv2d(
                out_channels, conv1_out_channels, 3, stride=stride, padding=1, bias=False
            )
        self.bn1 = nn.BatchNorm2d(conv1_out_channels)
        self.relu = nn.ReLU(inplace=True)
        if residual is not None:
            self.conv2_separable = nn.Sequential(
                nn.Conv2d(
                    conv1_out_channels, out_channels, 5, padding=2, groups=out_channels, bias=False
                ),
                nn.Conv2d(conv1_out_channels, out_channels, 1, bias=False)
            )
        else:
            self.conv2 = nn.Conv2d(in_channels, conv1_out_channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(conv1_out_channels)
        self.downsample = None
        if downsample:
            self.downsample = nn.Sequential(
                nn.Conv2d(conv1_out_channels // 2, conv1_out_channels, 1, stride=2, bias=False),
                nn.BatchNorm2d(conv1_out_channels)
            )

    def forward(self, x):
        conv1 = self.conv1_inverted(x) if self.residual is not None else self.conv1(x)
        out = self.relu(self.bn1(conv1))
        out = self.conv2_separable(out) if self.residual is not None else self.conv2(out)
        out = self.bn2(out)
        if self.downsample is not None:
            x = self.downsample(x)
        out += x
        return self.relu(out)


class BasicBlock2(nn.Module):
    def __init__(self, in_channels):
        super().__init__()
        self.conv1_excited = nn.Sequential(
            nn.Conv2d(in_channels, in_channels, 3, padding=1, bias=False),
            SqueezeExcitation(in_channels)
        )
        self.bn1 = nn.BatchNorm2d(in_channels)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(in_channels, in_channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(in_channels)

    def forward(self, x):
        out = self.conv2(self.relu(self.bn1(self.conv1_excited(x))))
        out = self.bn2(out)
        out += x
        return self.relu(out)


class ResNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        self.layer1 = nn.Sequential(BasicBlock(1, 64, 64, residual=True), BasicBlock2(64))
        self.layer2 = nn.Sequential(
            BasicBlock(2, 128, 128, residual=False, in_channels=64, downsample=True),
            BasicBlock2(128)
        )
        self.layer3 = nn.Sequential(
            BasicBlock(2, 128, 256, in_channels=256, downsample=True),
            BasicBlock(1, 256, 256, in_channels=256)
        )
        self.layer4 = nn.Sequential(
            BasicBlock(2, 256, 512, in_channels=512, downsample=True),
            BasicBlock(1, 512, 512, in_channels=512)
        )
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(512, 1000)

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
