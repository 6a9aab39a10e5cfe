"""Ctrl-C: once is a wish, twice an order."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Interrupts:
    """Whether somebody wants the search to end."""

    def __init__(self) -> None:
        self.wanted = False

    @contextmanager
    def noticed(self) -> Iterator[None]:
        """Takes the first Ctrl-C as a wish; the second raises KeyboardInterrupt.

        Elsewhere than in the main thread nothing changes.
        """
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = signal.signal(signal.SIGINT, self._notice)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)

    def _notice(self, number: int, frame: FrameType | None) -> None:
        if self.wanted:
            raise KeyboardInterrupt
        self.wanted = True
        print("\nFinishing the running trials; Ctrl-C again stops them. The same call continues.", flush=True)
