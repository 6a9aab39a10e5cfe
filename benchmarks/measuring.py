"""CPU time of several things that do the same, taken in turns, and what their ratio is worth."""

from __future__ import annotations

import itertools
import random
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

Work = Callable[[], object]
RESAMPLES = 2000


@dataclass(frozen=True, slots=True)
class Spread:
    """A median with its quartiles, and the 95 % interval of the median by bootstrap."""

    median: float
    lower_quartile: float
    upper_quartile: float
    lower_bound: float
    upper_bound: float
    samples: int

    def row(self, name: str) -> dict[str, float | str]:
        """As a row of a report."""
        return {
            "what": name,
            "median": self.median,
            "quartile_25": self.lower_quartile,
            "quartile_75": self.upper_quartile,
            "median_low_95": self.lower_bound,
            "median_high_95": self.upper_bound,
            "samples": self.samples,
        }


def cpu_ms(work: Work, times: int = 1) -> float:
    """CPU time of one of `times` runs in a row, in milliseconds."""
    start = time.process_time_ns()
    for _ in range(times):
        work()
    return (time.process_time_ns() - start) / 1e6 / times


def interleaved(works: Mapping[str, Work], rounds: int, times: int = 1, warm: int = 2) -> dict[str, list[float]]:
    """CPU milliseconds of every work in every round.

    The order within a round turns from round to round, so that no work always runs behind the same other.

    Args:
        works: what to time, by name.
        rounds: how often each is timed.
        times: how many runs in a row make one timing.
        warm: untimed runs of each before the first round.
    """
    for work in works.values():
        for _ in range(warm):
            work()
    found: dict[str, list[float]] = {name: [] for name in works}
    orders = itertools.cycle(itertools.permutations(works))
    for order in itertools.islice(orders, rounds):
        for name in order:
            found[name].append(cpu_ms(works[name], times))
    return found


def ratios(upper: Sequence[float], lower: Sequence[float]) -> list[float]:
    """Ratio of two works in every round."""
    return [a / b for a, b in zip(upper, lower, strict=True)]


def balanced(samples: Sequence[float]) -> list[float]:
    """Of two works that take turns, the mean of every two rounds: in one of them a work ran first, in the other second.

    What runs second may find caches and clocks otherwise; ratios round by round would then have two humps.
    """
    return [(first + second) / 2 for first, second in zip(samples[::2], samples[1::2])]


def spread(samples: Sequence[float], seed: int = 0) -> Spread:
    """Median and quartiles of samples, and how far another run's median may lie."""
    rng = random.Random(seed)
    medians = sorted(statistics.median(rng.choices(samples, k=len(samples))) for _ in range(RESAMPLES))
    lower, _, upper = statistics.quantiles(samples, n=4, method="inclusive")
    bounds = medians[round(0.025 * RESAMPLES)], medians[round(0.975 * RESAMPLES) - 1]
    return Spread(statistics.median(samples), lower, upper, *bounds, len(samples))
