# The supernet Net, written by graphnas 0.1.0 from graph accf966f61dff2cf.
import torch
from torch import nn

from graphnas.oneshot import runtime


class A(nn.Sequential):
    def __init__(self):
        super().__init__()
        self.add_module("0", nn.Linear(6, 6))
        self.add_module("1", nn.ReLU())
        self.add_module("2", nn.Linear(6, 6))

    def forward(self, input, plan):
        x = runtime.lazy(lambda: self[0](input))
        def value():
            x2_input = runtime.choose(
                plan["a.2.input"], {"original": lambda: self[1](x()), "stem": lambda: input}
            )
            return self[2](x2_input)
        return (runtime.lazy(value), x)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Linear(6, 6)
        self.a = A()
        self.b = nn.Sequential(nn.Linear(6, 6), nn.Tanh())
        self.head = nn.Linear(6, 2)

    def forward(self, x, *, plan):
        out = self.stem(x)
        a, a_1 = self.a(out, plan)
        head_input = runtime.choose(
            plan["head.input"], {"original": lambda: self.b(self.b(a())), "a.0": a_1}, merge="sum"
        )
        return self.head(head_input)


def build() -> nn.Module:
    return Net()


if __name__ == "__main__":
    net = build().eval()
    print(f"parameters: {sum(p.numel() for p in net.parameters()):,}")
    output = net(x=torch.randn(3, 6), plan={"a.2.input": "original", "head.input": ("original",)})
    print("output:", tuple(output.shape) if torch.is_tensor(output) else output)
