# The network ResNet, written by graphnas 0.1.0 from graph 3d16cad79947c60a.
import torch
from torch import nn


class Bottleneck(nn.Module):
    def __init__(self, in_channels, out_channels, stride=1, relu=nn.SiLU, downsample=False):
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, out_channels, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, stride=stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(out_channels)
        self.conv3 = nn.Conv2d(out_channels, 4 * out_channels, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * out_channels)
        self.relu = relu(inplace=True)
        self.downsample = None
        if downsample:
            self.downsample = nn.Sequential(
                nn.Conv2d(in_channels, 4 * out_channels, 1, stride=stride, bias=False),
                nn.BatchNorm2d(4 * out_channels)
            )

    def forward(self, x):
        out = self.conv2(self.relu(self.bn1(self.conv1(x))))
        out = self.bn3(self.conv3(self.relu(self.bn2(out))))
        if self.downsample is not None:
            x = self.downsample(x)
        out += x
        return self.relu(out)


class ResNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu_silu = nn.SiLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        self.layer1 = nn.Sequential(
            Bottleneck(64, 64, relu=nn.ReLU, downsample=True), Bottleneck(256, 64),
            Bottleneck(256, 64, relu=nn.ReLU)
        )
        self.layer2 = nn.Sequential(
            Bottleneck(256, 128, stride=2, relu=nn.ReLU, downsample=True), Bottleneck(512, 128),
            Bottleneck(512, 128, relu=nn.ReLU), Bottleneck(512, 128, relu=nn.ReLU)
        )
        self.layer3 = nn.Sequential(
            Bottleneck(512, 256, stride=2, downsample=True),
            *(Bottleneck(1024, 256) for _ in range(5))
        )
        self.layer4 = nn.Sequential(
            Bottleneck(1024, 512, stride=2, relu=nn.ReLU, downsample=True), Bottleneck(2048, 512),
            Bottleneck(2048, 512)
        )
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(2048, 1000)

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
