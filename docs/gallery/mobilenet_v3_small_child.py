# The network MobileNetV3, written by graphnas 0.1.0 from graph 37d623c9392a5846.
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
        self, in_channels, out_channels, activation_2, layer_out_channels, activation=None,
        kernel_size=5, stride=1, fc1_out_channels=None, residual=True
    ):
        super().__init__()
        self.residual = residual
        layers = []
        if activation is not None:
            layers.append(ConvNormActivation(in_channels, out_channels, activation=activation))
        layers.append(
            ConvNormActivation(
                out_channels, out_channels, kernel_size=kernel_size, stride=stride,
                groups=out_channels, activation=activation_2
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
                16, 16, nn.ReLU, 16, kernel_size=3, stride=2, fc1_out_channels=8, residual=False
            ),
            InvertedResidual(
                16, 72, nn.ReLU, 24, activation=nn.ReLU, kernel_size=3, stride=2, residual=False
            ),
            InvertedResidual(24, 88, nn.ReLU, 24, activation=nn.ReLU, kernel_size=3),
            InvertedResidual(
                24, 96, nn.Hardswish, 40, activation=nn.Hardswish, stride=2, fc1_out_channels=24,
                residual=False
            ),
            InvertedResidual(40, 240, nn.Hardswish, 40, activation=nn.SiLU, fc1_out_channels=64),
            InvertedResidual(40, 240, nn.SiLU, 40, activation=nn.Hardswish, fc1_out_channels=64),
            InvertedResidual(
                40, 120, nn.SiLU, 48, activation=nn.SiLU, fc1_out_channels=32, residual=False
            ),
            InvertedResidual(
                48, 144, nn.Hardswish, 48, activation=nn.Hardswish, fc1_out_channels=40
            ),
            InvertedResidual(
                48, 288, nn.Hardswish, 96, activation=nn.SiLU, stride=2, fc1_out_channels=72,
                residual=False
            ),
            InvertedResidual(96, 576, nn.SiLU, 96, activation=nn.SiLU, fc1_out_channels=144),
            InvertedResidual(96, 576, nn.SiLU, 96, activation=nn.SiLU, fc1_out_channels=144),
            ConvNormActivation(96, 576, activation=nn.SiLU)
        )
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(
            nn.Linear(576, 1024), nn.SiLU(inplace=True), nn.Dropout(p=0.2, inplace=True),
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
