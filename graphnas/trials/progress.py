"""Progress of a search for a person to see: a bar on a terminal, else a line per trial."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from graphnas.trials.trial import Record


def line(record: Record) -> str:
    """A trial in one line."""
    if record.state == "complete":
        what = "  ".join(f"{name} {value:.6g}" for name, value in record.metrics.items())
    else:
        what = f"{record.state}: {record.error.splitlines()[0] if record.error else 'no reason given'}"
    again = f"  (as trial {record.same_as})" if record.same_as is not None else ""
    duration = f"  {record.duration_s:.1f} s" if record.duration_s is not None else ""
    return f"trial {record.number}  {what}{again}{duration}"


@contextmanager
def shown(trials: int, done: int) -> Iterator[Callable[[Record], None]]:
    """A subscriber that shows every trial that ends.

    Args:
        trials: how many there will be.
        done: how many have ended before.
    """
    if not sys.stderr.isatty():
        yield lambda record: print(line(record), file=sys.stderr, flush=True)
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("", total=trials, completed=done)

        def show(record: Record) -> None:
            bar.console.print(line(record), highlight=False, markup=False)
            bar.advance(task)

        yield show
