"""Modules that cannot be recorded, as people write them."""

from __future__ import annotations

import math
import random
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

SLOPE = 0.1


def shifted(x: Tensor) -> Tensor:
    """Used by a module below."""
    return x + SLOPE


class Numpy(nn.Module):
    """A round trip through numpy."""

    def __init__(self, width: int, scale: float = 2.0) -> None:
        super().__init__()
        self.width = width
        self.scale = scale
        self.lin = nn.Linear(width, width)
        self.norm = nn.BatchNorm1d(width)
        self.drop = nn.Dropout(0.25)

    def forward(self, x: Tensor) -> Tensor:
        y = self.drop(self.norm(self.lin(x)))
        return y + torch.tensor(np.tanh(x.detach().numpy()) * self.scale)


class Doubled(torch.autograd.Function):
    """The identity, with twice the gradient."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.clone()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:  # type: ignore[override]
        return 2 * gradient


class OwnBackward(nn.Module):
    """A function with a backward of its own."""

    def forward(self, x: Tensor) -> Tensor:
        return shifted(Doubled.apply(x)) * math.sqrt(2)


class Counting(nn.Module):
    """State of Python that every call changes."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        return x * self.calls


class Several(nn.Module):
    """Returns a dict of a tensor, a pair, a number and a truth value."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width
        self.lin = nn.Linear(width, width)

    def forward(self, x: Tensor) -> dict[str, Any]:
        y = self.lin(torch.tensor(x.detach().numpy()))
        return {"y": y, "pair": (x * 2, y + 1), "count": int((x.detach().numpy() > -9).sum()), "some": True}


class Reading(nn.Module):
    """Reads all that `Several` returns."""

    def __init__(self) -> None:
        super().__init__()
        self.several = Several(6)

    def forward(self, x: Tensor) -> Tensor:
        found = self.several(x)
        first, second = found["pair"]
        result = found["y"] * found["count"] + first - second
        return result if found["some"] else x


class Writing(nn.Module):
    """Writes to what it is given, which nobody sees."""

    def forward(self, x: Tensor) -> Tensor:
        x.detach().numpy()[...] *= 2
        x.mul_(1)
        return x * 1


class Around(nn.Module):
    """Holds one that writes."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = Writing()

    def forward(self, x: Tensor) -> Tensor:
        y = x + 1
        return self.inner(y) + y


class Unknown(nn.Module):
    """What it was built with is nowhere."""

    def __init__(self, factor: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((6,), float(factor)))

    def forward(self, x: Tensor) -> Tensor:
        return torch.tensor(x.detach().numpy()) * self.weight


class LayerDrop(nn.Module):
    """Python decides by a random number whether a layer is left out in training."""

    def __init__(self) -> None:
        super().__init__()
        self.lin = nn.Linear(6, 6)

    def forward(self, x: Tensor) -> Tensor:
        return x if self.training and random.random() < 0.5 else self.lin(x)


class Averaging(nn.Module):
    """A running average that the first call begins, in a buffer that until then is None."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("average", None)

    def forward(self, x: Tensor) -> Tensor:
        mean = x.detach().mean(0)
        self.average = mean if self.average is None else 0.9 * self.average + 0.1 * mean
        return x - self.average


class Stepping(nn.Module):
    """A number of calls in a tensor that is no buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.step = torch.zeros(1)

    def forward(self, x: Tensor) -> Tensor:
        self.step = self.step + 1
        return x / self.step


class Started(nn.Module):
    """A number of calls in a buffer that the first of them registers."""

    def forward(self, x: Tensor) -> Tensor:
        if not hasattr(self, "step"):
            self.register_buffer("step", torch.zeros(1))
        self.step.add_(1)  # type: ignore[operator, union-attr]
        return x / self.step


def local() -> nn.Module:
    """A module whose class stands in a function."""

    class Local(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.tensor(x.detach().numpy())

    return Local()


CALLS = [0]


class Telling(nn.Module):
    """Counts its calls in a variable of the file."""

    def forward(self, x: Tensor) -> Tensor:
        CALLS[0] += 1
        return x * CALLS[0]


class Choosy(nn.Module):
    """Raises where it is given a number that is not a plain one."""

    def forward(self, x: Tensor, size: int) -> Tensor:
        if type(size) is not int:
            raise TypeError("a plain number is needed")
        return x / size


class Given(nn.Module):
    """Gives a size to one that wants plain numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.choosy = Choosy()

    def forward(self, x: Tensor) -> Tensor:
        return self.choosy(x, x.shape[0])


class Net(nn.Module):
    """A module of the kind above between layers."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.first = nn.Linear(6, 6)
        self.inner = inner
        self.act = nn.ReLU()
        self.last = nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.act(self.inner(self.first(x))))


class Tied(nn.Module):
    """A weight inside a module that cannot be recorded is another layer's too, and the module is called twice."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = Numpy(6)
        self.tied = nn.Linear(6, 6)
        self.tied.weight = self.inner.lin.weight

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(self.tied(self.inner(x))) + self.inner.lin.bias


class Guarded(nn.Module):
    """A bare parameter, and a decision on a size."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(6))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.scale if x.shape[0] > 2 else x


class Sharing(nn.Module):
    """A layer inside a module that cannot be recorded has the weight of an earlier one."""

    def __init__(self) -> None:
        super().__init__()
        self.tied = nn.Linear(6, 6)
        self.inner = Numpy(6)
        self.inner.lin.weight = self.tied.weight

    def forward(self, x: Tensor) -> Tensor:
        return self.tied(self.inner(x))


class Sometimes(nn.Module):
    """Goes through a module that cannot be recorded only with many rows."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = Numpy(6)
        self.act = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x) if x.shape[0] > 3 else self.act(x)
