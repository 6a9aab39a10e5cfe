"""Public data that tests and benchmarks read, where somebody has it."""

from __future__ import annotations

import csv
import gzip
import json
import os
from pathlib import Path
from typing import Any


def data_file(name: str) -> Path:
    """A file of the folder that GRAPHNAS_DATA names, else of `data/` at the top of the checkout; it may be absent."""
    folder = os.environ.get("GRAPHNAS_DATA")
    return (Path(folder) if folder else Path(__file__).parents[1] / "data") / name


def table(path: Path) -> list[dict[str, str]]:
    """The rows of a packed table, by column."""
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def document(path: Path) -> Any:
    """What a JSON file holds."""
    return json.loads(path.read_text(encoding="utf-8"))
