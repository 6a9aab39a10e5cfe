"""A study: the trials of a search, read from its directory."""

from __future__ import annotations

import json
import weakref
from functools import cached_property
from pathlib import Path

from graphnas.errors import TrialError
from graphnas.ir import storing
from graphnas.ir.graph import Graph
from graphnas.trials.store import Store
from graphnas.trials.trial import Record, dominates

SPACE = "space.json"


class Study:
    """Reads a study, also while its search runs.

    Args:
        directory: where the search was told to put it.

    Attributes:
        interrupted: whether the search that returned this study was stopped before its end.

    Raises:
        TrialError: there is no study, or it cannot be read.
    """

    def __init__(self, directory: str | Path) -> None:
        self.directory = Path(directory)
        self.interrupted = False
        self._store = Store(self.directory, write=False)
        weakref.finalize(self, self._store.close)
        row = self._store.study()
        if row is None:
            raise TrialError(f"the study was not begun\n  at {self.directory}. Run its search again.")
        self._row = row

    @classmethod
    def open(cls, directory: str | Path) -> Study:
        """The study in a directory, read only.

        Raises:
            TrialError: there is none, or it cannot be read.
        """
        return cls(directory)

    @property
    def name(self) -> str:
        """The space's name."""
        return str(self._row["name"])

    @property
    def objectives(self) -> dict[str, str]:
        """Metric → "maximize" or "minimize"."""
        try:
            found: dict[str, str] = dict(json.loads(self._row["objective"]))
        except (TypeError, ValueError) as error:
            raise TrialError(
                f"the objectives cannot be read: {error}\n  at {self.directory}. Who changed them?"
            ) from error
        return found

    @property
    def strategy(self) -> str:
        """The strategy and what it was made with."""
        return str(self._row["strategy"])

    @property
    def seed(self) -> int:
        """Where all randomness came from."""
        return int(self._row["seed"])

    @property
    def lag(self) -> int:
        """How many trials a proposal does not know yet: the number of workers at the beginning."""
        return int(self._row["lag"])

    @cached_property
    def space(self) -> Graph:
        """What was searched, with its constraints."""
        return storing.load(self.directory / SPACE)

    @property
    def trials(self) -> tuple[Record, ...]:
        """All trials as they stand now, in the order of proposal."""
        return self._store.records()

    def reports(self, number: int) -> list[tuple[int, dict[str, float]]]:
        """What a trial reported on its way: steps and values."""
        return self._store.reports(number)

    @property
    def best(self) -> Record:
        """The best complete trial, of equal ones the first.

        Raises:
            TrialError: there are several objectives, or no trial is complete.
        """
        if len(self.objectives) > 1:
            raise TrialError(
                f"there is no single best of {' and '.join(self.objectives)}\n  at {self.directory}. Use pareto()."
            )
        return self.pareto()[0]

    def pareto(self) -> tuple[Record, ...]:
        """The complete trials that no other dominates, each network once, in the order of proposal.

        Raises:
            TrialError: no trial is complete, or one lacks an objective.
        """
        trials = self.trials
        complete = [trial for trial in trials if trial.state == "complete" and trial.same_as is None]
        if not complete:
            failed = [trial for trial in trials if trial.error]
            last = f" Trial {failed[-1].number}: {failed[-1].error}" if failed else ""
            raise TrialError(f"none of {len(trials)} trials is complete\n  at {self.directory}.{last}")
        objectives = self.objectives
        for trial in complete:
            if missing := objectives.keys() - trial.metrics.keys():
                raise TrialError(
                    f"trial {trial.number} is complete without {min(missing)!r}\n  at {self.directory}. Who changed it?"
                )
        return tuple(one for one in complete if not any(dominates(other, one, objectives) for other in complete))

    def __repr__(self) -> str:
        return f"Study({str(self.directory)!r})"
