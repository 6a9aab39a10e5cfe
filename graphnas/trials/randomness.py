"""Seeds of trials."""

from __future__ import annotations

import hashlib
import random
import sys


def trial_seed(seed: int, key: str) -> int:
    """A seed for the trial whose architecture and parameters have this key: the same at every attempt and repeat."""
    return int.from_bytes(hashlib.sha256(f"{seed} {key}".encode()).digest()[:4], "big") >> 1


def start(seed: int) -> None:
    """Starts Python's generator and those of numpy and torch, where these are loaded already."""
    random.seed(seed)
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed(seed)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(seed)
