"""A search in a process that tests kill: `python controller_script.py DIRECTORY TRIALS [FUNCTION]`."""

from __future__ import annotations

import signal
import sys

from graphnas.strategies.evolution import RegularizedEvolution
from graphnas.trials.search import search
from tests.strategies.spaces import flat
from tests.trials import evaluations

if __name__ == "__main__":
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # under nohup it is ignored, and a search leaves it so
    search(
        flat(4, 4, 4),
        getattr(evaluations, sys.argv[3] if len(sys.argv) > 3 else "slow"),
        RegularizedEvolution(population=4, tournament=2),
        trials=int(sys.argv[2]),
        directory=sys.argv[1],
        show=False,
    )
