"""The comparison on inputs unlike the traced ones tells a refusal from a wrong answer."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

import graphnas as gn
from tests.zoo.model import Model, image, words
from tests.zoo.soundness import jobs, totals


class Masked(nn.Module):
    """Looks at its mask, as published networks do."""

    def __init__(self, looks: bool) -> None:
        super().__init__()
        self.looks = looks
        self.embedding = nn.Embedding(99, 4)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """What is padding counts nothing."""
        x: Tensor = self.embedding(input_ids)
        if self.looks and attention_mask.all():
            return x.mean(1)
        return (x * attention_mask[..., None]).sum(1) / attention_mask.sum(1, keepdim=True)


def texts(looks: bool) -> Model:
    """The network with a mask that leaves one word of every row out."""
    return Model(
        "masked",
        lambda: Masked(looks),
        lambda batch: {
            "input_ids": words(batch, 11),
            "attention_mask": (torch.arange(11) < 10).long().expand(batch, -1),
        },
    )


def test_what_looks_at_no_mask_is_right_on_all() -> None:
    for name, job in jobs([texts(False)]).items():
        assert name.endswith(": masked")
        answer = job()
        assert (answer["right"], answer["others"], answer["reason"]) == (18, 14 if "both" in name else 16, "")


@pytest.mark.parametrize(("how", "right"), [("padded", 12), ("full", 6), ("both", 18)])
def test_a_refusal_is_no_wrong_answer(how: str, right: int) -> None:
    answer = jobs([texts(True)])[f"texts, traced {how}: masked"]()
    refused = answer.get("refused", 0) + answer.get("needless", 0)
    assert (answer["right"], refused, answer.get("wrong", 0)) == (right, 18 - right, 0)
    assert ("test_soundness.py:" in answer["reason"]) == (how != "both")


class Changing(nn.Module):
    """Another function at every build: its graph is none of the network that it is compared with."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(3))
        self.register_buffer("drawn", torch.rand(3), persistent=False)

    def forward(self, input: Tensor) -> Tensor:
        """A sum of channels."""
        return (input * (self.weight + self.drawn)[:, None, None]).sum(1)


def test_a_wrong_answer_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    model = Model("changing", Changing, image("input", 3, 32, 32))
    (job,) = jobs([model]).values()
    assert job() == {"right": 8, "others": 6, "reason": ""}
    build = gn.build

    def wrong(*args: Any, **kwargs: Any) -> nn.Module:
        network = build(*args, **kwargs)
        network.get_buffer("drawn").add_(1)
        return network

    monkeypatch.setattr(gn, "build", wrong)
    assert job()["wrong"] == 8


def test_an_image_of_another_size_is_compared() -> None:
    model = Model("convolved", lambda: nn.Sequential(nn.Conv2d(3, 2, 3), nn.Flatten(2)), image("input", 3, 32, 32))
    (job,) = jobs([model]).values()
    assert job() == {"right": 8, "others": 6, "reason": ""}


def test_totals_count_calls_and_networks() -> None:
    found = {"a: x": {"right": 2, "others": 1}, "a: y": {"right": 1, "wrong": 1, "others": 1}, "a: z": {"right": 1}}
    found["b: x"] = {"failed": 3, "others": 3}
    first, second = totals(found).splitlines()
    assert first == "a: 4 right, 0 needless, 0 refused, 1 wrong, 0 failed, of 5 calls; all right in 1 of 2 networks"
    assert second.endswith("3 failed, of 3 calls; all right in 0 of 1 networks")
