"""Whether processes live."""

from __future__ import annotations

import time
from pathlib import Path


def alive(pid: int, patience_s: float = 5.0) -> bool:
    """Whether a process still runs after a while; one that ended and was not waited for does not run."""
    until = time.monotonic() + patience_s
    while time.monotonic() < until:
        if not _runs(pid):
            return False
        time.sleep(0.05)
    return True


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
