"""One controller at a time in a directory."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from graphnas.errors import TrialError


@contextmanager
def only(directory: Path) -> Iterator[None]:
    """Holds a directory; the system lets go of it when the process ends, however it ends.

    Raises:
        TrialError: another process holds it, or it cannot be made.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        file = (directory / "lock").open("a")
    except OSError as error:
        raise TrialError(f"there is no writing here: {error}\n  at {directory}. Choose another place.") from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise TrialError(
                f"another search is running\n  at {directory}. Wait for it, or give another directory."
            ) from error
        yield
