# The supernet ResNet, written by graphnas 0.1.0 from graph 74db74b7d3418b63.
import torch
from torch import nn

from graphnas.oneshot import runtime


class BasicBlock(nn.Module):
    def __init__(self, in_channels, relu_choice_label):
        super().__init__()
        self.relu_choice_label = relu_choice_label
        self.conv1 = nn.Conv2d(in_channels, in_channels, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(in_channels)
        self.relu = nn.ReLU()
        self.relu_silu = nn.SiLU()
        self.conv2 = nn.Conv2d(in_channels, in_channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(in_channels)

    def forward(self, x, plan):
        out = self.bn1(self.conv1(x))
        relu_choice = runtime.choose(
            plan[self.relu_choice_label],
            {"original": lambda: self.relu(out), "silu": lambda: self.relu_silu(out)}
        )
        bn2 = self.bn2(self.conv2(relu_choice))
        bn2 += x
        relu_choice_1 = runtime.choose(
            plan[self.relu_choice_label],
            {"original": lambda: self.relu(bn2), "silu": lambda: self.relu_silu(bn2)}
        )
        return relu_choice_1


class BasicBlock2(nn.Module):
    def __init__(self, in_channels, relu_choice_label):
        super().__init__()
        self.relu_choice_label = relu_choice_label
        self.conv1 = nn.Conv2d(in_channels, 2 * in_channels, 3, stride=2, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(2 * in_channels)
        self.relu = nn.ReLU()
        self.relu_silu = nn.SiLU()
        self.conv2 = nn.Conv2d(2 * in_channels, 2 * in_channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(2 * in_channels)
        self.downsample = nn.Sequential(
            nn.Conv2d(in_channels, 2 * in_channels, 1, stride=2, bias=False),
            nn.BatchNorm2d(2 * in_channels)
        )

    def forward(self, x, plan):
        out = self.bn1(self.conv1(x))
        relu_choice = runtime.choose(
            plan[self.relu_choice_label],
            {"original": lambda: self.relu(out), "silu": lambda: self.relu_silu(out)}
        )
        bn2 = self.bn2(self.conv2(relu_choice))
        downsample = self.downsample(x)
        bn2 += downsample
        relu_choice_1 = runtime.choose(
            plan[self.relu_choice_label],
            {"original": lambda: self.relu(bn2), "silu": lambda: self.relu_silu(bn2)}
        )
        return relu_choice_1


class Layer1(nn.Sequential):
    def __init__(self):
        super().__init__()
        self.add_module("0", BasicBlock(64, "layer1.0.relu"))
        self.add_module("1", BasicBlock(64, "layer1.1.relu"))

    def forward(self, input, plan):
        x = input
        for block in self:
            x = block(x, plan)
        return x


class Layer2(nn.Sequential):
    def __init__(self):
        super().__init__()
        self.add_module("0", BasicBlock2(64, "layer2.0.relu"))
        self.add_module("1", BasicBlock(128, "layer2.1.relu"))

    def forward(self, input, plan):
        x = input
        for block in self:
            x = block(x, plan)
        return x


class Layer3(nn.Sequential):
    def __init__(self):
        super().__init__()
        self.add_module("0", BasicBlock2(128, "layer3.0.relu"))
        self.add_module("1", BasicBlock(256, "layer3.1.relu"))

    def forward(self, input, plan):
        x = input
        for block in self:
            x = block(x, plan)
        return x


class Layer4(nn.Sequential):
    def __init__(self):
        super().__init__()
        self.add_module("0", BasicBlock2(256, "layer4.0.relu"))
        self.add_module("1", BasicBlock(512, "layer4.1.relu"))

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
        self.fc = nn.Linear(512, 1000)

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
            "layer2.0.relu": "original", "layer2.1.relu": "original", "layer3.0.relu": "original",
            "layer3.1.relu": "original", "layer4.0.relu": "original", "layer4.1.relu": "original"
        }
    )
    print("output:", tuple(output.shape) if torch.is_tensor(output) else output)
