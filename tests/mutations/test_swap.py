"""What is read of a layer outlives the layer's call."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

import graphnas as gn


class Casting(nn.Module):
    """Hands on the dtype of a layer's weight."""

    def __init__(self) -> None:
        super().__init__()
        self.linear, self.head = nn.Linear(4, 4), nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.linear(x.to(self.linear.weight.dtype)))


@pytest.mark.parametrize("option", ["original", "none"])
def test_a_layer_whose_weight_is_read_stays_when_its_call_goes(option: str) -> None:
    model = Casting()
    space = gn.mutate(gn.trace(model, torch.randn(2, 4)), gn.Swap("linear", {"none": nn.Identity}))
    ((label, choice),) = space.choices.items()
    child = gn.build(gn.specialize(space, {label: option if option in choice.options else choice.options[0]}))
    child.load_state_dict(model.state_dict())
    x = torch.randn(3, 4)
    assert torch.equal(child(x), model(x) if option == "original" else model.head(x))
