"""The tables of a study's store, and how a store is opened."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from graphnas.errors import TrialError

VERSION = 1  # PRAGMA user_version
NAME = "study.db"
_TABLES = """
CREATE TABLE study(
    name TEXT NOT NULL, space_hash TEXT NOT NULL, objective TEXT NOT NULL, metrics TEXT NOT NULL,
    parameters TEXT NOT NULL, strategy TEXT NOT NULL, seed INTEGER NOT NULL, lag INTEGER NOT NULL,
    env TEXT NOT NULL, created REAL NOT NULL);
CREATE TABLE trial(
    id INTEGER PRIMARY KEY, key TEXT NOT NULL, arch TEXT NOT NULL, parameters TEXT NOT NULL,
    same_as INTEGER REFERENCES trial(id), proposal TEXT, state TEXT NOT NULL, attempt INTEGER NOT NULL DEFAULT 0,
    crashes INTEGER NOT NULL DEFAULT 0, pid INTEGER, started TEXT, priority REAL NOT NULL DEFAULT 0, metrics TEXT,
    error TEXT NOT NULL DEFAULT '', seed INTEGER NOT NULL, duration REAL);
CREATE INDEX trial_key ON trial(key);
CREATE TABLE report(trial INTEGER NOT NULL REFERENCES trial(id), step INTEGER NOT NULL, metrics TEXT NOT NULL);
CREATE INDEX report_trial ON report(trial);
CREATE TABLE event(ts REAL NOT NULL, kind TEXT NOT NULL, json TEXT NOT NULL);
"""


def connect(path: Path, write: bool) -> sqlite3.Connection:
    """The store in a file; with `write` it is made if it is not there.

    Raises:
        TrialError: there is none, it is newer than this version of graphnas, or the file is something else.
    """
    if not write and not path.exists():
        raise TrialError(f"there is no study\n  at {path.parent}. `gn.search(..., directory=...)` makes one.")
    try:
        return _open(path, write)
    except sqlite3.Error as error:
        raise TrialError(
            f"the store cannot be opened: {error}\n  at {path}. "
            "Is it a study, may it be read and written, and is there room?"
        ) from error


def _open(path: Path, write: bool) -> sqlite3.Connection:
    uri = f"{path.resolve().as_uri()}?mode={'rwc' if write else 'ro'}"
    connection = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=30)
    try:
        connection.row_factory = sqlite3.Row
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        _check(version, tables, write, path)
        if write:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
        if not tables:
            connection.executescript(f"BEGIN; {_TABLES} PRAGMA user_version = {VERSION}; COMMIT;")
    except BaseException:
        connection.close()
        raise
    return connection


def _check(version: int, tables: int, write: bool, path: Path) -> None:
    if version > VERSION:
        raise TrialError(
            f"the store has version {version}, newer than {VERSION}\n  at {path}. Update graphnas to read it."
        )
    if (tables and not version) or (not tables and not write):
        raise TrialError(f"the file holds no study\n  at {path}. Give the directory that a search was run in.")
