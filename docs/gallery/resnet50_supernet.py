# The supernet ResNet, written by graphnas 0.1.0 from graph e9c46c97e5766fa9.
import torch
from torch import nn

from graphnas.oneshot import runtime


class Bottleneck(nn.Module):
    def __init__(self, in_channels, out_channels, relu_choice_label, stride=2):
        super().__init__()
        self.relu_choice_label = relu_choice_label
        self.conv1 = nn.Conv2d(in_channels, out_channels, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, stride=stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(out_channels)
        self.conv3 = nn.Conv2d(out_channels, 4 * out_channels, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * out_channels)
        self.relu = nn.ReLU()
        self.relu_silu = nn.SiLU()
        self.downsample = nn.Sequential(
            nn.Conv2d(in_channels, 4 * out_channels, 1, stride=stride, bias=False),
            nn.BatchNorm2d(4 * out_channels)
        )

    def forward(self, x, plan):
        out = self.bn1(self.conv1(x))
        relu_choice = runtime.choose(
            plan[self.relu_choice_label],
            {"original": lambda: self.relu(out), "silu": lambda: self.relu_silu(out)}
        )
        bn2 = self.bn2(self.conv2(relu_choice))
        relu_choice_1 = runtime.choose(
            plan[self.relu_choice_label],
            {"original": lambda: self.relu(bn2), "silu": lambda: self.relu_silu(bn2)}
        )
        bn3 = self.bn3(self.conv3(relu_choice_1))
        downsample = self.downsample(x)
        bn3 += downsample
        relu_choice_2 = runtime.choose(
            plan[self.relu_choice_label],
            {"original": lambda: self.relu(bn3), "silu": lambda: self.relu_silu(bn3)}
        )
        return relu_choice_2


class Bottleneck2(nn.Module):
    def __init__(self, in_channels, relu_choice_label):
        super().__init__()
        self.relu_choice_label = relu_choice_label
        self.conv1 = nn.Conv2d(in_channels, in_channels // 4, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(in_channels // 4)
        self.conv2 = nn.Conv2d(in_channels // 4, in_channels // 4, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(in_channels // 4)
        self.conv3 = nn.Conv2d(in_channels // 4, in_channels, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(in_channels)
        self.relu = nn.ReLU()
        self.relu_silu = nn.SiLU()

    def forward(self, x, plan):
        out = self.bn1(self.conv1(x))
        relu_choice = runtime.choose(
            plan[self.relu_choice_label],
            {"original": lambda: self.relu(out), "silu": lambda: self.relu_silu(out)}
        )
        bn2 = self.bn2(self.conv2(relu_choice))
        relu_choice_1 = runtime.choose(
            plan[self.relu_choice_label],
            {"original": lambda: self.relu(bn2), "silu": lambda: self.relu_silu(bn2)}
        )
        bn3 = self.bn3(self.conv3(relu_choice_1))
        bn3 += x
        relu_choice_2 = runtime.choose(
            plan[self.relu_choice_label],
            {"original": lambda: self.relu(bn3), "silu": lambda: self.relu_silu(bn3)}
        )
        return relu_choice_2


class Layer1(nn.Sequential):
    def __init__(self):
        super().__init__()
        self.add_module("0", Bottleneck(64, 64, "layer1.0.relu", stride=1))
        self.add_module("1", Bottleneck2(256, "layer1.1.relu"))
        self.add_module("2", Bottleneck2(256, "layer1.2.relu"))

    def forward(self, input, plan):
        x = input
        for block in self:
            x = block(x, plan)
        return x


class Layer2(nn.Sequential):
    def __init__(self):
        super().__init__()
        self.add_module("0", Bottleneck(256, 128, "layer2.0.relu"))
        self.add_module("1", Bottleneck2(512, "layer2.1.relu"))
        self.add_module("2", Bottleneck2(512, "layer2.2.relu"))
        self.add_module("3", Bottleneck2(512, "layer2.3.relu"))

    def forward(self, input, plan):
        x = input
        for block in self:
            x = block(x, plan)
        return x


class Layer3(nn.Sequential):
    def __init__(self):
        super().__init__()
        self.add_module("0", Bottleneck(512, 256, "layer3.0.relu"))
        self.add_module("1", Bottleneck2(1024, "layer3.1.relu"))
        self.add_module("2", Bottleneck2(1024, "layer3.2.relu"))
        self.add_module("3", Bottleneck2(1024, "layer3.3.relu"))
        self.add_module("4", Bottleneck2(1024, "layer3.4.relu"))
        self.add_module("5", Bottleneck2(1024, "layer3.5.relu"))

    def forward(self, input, plan):
        x = input
        for block in self:
            x = block(x, plan)
        return x


class Layer4(nn.Sequential):
    def __init__(self):
        super().__init__()
        self.add_module("0", Bottleneck(1024, 512, "layer4.0.relu"))
        self.add_module("1", Bottleneck2(2048, "layer4.1.relu"))
        self.add_module("2", Bottleneck2(2048, "layer4.2.relu"))

    def forward(self, input, plan):
        x = input
        for block in self:
            x = block(x, plan)
        return x


class ResNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU()
        self.relu_silu = nn.SiLU()
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        self.layer1 = Layer1()
        self.layer2 = Layer2()
        self.layer3 = Layer3()
        self.layer4 = Layer4()
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(2048, 1000)

    def forward(self, x, *, plan):
        out = self.bn1(self.conv1(x))
        relu_choice = runtime.choose(
            plan["relu"], {"original": lambda: self.relu(out), "silu": lambda: self.relu_silu(out)}
        )
        layer3 = self.layer3(self.layer2(self.layer1(self.maxpool(relu_choice), plan), plan), plan)
        return self.fc(self.avgpool(self.layer4(layer3, plan)).flatten(1))


def build() -> nn.Module:
    return ResNet()


if __name__ == "__main__":
    net = build().eval()
    print(f"parameters: {sum(p.numel() for p in net.parameters()):,}")
    output = net(
        x=torch.randn(2, 3, 32, 32),
        plan={
            "relu": "original", "layer1.0.relu": "original", "layer1.1.relu": "original",
            "layer1.2.relu": "original", "layer2.0.relu": "original", "layer2.1.relu": "original",
            "layer2.2.relu": "original", "layer2.3.relu": "original", "layer3.0.relu": "original",
            "layer3.1.relu": "original", "layer3.2.relu": "original", "layer3.3.relu": "original",
            "layer3.4.relu": "original", "layer3.5.relu": "original", "layer4.0.relu": "original",
            "layer4.1.relu": "original", "layer4.2.relu": "original"
        }
    )
    print("output:", tuple(output.shape) if torch.is_tensor(output) else output)
