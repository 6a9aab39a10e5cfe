"""The store of a study: one SQLite file whose only writer is the controller."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from graphnas.errors import GraphError, TrialError
from graphnas.trials import child, data, files, schema
from graphnas.trials.trial import Record


@dataclass(frozen=True, slots=True)
class Attempt:
    """A start of a trial: which it was, and the process that ran it."""

    number: int
    attempt: int
    crashes: int
    pid: int | None
    started: str | None


class Store:
    """Reads and writes a study.

    Args:
        directory: of the study.
        write: whether to write; a store that is not there is then made.

    Raises:
        TrialError: there is no study, or it cannot be read.
    """

    def __init__(self, directory: Path, write: bool) -> None:
        self.directory = directory
        self._connection = schema.connect(directory / schema.NAME, write)

    def close(self) -> None:
        """Lets go of the file."""
        self._connection.close()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
            except BaseException:
                if self._connection.in_transaction:  # a full disk ends it by itself
                    self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            raise TrialError(
                f"the store cannot be written: {error}\n  at {self.directory / schema.NAME}. "
                "Nothing that was stored is lost; the same call continues once it can be written."
            ) from error

    def _read(self, query: str, values: tuple[object, ...] = ()) -> list[sqlite3.Row]:
        try:
            return self._connection.execute(query, values).fetchall()
        except sqlite3.Error as error:
            raise self._damaged(str(error)) from error

    def _damaged(self, what: str) -> TrialError:
        place = self.directory / schema.NAME
        return TrialError(f"the store cannot be read: {what}\n  at {place}. Take a copy of it, or search elsewhere.")

    # ------------------------------------------------------------ the study
    def study(self) -> dict[str, Any] | None:
        """The row of the study; None before `create`."""
        rows = self._read("SELECT * FROM study")
        return dict(rows[0]) if rows else None

    def create(self, row: Mapping[str, Any]) -> None:
        """Enters the study."""
        names = ", ".join(row)
        with self._transaction() as connection:
            connection.execute(f"INSERT INTO study({names}) VALUES ({', '.join('?' * len(row))})", tuple(row.values()))

    def event(self, kind: str, content: Mapping[str, Any]) -> None:
        """Appends to what happened, for those who watch."""
        with self._transaction() as connection:
            connection.execute("INSERT INTO event VALUES (?, ?, ?)", (time.time(), kind, json.dumps(dict(content))))

    # ------------------------------------------------------------ reading trials
    def records(self) -> tuple[Record, ...]:
        """All trials, in the order of proposal."""
        return tuple(map(self._record, self._read("SELECT * FROM trial ORDER BY id")))

    def record(self, number: int) -> Record | None:
        """One trial, if it was proposed."""
        rows = self._read("SELECT * FROM trial WHERE id = ?", (number,))
        return self._record(rows[0]) if rows else None

    def first(self, key: str) -> int | None:
        """The first trial that asks what this key stands for."""
        found: int | None = self._read("SELECT min(id) FROM trial WHERE key = ?", (key,))[0][0]
        return found

    def attempts(self, state: str) -> list[Attempt]:
        """The trials in a state that answer for themselves, with their last starts."""
        columns = "id, attempt, crashes, pid, started"
        query = f"SELECT {columns} FROM trial WHERE state = ? AND same_as IS NULL ORDER BY id"
        return [Attempt(*row) for row in self._read(query, (state,))]

    def attempt(self, number: int) -> Attempt:
        """The last start of a trial."""
        query = "SELECT id, attempt, crashes, pid, started FROM trial WHERE id = ?"
        return Attempt(*self._read(query, (number,))[0])

    def answered(self) -> list[tuple[int, int]]:
        """The open trials that ask what a trial asked that has ended by now, and those trials."""
        rows = self._read(
            "SELECT trial.id, first.id FROM trial JOIN trial AS first ON trial.same_as = first.id "
            "WHERE trial.state = 'queued' AND first.state NOT IN ('queued', 'running') ORDER BY trial.id"
        )
        return [(row[0], row[1]) for row in rows]

    def attempt_directory(self, number: int, attempt: int) -> Path:
        """Where one attempt of a trial writes; no other attempt does."""
        return self.directory / "trials" / f"{number:06d}" / f"a{attempt}"

    def _record(self, row: sqlite3.Row) -> Record:
        try:
            return self._decoded(row)
        except (LookupError, TypeError, ValueError, AttributeError, RecursionError, GraphError) as error:
            raise self._damaged(f"trial {row['id']} is not what graphnas writes ({error})") from error

    def _decoded(self, row: sqlite3.Row) -> Record:
        source = row
        if row["same_as"] is not None:
            source = self._read("SELECT * FROM trial WHERE id = ?", (row["same_as"],))[0]
        file = self.attempt_directory(source["id"], source["attempt"]) / child.NAME
        return Record(
            number=row["id"],
            arch=data.from_json(row["arch"]),
            parameters=data.from_json(row["parameters"]),
            state=row["state"],
            metrics={str(name): float(value) for name, value in json.loads(row["metrics"] or "{}").items()},
            file=file if file.exists() else None,
            error=row["error"],
            same_as=row["same_as"],
            seed=row["seed"],
            duration_s=row["duration"],
        )

    # ------------------------------------------------------------ writing trials
    def propose(self, number: int, key: str, arch: str, parameters: str, seed: int) -> None:
        """Enters a trial; one that asks what an earlier one asked is answered from that."""
        with self._transaction() as connection:
            connection.execute(
                "INSERT INTO trial(id, key, arch, parameters, same_as, state, seed) "
                "VALUES (?, ?, ?, ?, ?, 'queued', ?)",
                (number, key, arch, parameters, self.first(key), seed),
            )

    def start(self, number: int) -> None:
        """Notes that the next attempt of a trial is about to run."""
        with self._transaction() as connection:
            connection.execute(
                "UPDATE trial SET state = 'running', attempt = attempt + 1, pid = NULL, started = NULL WHERE id = ?",
                (number,),
            )

    def place(self, number: int, pid: int | None, started: str | None) -> None:
        """Notes which process runs a trial."""
        with self._transaction() as connection:
            connection.execute("UPDATE trial SET pid = ?, started = ? WHERE id = ?", (pid, started, number))

    def requeue(self, number: int, crashed: bool) -> None:
        """Notes that a trial is to be started again."""
        with self._transaction() as connection:
            connection.execute(
                "UPDATE trial SET state = 'queued', pid = NULL, crashes = crashes + ? WHERE id = ?", (crashed, number)
            )

    def end(self, record: Record, reports: list[tuple[int, str]]) -> None:
        """Enters what became of a trial, and its reports, at once."""
        metrics = json.dumps(dict(record.metrics)) if record.state == "complete" else None
        with self._transaction() as connection:
            done = connection.execute(
                "UPDATE trial SET state = ?, metrics = ?, error = ?, duration = ?, pid = NULL "
                "WHERE id = ? AND state IN ('queued', 'running')",
                (record.state, metrics, files.legible(record.error), record.duration_s, record.number),
            )
            if done.rowcount != 1:
                raise TrialError(f"trial {record.number} has ended already\n  at {self.directory}. Who else writes it?")
            rows = [(record.number, step, values) for step, values in reports]
            connection.executemany("INSERT INTO report VALUES (?, ?, ?)", rows)

    def reports(self, number: int) -> list[tuple[int, dict[str, float]]]:
        """The intermediate results of a trial: steps and values."""
        rows = self._read("SELECT step, metrics FROM report WHERE trial = ? ORDER BY rowid", (number,))
        return [(step, json.loads(values)) for step, values in rows]
