"""Prints the accuracy of an exported network, without graphnas: `python -I digits_check.py child.py`."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

from safetensors.torch import load_file


class WithoutGraphnas:
    """Makes every import of graphnas fail, installed or not."""

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> ModuleSpec | None:
        if name.partition(".")[0] == "graphnas":
            raise ModuleNotFoundError(f"{name} is kept away here")
        return None


def main(file: Path) -> None:
    """Builds the network of a file, loads the weights beside it, and runs it on the held-out part."""
    sys.meta_path.insert(0, WithoutGraphnas)
    sys.path.insert(0, str(Path(__file__).parent))
    training = importlib.import_module("digits_training")
    spec = importlib.util.spec_from_file_location("child", file)
    if spec is None or spec.loader is None:
        raise SystemExit(f"{file} is no Python file")
    child = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(child)
    net = child.build()
    net.load_state_dict(load_file(file.with_suffix(".safetensors")))
    print(f"{training.accuracy(net, 'test'):.4f}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
