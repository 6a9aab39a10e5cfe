# The supernet MobileNetV3, written by graphnas 0.1.0 from graph da0babdb7085bda4.
import torch
from torch import nn

from graphnas.oneshot import runtime


class ConvNormActivation(nn.Sequential):
    def __init__(
        self, in_channels, out_channels, kernel_size, x2_choice_label, stride=1, groups=1
    ):
        super().__init__()
        self.x2_choice_label = x2_choice_label
        self.add_module(
            "0",
            nn.Conv2d(
                in_channels, out_channels, kernel_size, stride=stride, padding=kernel_size // 2,
                groups=groups, bias=False
            )
        )
        self.add_module("1", nn.BatchNorm2d(out_channels, eps=0.001, momentum=0.01))
        self.add_module("2", nn.Hardswish())
        self.add_module("2_silu", nn.SiLU())

    def forward(self, input, plan):
        x = self[1](self[0](input))
        x2_choice = runtime.choose(
            plan[self.x2_choice_label],
            {"original": lambda: self[2](x), "silu": lambda: self[3](x)}
        )
        return x2_choice


class ConvNormActivation2(nn.Sequential):
    def __init__(self, in_channels, out_channels, groups, kernel_size=3, stride=1):
        super().__init__(
            nn.Conv2d(
                in_channels, out_channels, kernel_size, stride=stride, padding=kernel_size // 2,
                groups=groups, bias=False
            ),
            nn.BatchNorm2d(out_channels, eps=0.001, momentum=0.01), nn.ReLU(inplace=True)
        )


class ConvNormActivation3(nn.Sequential):
    def __init__(self, in_channels, out_channels):
        super().__init__(
            nn.Conv2d(in_channels, out_channels, 1, bias=False),
            nn.BatchNorm2d(out_channels, eps=0.001, momentum=0.01)
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


class Classifier(nn.Sequential):
    def __init__(self):
        super().__init__()
        self.add_module("0", nn.Linear(576, 1024))
        self.add_module("1", nn.Hardswish())
        self.add_module("1_silu", nn.SiLU())
        self.add_module("2", nn.Dropout(p=0.2, inplace=True))
        self.add_module("3", nn.Linear(1024, 1000))

    def forward(self, input, plan):
        x = self[0](input)
        x1_choice = runtime.choose(
            plan["classifier.1"], {"original": lambda: self[1](x), "silu": lambda: self[2](x)}
        )
        return self[4](self[3](x1_choice))


class Block(nn.Sequential):
    def __init__(
        self, in_channels, out_channels, x2_choice_label, x2_choice_label_2, fc1_out_channels,
        layer_out_channels, stride=1
    ):
        super().__init__()
        self.add_module("0", ConvNormActivation(in_channels, out_channels, 1, x2_choice_label))
        self.add_module(
            "1",
            ConvNormActivation(
                out_channels, out_channels, 5, x2_choice_label_2, stride=stride,
                groups=out_channels
            )
        )
        self.add_module("2", SqueezeExcitation(out_channels, fc1_out_channels))
        self.add_module("3", ConvNormActivation3(out_channels, layer_out_channels))

    def forward(self, input, plan):
        x = input
        for block in list(self)[:2]:
            x = block(x, plan)
        for block in list(self)[2:]:
            x = block(x)
        return x


class InvertedResidual(nn.Module):
    def __init__(self):
        super().__init__()
        self.block = nn.Sequential(
            ConvNormActivation2(16, 16, 16, stride=2), SqueezeExcitation(16, 8),
            ConvNormActivation3(16, 16)
        )

    def forward(self, x):
        return self.block(x)


class InvertedResidual2(nn.Module):
    def __init__(self):
        super().__init__()
        self.block = nn.Sequential(
            ConvNormActivation2(16, 72, 1, kernel_size=1),
            ConvNormActivation2(72, 72, 72, stride=2), ConvNormActivation3(72, 24)
        )

    def forward(self, x):
        return self.block(x)


class InvertedResidual3(nn.Module):
    def __init__(self):
        super().__init__()
        self.block = nn.Sequential(
            ConvNormActivation2(24, 88, 1, kernel_size=1), ConvNormActivation2(88, 88, 88),
            ConvNormActivation3(88, 24)
        )

    def forward(self, x):
        result = self.block(x)
        result += x
        return result


class InvertedResidual4(nn.Module):
    def __init__(
        self, in_channels, out_channels, x2_choice_label, x2_choice_label_2, fc1_out_channels,
        layer_out_channels, stride=2
    ):
        super().__init__()
        self.block = Block(
            in_channels, out_channels, x2_choice_label, x2_choice_label_2, fc1_out_channels,
            layer_out_channels, stride=stride
        )

    def forward(self, x, plan):
        return self.block(x, plan)


class InvertedResidual5(nn.Module):
    def __init__(
        self, in_channels, out_channels, x2_choice_label, x2_choice_label_2, fc1_out_channels
    ):
        super().__init__()
        self.block = Block(
            in_channels, out_channels, x2_choice_label, x2_choice_label_2, fc1_out_channels,
            in_channels
        )

    def forward(self, x, plan):
        result = self.block(x, plan)
        result += x
        return result


class Features(nn.Sequential):
    def __init__(self):
        super().__init__()
        self.add_module("0", ConvNormActivation(3, 16, 3, "features.0.2", stride=2))
        self.add_module("1", InvertedResidual())
        self.add_module("2", InvertedResidual2())
        self.add_module("3", InvertedResidual3())
        self.add_module(
            "4", InvertedResidual4(24, 96, "features.4.block.0.2", "features.4.block.1.2", 24, 40)
        )
        self.add_module(
            "5", InvertedResidual5(40, 240, "features.5.block.0.2", "features.5.block.1.2", 64)
        )
        self.add_module(
            "6", InvertedResidual5(40, 240, "features.6.block.0.2", "features.6.block.1.2", 64)
        )
        self.add_module(
            "7",
            InvertedResidual4(
                40, 120, "features.7.block.0.2", "features.7.block.1.2", 32, 48, stride=1
            )
        )
        self.add_module(
            "8", InvertedResidual5(48, 144, "features.8.block.0.2", "features.8.block.1.2", 40)
        )
        self.add_module(
            "9", InvertedResidual4(48, 288, "features.9.block.0.2", "features.9.block.1.2", 72, 96)
        )
        self.add_module(
            "10", InvertedResidual5(96, 576, "features.10.block.0.2", "features.10.block.1.2", 144)
        )
        self.add_module(
            "11", InvertedResidual5(96, 576, "features.11.block.0.2", "features.11.block.1.2", 144)
        )
        self.add_module("12", ConvNormActivation(96, 576, 1, "features.12.2"))

    def forward(self, input, plan):
        x = self[0](input, plan)
        for block in list(self)[1:4]:
            x = block(x)
        for block in list(self)[4:]:
            x = block(x, plan)
        return x


class MobileNetV3(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = Features()
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = Classifier()

    def forward(self, x, *, plan):
        return self.classifier(self.avgpool(self.features(x, plan)).flatten(1), plan)


def build() -> nn.Module:
    return MobileNetV3()


if __name__ == "__main__":
    net = build().eval()
    print(f"parameters: {sum(p.numel() for p in net.parameters()):,}")
    output = net(
        x=torch.randn(2, 3, 32, 32),
        plan={
            "features.0.2": "original", "features.4.block.0.2": "original",
            "features.4.block.1.2": "original", "features.5.block.0.2": "original",
            "features.5.block.1.2": "original", "features.6.block.0.2": "original",
            "features.6.block.1.2": "original", "features.7.block.0.2": "original",
            "features.7.block.1.2": "original", "features.8.block.0.2": "original",
            "features.8.block.1.2": "original", "features.9.block.0.2": "original",
            "features.9.block.1.2": "original", "features.10.block.0.2": "original",
            "features.10.block.1.2": "original", "features.11.block.0.2": "original",
            "features.11.block.1.2": "original", "features.12.2": "original",
            "classifier.1": "original"
        }
    )
    print("output:", tuple(output.shape) if torch.is_tensor(output) else output)
