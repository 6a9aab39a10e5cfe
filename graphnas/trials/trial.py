"""One trial: what `evaluate` is given, and what a study keeps of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graphnas.errors import GraphNASError
from graphnas.ir.choice import Option
from graphnas.trials import child

if TYPE_CHECKING:
    import torch

REPORTS = "reports.jsonl"


class StopTrial(GraphNASError):  # noqa: N818 - it ends a trial and is no error
    """Ends a trial early on purpose: it is kept as stopped, not as failed, and the strategy is told no metrics."""


@dataclass(frozen=True)
class Trial:
    """What `evaluate` is given.

    Attributes:
        number: which trial of the study it is, from 1.
        arch: label → option.
        parameters: training settings, those that are searched along among them.
        file: the generated source of the network; it needs torch alone.
        seed: the same for the same architecture, parameters and study; `random`, numpy and torch start from it.
        device: where to train, such as "cpu" or "cuda:0".
        directory: of this attempt alone, for checkpoints.
    """

    number: int
    arch: Mapping[str, Option]
    parameters: Mapping[str, Any]
    file: Path
    seed: int
    device: str
    directory: Path

    def build(self, weights: bool = True) -> torch.nn.Module:
        """The network, built from the generated file.

        Args:
            weights: whether to load the inherited weights, if the study has any.

        Raises:
            TrialError: the file or its weights cannot be loaded.
        """
        return child.build(self.file, self.seed, weights)

    def report(self, step: int, value: float | Mapping[str, float]) -> None:
        """Keeps an intermediate result, such as the accuracy after an epoch.

        Raises:
            TypeError: a value is not a number.
        """
        values = value if isinstance(value, Mapping) else {"value": value}
        line = json.dumps({"step": int(step), "values": {name: float(item) for name, item in values.items()}})
        with (self.directory / REPORTS).open("a", encoding="utf-8") as file:
            file.write(line + "\n")


@dataclass(frozen=True)
class Record:
    """What a study keeps of a trial.

    Attributes:
        number: from 1, in the order of proposal.
        arch: label → option.
        parameters: training settings of this trial.
        state: "queued", "running", "complete", "failed" or "stopped".
        metrics: what came out; empty unless complete.
        file: the generated source of the network, if it was written.
        error: why it failed or stopped, with the last lines that it wrote; else "".
        same_as: the earlier trial that answered this one, which asked the same again.
        seed: what its randomness started from.
        duration_s: of the attempt that ended it, in seconds; None before the end.
    """

    number: int
    arch: Mapping[str, Option]
    parameters: Mapping[str, Any]
    state: str
    metrics: Mapping[str, float] = field(default_factory=dict)
    file: Path | None = None
    error: str = ""
    same_as: int | None = None
    seed: int = 0
    duration_s: float | None = None

    @property
    def ended(self) -> bool:
        """Whether nothing more will become of it."""
        return self.state in ENDED


ENDED = ("complete", "failed", "stopped")


def dominates(first: Record, second: Record, objectives: Mapping[str, str]) -> bool:
    """Whether `first` is at least as good in every objective and better in one."""
    pairs = [(_worth(first, name, how), _worth(second, name, how)) for name, how in objectives.items()]
    return all(a >= b for a, b in pairs) and any(a > b for a, b in pairs)


def _worth(record: Record, name: str, direction: str) -> float:
    return record.metrics[name] if direction == "maximize" else -record.metrics[name]
