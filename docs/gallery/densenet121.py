# The network DenseNet, written by graphnas 0.1.0 from graph 3aa1be9a7e2dce8a.
import torch
from torch import nn


class DenseLayer(nn.Module):
    def __init__(self, num_features):
        super().__init__()
        self.norm1 = nn.BatchNorm2d(num_features)
        self.relu1 = nn.ReLU(inplace=True)
        self.conv1 = nn.Conv2d(num_features, 16, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(16)
        self.relu2 = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(16, 4, 3, padding=1, bias=False)

    def forward(self, x):
        x = self.norm2(self.conv1(self.relu1(self.norm1(x))))
        return self.conv2(self.relu2(x))


class Transition(nn.Sequential):
    def __init__(self, num_features):
        super().__init__()
        self.norm = nn.BatchNorm2d(num_features)
        self.relu = nn.ReLU(inplace=True)
        self.conv = nn.Conv2d(num_features, num_features // 2, 1, bias=False)
        self.pool = nn.AvgPool2d(2, stride=2)

    def forward(self, input):
        return self[3](self[2](self[1](self[0](input))))


class DenseBlock(nn.Module):
    def __init__(self, num_features, depth):
        super().__init__()
        self.layers = nn.ModuleList(DenseLayer(num_features + 4 * place) for place in range(depth))

    def forward(self, x):
        features = [x]
        for layer in self.layers:
            features.append(layer(torch.cat(features, 1)))
        return torch.cat(features, 1)


class DenseNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv0 = nn.Conv2d(3, 8, 7, stride=2, padding=3, bias=False)
        self.norm0 = nn.BatchNorm2d(8)
        self.relu0 = nn.ReLU(inplace=True)
        self.pool0 = nn.MaxPool2d(3, stride=2, padding=1)
        self.blocks = nn.Sequential(
            DenseBlock(8, 6), Transition(32), DenseBlock(16, 12), Transition(64),
            DenseBlock(32, 24), Transition(128), DenseBlock(64, 16)
        )
        self.norm5 = nn.BatchNorm2d(128)
        self.relu5 = nn.ReLU(inplace=True)
        self.classifier = nn.Linear(128, 10)

    def forward(self, x):
        x = self.pool0(self.relu0(self.norm0(self.conv0(x))))
        x = self.relu5(self.norm5(self.blocks(x))).mean((2, 3))
        return self.classifier(x)


def build() -> nn.Module:
    return DenseNet()


if __name__ == "__main__":
    net = build().eval()
    print(f"parameters: {sum(p.numel() for p in net.parameters()):,}")
    output = net(x=torch.randn(2, 3, 32, 32))
    print("output:", tuple(output.shape) if torch.is_tensor(output) else output)
