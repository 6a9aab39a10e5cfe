"""Generated images and fresh weights in the form of the data that the example of ResNet-20 reads."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from examples.cifar_training import IMAGES, WEIGHTS
from examples.resnet20 import ResNet20

TRAINING, TEST = 200, 40
SCAN = b"\xff\xda"  # the marker of JPEG


def write(folder: Path) -> None:
    """Writes both files: images of a gray that tells the class, with noise, and weights of a network not trained."""
    rng = np.random.default_rng(0)
    labels = rng.integers(10, size=TRAINING + TEST).astype(np.uint8)
    pixels = labels[:, None, None, None] * 25.0 + rng.uniform(0, 10, (len(labels), 32, 32, 3))
    files = [_jpeg(image) for image in pixels.astype(np.uint8)]
    start = files[0].rindex(SCAN) + len(SCAN) + 12  # the marker heads a segment of 12 bytes
    header, scans = files[0][:start], [file[start:] for file in files]
    np.savez(
        folder / IMAGES,
        header=np.frombuffer(header, np.uint8),
        scan=np.frombuffer(b"".join(scans), np.uint8),
        length=np.array([len(scan) for scan in scans], np.uint16),
        label=labels,
        n_train=TRAINING,
    )
    torch.manual_seed(0)
    np.savez(folder / WEIGHTS, **{name: tensor.numpy() for name, tensor in ResNet20().state_dict().items()})


def _jpeg(pixels: np.ndarray) -> bytes:
    with io.BytesIO() as file:
        Image.fromarray(pixels).save(file, "JPEG")
        return file.getvalue()
