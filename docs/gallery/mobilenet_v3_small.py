# The network MobileNetV3, written by graphnas 0.1.0 from graph 05fb48ad5f415c15.
import torch
from torch import nn


class ConvNormActivation(nn.Sequential):
    def __init__(
        self, in_channels, out_channels, kernel_size=1, stride=1, groups=1, activation=None
    ):
        layers = [
            nn.Conv2d(
                in_channels, out_channels, kernel_size, stride=stride, padding=kernel_size // 2,
                groups=groups, bias=False
            ),
            nn.BatchNorm2d(out_channels, eps=0.001, momentum=0.01)
        ]
        if activation is not None:
            layers.append(activation(inplace=True))
        super().__init__(*layers)


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


class InvertedResidual(nn.Module):
    def __init__(
        self, in_channels, out_channels, layer_out_channels, activation=nn.Hardswish,
        kernel_size=5, stride=1, fc1_out_channels=None, variant=True, residual=True
    ):
        super().__init__()
        self.residual = residual
        layers = []
        if variant:
            layers.append(ConvNormActivation(in_channels, out_channels, activation=activation))
        layers.append(
            ConvNormActivation(
                out_channels, out_channels, kernel_size=kernel_size, stride=stride,
                groups=out_channels, activation=activation
            )
        )
        if fc1_out_channels is not None:
            layers.append(SqueezeExcitation(out_channels, fc1_out_channels))
        layers.append(ConvNormActivation(out_channels, layer_out_channels))
        self.block = nn.Sequential(*layers)

    def forward(self, x):
        result = self.block(x)
        if self.residual:
            result += x
        return result


class MobileNetV3(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            ConvNormActivation(3, 16, kernel_size=3, stride=2, activation=nn.Hardswish),
            InvertedResidual(
                16, 16, 16, activation=nn.ReLU, kernel_size=3, stride=2, fc1_out_channels=8,
                variant=False, residual=False
            ),
            InvertedResidual(
                16, 72, 24, activation=nn.ReLU, kernel_size=3, stride=2, residual=False
            ),
            InvertedResidual(24, 88, 24, activation=nn.ReLU, kernel_size=3),
            InvertedResidual(24, 96, 40, stride=2, fc1_out_channels=24, residual=False),
            InvertedResidual(40, 240, 40, fc1_out_channels=64),
            InvertedResidual(40, 240, 40, fc1_out_channels=64),
            InvertedResidual(40, 120, 48, fc1_out_channels=32, residual=False),
            InvertedResidual(48, 144, 48, fc1_out_channels=40),
            InvertedResidual(48, 288, 96, stride=2, fc1_out_channels=72, residual=False),
            InvertedResidual(96, 576, 96, fc1_out_channels=144),
            InvertedResidual(96, 576, 96, fc1_out_channels=144),
            ConvNormActivation(96, 576, activation=nn.Hardswish)
        )
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(
            nn.Linear(576, 1024), nn.Hardswish(inplace=True), nn.Dropout(p=0.2, inplace=True),
            nn.Linear(1024, 1000)
        )

    def forward(self, x):
        return self.classifier(self.avgpool(self.features(x)).flatten(1))


def build() -> nn.Module:
    return MobileNetV3()


if __name__ == "__main__":
    net = build().eval()
    print(f"parameters: {sum(p.numel() for p in net.parameters()):,}")
    output = net(x=torch.randn(2, 3, 32, 32))
    print("output:", tuple(output.shape) if torch.is_tensor(output) else output)
