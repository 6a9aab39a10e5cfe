"""What a benchmark found, as JSON and as a page."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from typing import Any

import torch

from graphnas.version import VERSION

PACKAGES = ("torch", "numpy", "ruff")


@dataclass(frozen=True, slots=True)
class Report:
    """Figures of a benchmark.

    Attributes:
        figures: what documents may claim, by name.
        bars: the most that a figure should be, where there is such a bar.
        rows: everything measured.
        absent: what could not be measured, with the reason.
    """

    figures: Mapping[str, float]
    bars: Mapping[str, float]
    rows: Sequence[Mapping[str, Any]]
    absent: Sequence[str] = ()

    def as_dict(self, name: str) -> dict[str, Any]:
        """As the one JSON object that a benchmark prints."""
        settings = {**context(), "bars": dict(self.bars), "absent": list(self.absent)}
        return {"name": name, "figures": dict(self.figures), "context": settings, "rows": list(self.rows)}


def context() -> dict[str, Any]:
    """Versions, threads and load: what figures depend on."""
    return {
        "graphnas": VERSION,
        "python": platform.python_version(),
        **{package: _version(package) for package in PACKAGES},
        "machine": platform.machine(),
        "threads": torch.get_num_threads(),
        "load": [round(value, 2) for value in os.getloadavg()],
    }


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "absent"


def page(result: Mapping[str, Any], description: str, command: str = "") -> str:
    """The result as Markdown.

    Args:
        result: as a report gives it.
        description: stands above the figures.
        command: what wrote it, unless that is the benchmark of its name.
    """
    command = command or f"python -m benchmarks {result['name']} --write"
    bars = result["context"]["bars"]
    figures = [
        {
            "figure": f"`{name}`",
            "value": value,
            "bar": f"≤ {bars[name]:g}" if name in bars else "",
            "holds": ("yes" if value <= bars[name] else "**no**") if name in bars else "",
        }
        for name, value in result["figures"].items()
    ]
    stated = {key: value for key, value in result["context"].items() if key not in ("bars", "absent")}
    parts = [
        f"# {result['name']}",
        f"<!-- Written by `{command}`; do not edit. -->",
        description.strip(),
        _table(figures),
        *(f"Absent: {reason}" for reason in result["context"]["absent"]),
        "## Measured with",
        ", ".join(f"{key} {value}" for key, value in stated.items()),
        "## Rows",
        *(_table(group) for group in _alike(result["rows"])),
    ]
    return "\n\n".join(parts) + "\n"


def _alike(rows: Sequence[Mapping[str, Any]]) -> list[list[Mapping[str, Any]]]:
    """Rows in tables of equal columns, in order."""
    groups: dict[tuple[str, ...], list[Mapping[str, Any]]] = {}
    for row in rows:
        groups.setdefault(tuple(row), []).append(row)
    return list(groups.values())


def _table(rows: Sequence[Mapping[str, Any]]) -> str:
    columns = list(rows[0])
    lines = [columns, ["---"] * len(columns), *([_cell(row[column]) for column in columns] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return value if isinstance(value, str) else json.dumps(value)
