"""Variables of emitted files are called as the user's code calls them, where that changes nothing."""

from __future__ import annotations

import json

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import graphnas as gn
from graphnas.ir.storing import from_json, to_json

X = torch.randn(2, 3, 4, generator=torch.Generator().manual_seed(1))


class Attending(nn.Module):
    """Names of single values, of parts, of steps on the way, and names that cannot be kept."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv = nn.Linear(4, 12)
        self.rnn = nn.LSTM(4, 4, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(x).chunk(3, dim=-1)
        scores = q @ k.transpose(-1, -2)
        _guard = F.softmax(scores, dim=-1)
        mixed = _guard @ v + _guard.mean()
        if mixed.shape[0] > 5:
            return mixed
        first, second, third = torch.stack([mixed, mixed * 2, mixed * 3])
        sum = first + second * third
        out, (hidden, cell) = self.rnn(sum)
        state = self.rnn(sum * 2)
        return out + hidden.mean() + cell.mean() + state[1][0].mean() + sum


def source() -> str:
    torch.manual_seed(0)
    return gn.emit(gn.trace(Attending(), X))


@pytest.mark.parametrize(
    "line",
    [
        "q, k, v = self.qkv(x).chunk(3, dim=-1)",
        "out, (hidden, cell) = self.rnn(",
        "first, second, third = torch.stack(",
        "mixed = ",
        "sum_ = first + second * third",
        "_, (state_1_0, _) = self.rnn(",
    ],
)
def test_values_are_called_as_the_user_calls_them(line: str) -> None:
    assert line in source()


def test_names_that_the_file_needs_are_not_taken() -> None:
    assert "_guard = " not in source()
    assert "sum = " not in source()
    model = Attending().eval()
    assert torch.equal(gn.build(gn.trace(model, X), weights=model.state_dict()).eval()(X), model(X))


class Stale(nn.Module):
    """Gives a name anew while what was called so before is still needed."""

    def forward(self, x: Tensor) -> Tensor:
        y = x.exp() * x.sin() + x.cos()
        kept = y
        y = y.relu() + y.mean()
        y = y * y.sum()
        return kept + y * y


def test_a_name_is_not_given_while_its_old_value_is_needed() -> None:
    assert torch.equal(gn.build(gn.trace(Stale(), X))(X), Stale()(X))


def test_names_outlive_storing() -> None:
    graph = gn.trace(Attending(), X)
    assert gn.emit(from_json(to_json(graph))) == gn.emit(graph)


@pytest.mark.parametrize("name", ["x; import os", "class", "1", ["a", "b c"]])
def test_what_is_no_name_is_refused(name: object) -> None:
    data = json.loads(to_json(gn.trace(Attending(), X)))
    next(node for node in data["nodes"] if len(node.get("source", ())) == 3)["source"][2] = name
    with pytest.raises(gn.GraphError, match="no name of a variable"):
        from_json(json.dumps(data))
