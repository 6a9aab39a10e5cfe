"""Ctrl-C: once is a wish, twice an order; the system's signals to end are orders, too."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

ENDS = (signal.SIGTERM, signal.SIGHUP)


class Interrupts:
    """Whether somebody wants the search to end."""

    def __init__(self) -> None:
        self.wanted = False
        self._order: BaseException | None = None

    @contextmanager
    def noticed(self) -> Iterator[None]:
        """Takes the first Ctrl-C as a wish, and the second, or a signal to end, as an order that `obey` raises.

        A signal after an order raises it wherever the search is. Signals to end that the caller handles or ignores
        are left alone. Elsewhere than in the main thread nothing changes.
        """
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {signal.SIGINT: signal.signal(signal.SIGINT, self._notice)}
        for number in ENDS:
            if signal.getsignal(number) is signal.SIG_DFL:
                before[number] = signal.signal(number, self._notice)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def obey(self) -> None:
        """Raises what was ordered, if anything was: where nothing is half done.

        Raises:
            KeyboardInterrupt: for a second Ctrl-C.
            SystemExit: for a signal to end.
        """
        if self._order is not None:
            raise self._order

    def _notice(self, number: int, frame: FrameType | None) -> None:
        self.obey()
        if number != signal.SIGINT:
            self._order = SystemExit(128 + number)
        elif self.wanted:
            self._order = KeyboardInterrupt()
        else:
            print("\nFinishing the running trials; Ctrl-C again stops them. The same call continues.", flush=True)
        self.wanted = True
