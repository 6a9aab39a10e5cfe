"""The verb `doctor`: what is installed, what is missing, and the line that mends it."""

from __future__ import annotations

import importlib.metadata
import platform
import subprocess
import sys
from typing import Any

import typer

from graphnas.cli.output import AsJson, answer, table
from graphnas.version import VERSION

REQUIRED = ("torch", "numpy", "scipy", "networkx", "onnx", "tensorboard", "safetensors", "typer", "rich")
OPTIONAL = {  # package → extra, and what it is for
    "scikit-learn": ("demo", "the demo's data"),
    "torchvision": ("zoo", "published networks to begin with"),
    "timm": ("zoo", "published networks to begin with"),
    "transformers": ("zoo", "published networks to begin with"),
}
PROBES = {  # package → code that fails where it is installed but does not work, and what to do then
    "torch": ("import torch; torch.zeros(1) + 1", "pip install --force-reinstall torch"),
    "torchvision": (
        "import torchvision",
        "pip install --force-reinstall torch torchvision  # both of one release and one build, CPU or CUDA",
    ),
}


def doctor(as_json: AsJson = False) -> None:
    """Say what is installed, what is missing, and how to mend it."""
    rows = [_row(package, "required", "") for package in REQUIRED]
    rows += [_row(package, f"extra {extra}", purpose) for package, (extra, purpose) in OPTIONAL.items()]
    broken = [row for row in rows if row["remedy"] and (row["needed"] == "required" or row["state"] == "broken")]
    data = {"graphnas": VERSION, "python": platform.python_version(), "healthy": not broken, "packages": rows}
    columns = ("package", "version", "needed", "state", "for", "remedy")
    text = table(columns, ([row[column] for column in columns] for row in rows))
    verdict = (
        "Everything needed is there." if not broken else f"{len(broken)} packages need mending; see the last column."
    )
    answer(data, f"graphnas {VERSION} on Python {platform.python_version()}\n{text}\n{verdict}", as_json)
    if broken:
        raise typer.Exit(1)


def _row(package: str, needed: str, purpose: str) -> dict[str, Any]:
    row = {"package": package, "version": "", "needed": needed, "state": "works", "for": purpose, "remedy": ""}
    try:
        row["version"] = importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        extra = needed.removeprefix("extra ")
        wanted = package if needed == "required" else f"'graphnas[{extra}]'"
        return {**row, "state": "missing", "remedy": f"pip install {wanted}"}
    code, remedy = PROBES.get(package, ("", ""))
    if code:
        tried = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        if tried.returncode:
            reason = (tried.stderr.strip().splitlines() or ["no message"])[-1]
            return {**row, "state": "broken", "for": reason, "remedy": remedy}
    return row
