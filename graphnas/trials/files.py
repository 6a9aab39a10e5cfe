"""Files that are either whole or as they were, whenever the process dies."""

from __future__ import annotations

import os
from pathlib import Path


def write(path: Path, text: str) -> None:
    """Replaces a file atomically: a reader sees the old one or all of the new one, also after a power cut."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def legible(text: str) -> str:
    """A user's text as any file or store takes it: what is no character, as in the name of a file, is spelled out."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def last_lines(path: Path, count: int = 20) -> str:
    """The end of a text file, "" if there is none."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 200 * count))
            return "\n".join(file.read().decode(errors="replace").rstrip().splitlines()[-count:])
    except FileNotFoundError:
        return ""
