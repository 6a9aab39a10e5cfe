# The network MobileNetV3, written by graphnas 0.1.0 from graph 37d623c9392a5846.
import torch
from torch import nn


class ConvNormActivation(nn.Sequential):
    def __init__(
        self, in_channels, out_channels, kernel_size, padding, activation, stride=1, groups=1
    ):
        super().__init__(
            nn.Conv2d(
                in_channels, out_channels, kernel_size, stride=stride, padding=padding,
                groups=groups, bias=False
            ),
            nn.BatchNorm2d(out_channels, eps=0.001, momentum=0.01), activation
        )


class SqueezeExcitation(nn.Module):
    def __init__(self, in_channels, out_channels):
        super().__init__()
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc1 = nn.Conv2d(in_channels, out_channels, 1)
        self.fc2 = nn.Conv2d(out_channels, in_channels, 1)
        self.activation = nn.ReLU()
        self.scale_activation = nn.Hardsigmoid()

    def forward(self, x):
        out = self.fc2(self.activation(self.fc1(self.avgpool(x))))
        return self.scale_activation(out) * x


class ConvNormActivation2(nn.Sequential):
    def __init__(self, in_channels, out_channels):
        super().__init__(
            nn.Conv2d(in_channels, out_channels, 1, bias=False),
            nn.BatchNorm2d(out_channels, eps=0.001, momentum=0.01)
        )


class InvertedResidual(nn.Module):
    def __init__(self):
        super().__init__()
        self.block = nn.Sequential(
            ConvNormActivation(16, 16, 3, 1, nn.ReLU(inplace=True), stride=2, groups=16),
            SqueezeExcitation(16, 8), ConvNormActivation2(16, 16)
        )

    def forward(self, x):
        return self.block(x)


class InvertedResidual2(nn.Module):
    def __init__(self):
        super().__init__()
        self.block = nn.Sequential(
            ConvNormActivation(16, 72, 1, 0, nn.ReLU(inplace=True)),
            ConvNormActivation(72, 72, 3, 1, nn.ReLU(inplace=True), stride=2, groups=72),
            ConvNormActivation2(72, 24)
        )

    def forward(self, x):
        return self.block(x)


class InvertedResidual3(nn.Module):
    def __init__(self):
        super().__init__()
        self.block = nn.Sequential(
            ConvNormActivation(24, 88, 1, 0, nn.ReLU(inplace=True)),
            ConvNormActivation(88, 88, 3, 1, nn.ReLU(inplace=True), groups=88),
            ConvNormActivation2(88, 24)
        )

    def forward(self, x):
        out = self.block(x)
        out += x
        return out


class InvertedResidual4(nn.Module):
    def __init__(
        self, in_channels, out_channels, activation, activation_2, fc1_out_channels,
        layer_out_channels, stride=2
    ):
        super().__init__()
        self.block = nn.Sequential(
            ConvNormActivation(in_channels, out_channels, 1, 0, activation),
            ConvNormActivation(
                out_channels, out_channels, 5, 2, activation_2, stride=stride, groups=out_channels
            ),
            SqueezeExcitation(out_channels, fc1_out_channels),
            ConvNormActivation2(out_channels, layer_out_channels)
        )

    def forward(self, x):
        return self.block(x)


class InvertedResidual5(nn.Module):
    def __init__(self, in_channels, out_channels, activation, activation_2, fc1_out_channels):
        super().__init__()
        self.block = nn.Sequential(
            ConvNormActivation(in_channels, out_channels, 1, 0, activation),
            ConvNormActivation(
                out_channels, out_channels, 5, 2, activation_2, groups=out_channels
            ),
            SqueezeExcitation(out_channels, fc1_out_channels),
            ConvNormActivation2(out_channels, in_channels)
        )

    def forward(self, x):
        out = self.block(x)
        out += x
        return out


class MobileNetV3(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            ConvNormActivation(3, 16, 3, 1, nn.Hardswish(inplace=True), stride=2),
            InvertedResidual(), InvertedResidual2(), InvertedResidual3(),
            InvertedResidual4(
                24, 96, nn.Hardswish(inplace=True), nn.Hardswish(inplace=True), 24, 40
            ),
            InvertedResidual5(40, 240, nn.SiLU(inplace=True), nn.Hardswish(inplace=True), 64),
            InvertedResidual5(40, 240, nn.Hardswish(inplace=True), nn.SiLU(inplace=True), 64),
            InvertedResidual4(
                40, 120, nn.SiLU(inplace=True), nn.SiLU(inplace=True), 32, 48, stride=1
            ),
            InvertedResidual5(48, 144, nn.Hardswish(inplace=True), nn.Hardswish(inplace=True), 40),
            InvertedResidual4(48, 288, nn.SiLU(inplace=True), nn.Hardswish(inplace=True), 72, 96),
            InvertedResidual5(96, 576, nn.SiLU(inplace=True), nn.SiLU(inplace=True), 144),
            InvertedResidual5(96, 576, nn.SiLU(inplace=True), nn.SiLU(inplace=True), 144),
            ConvNormActivation(96, 576, 1, 0, nn.SiLU(inplace=True))
        )
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(
            nn.Linear(576, 1024), nn.SiLU(inplace=True), nn.Dropout(p=0.2, inplace=True),
            nn.Linear(1024, 1000)
        )

    def forward(self, x):
        x = self.classifier(self.avgpool(self.features(x)).flatten(1))
        return x


def build() -> nn.Module:
    return MobileNetV3()


if __name__ == "__main__":
    net = build().eval()
    print(f"parameters: {sum(p.numel() for p in net.parameters()):,}")
    output = net(x=torch.randn(2, 3, 32, 32))
    print("output:", tuple(output.shape) if torch.is_tensor(output) else output)
