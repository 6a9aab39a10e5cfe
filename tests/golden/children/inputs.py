# The network Net, written by graphnas 0.1.0 from graph 5f7bd2257b0dbded.
import torch
from torch import nn


class A(nn.Sequential):
    def __init__(self):
        super().__init__()
        self.add_module("0", nn.Linear(6, 6))
        self.add_module("2", nn.Linear(6, 6))

    def forward(self, input):
        x = self[0](input)
        out = self[1](input)
        return (out, x)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Linear(6, 6)
        self.a = A()
        self.b = nn.Sequential(nn.Linear(6, 6), nn.Tanh())
        self.head = nn.Linear(6, 2)

    def forward(self, x):
        x, out = self.a(self.stem(x))
        return self.head(self.b(self.b(x)) + out)


def build() -> nn.Module:
    return Net()


if __name__ == "__main__":
    net = build().eval()
    print(f"parameters: {sum(p.numel() for p in net.parameters()):,}")
    output = net(x=torch.randn(3, 6))
    print("output:", tuple(output.shape) if torch.is_tensor(output) else output)
