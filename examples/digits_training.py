"""Data and training for networks that read digits: plain PyTorch, the same for every network."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import Tensor, nn

if TYPE_CHECKING:
    from graphnas import Trial

EPOCHS = 8
BATCH = 32
Part = tuple[Tensor, Tensor]


@functools.cache
def digits() -> dict[str, Part]:
    """Images (n, 1, 8, 8) and labels (n,) in three parts: "train", "valid" for the search, "test" for the end alone."""
    images, labels = load_digits(return_X_y=True)
    rest, test, rest_labels, test_labels = train_test_split(
        images, labels, test_size=450, stratify=labels, random_state=0
    )
    train, valid, train_labels, valid_labels = train_test_split(
        rest, rest_labels, test_size=350, stratify=rest_labels, random_state=0
    )
    parts = {"train": (train, train_labels), "valid": (valid, valid_labels), "test": (test, test_labels)}
    return {name: (_images(pixels), torch.as_tensor(classes)) for name, (pixels, classes) in parts.items()}


def train(network: nn.Module, seed: int) -> nn.Module:
    """Trains a network in place; the same seed shuffles the same."""
    torch.manual_seed(seed)
    images, labels = digits()["train"]
    steps = EPOCHS * (len(images) // BATCH)
    optimizer = torch.optim.AdamW(network.parameters(), lr=3e-3, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=3e-3, total_steps=steps)
    network.train()
    for _ in range(EPOCHS):
        for batch in torch.randperm(len(images))[: len(images) // BATCH * BATCH].split(BATCH):
            optimizer.zero_grad()
            F.cross_entropy(network(images[batch]), labels[batch]).backward()
            optimizer.step()
            schedule.step()
    return network.eval()


def accuracy(network: nn.Module, part: str) -> float:
    """The share of right answers on "valid" or "test"."""
    images, labels = digits()[part]
    with torch.no_grad():
        right = network.eval()(images).argmax(1) == labels
    return right.double().mean().item()


def evaluate(trial: Trial) -> float:
    """Accuracy of an architecture on the validation part after a training from its own start."""
    torch.set_num_threads(1)
    return accuracy(train(trial.build(), trial.seed), "valid")


def _images(pixels: Tensor) -> Tensor:
    return torch.as_tensor(pixels, dtype=torch.float32).view(-1, 1, 8, 8) / 16
