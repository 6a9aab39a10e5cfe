"""What makes a study this study: a directory is continued by the same and refused to another."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import sys
import time
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

from graphnas.errors import TrialError
from graphnas.ir.storing import digest
from graphnas.strategies.strategy import Strategy
from graphnas.trials.problem import Problem
from graphnas.version import VERSION

# Column of the store → what a person calls it.
_IDENTITY = {
    "space_hash": "space",
    "objective": "objectives",
    "metrics": "metrics",
    "parameters": "parameters",
    "strategy": "strategy",
    "seed": "seed",
}


def row_of(problem: Problem, strategy: Strategy, seed: int, lag: int, name: str) -> dict[str, Any]:
    """The row of a study in its store."""
    return {
        "name": name,
        "space_hash": digest(problem.joint),
        **problem.description(),
        "strategy": described(strategy),
        "seed": seed,
        "lag": lag,
        "env": json.dumps(environment()),
        "created": time.time(),
    }


def described(strategy: Strategy) -> str:
    """A strategy by its class and, of a dataclass, the values that it was made with."""
    kind = type(strategy).__qualname__
    if not is_dataclass(strategy):
        return kind
    settings = ", ".join(f"{item.name}={getattr(strategy, item.name)!r}" for item in fields(strategy) if item.init)
    return f"{kind}({settings})"


def environment() -> dict[str, Any]:
    """What a study ran on: versions and processors."""
    versions: dict[str, str] = {}
    for package in ("torch", "numpy"):
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return {
        "graphnas": VERSION,
        "python": platform.python_version(),
        **versions,
        "platform": sys.platform,
        "machine": platform.machine(),
        "processors": os.cpu_count(),
        "threads": os.environ.get("OMP_NUM_THREADS"),
    }


def check(stored: Mapping[str, Any], wanted: Mapping[str, Any], directory: Path) -> None:
    """Refuses to continue a study by another.

    Raises:
        TrialError: they differ; the message names in what.
    """
    for column, name in _IDENTITY.items():
        if stored[column] != wanted[column]:
            shown = [str(row[column])[:12] if column == "space_hash" else str(row[column]) for row in (stored, wanted)]
            raise TrialError(
                f"the directory holds a study with {'other' if name.endswith('s') else 'another'} {name}: "
                f"{shown[0]}, not {shown[1]}\n"
                f"  at {directory}. Give another directory, or the same {name} to continue."
            )
