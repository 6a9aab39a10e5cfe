"""`python -m benchmarks --list | NAME... | --all [--json] [--write]`."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import torch

from benchmarks import compile as compiling
from benchmarks import cost, forward, readability, resnet20, soundness, spaces, starts
from benchmarks.report import page

BENCHMARKS = {
    "readability": readability,
    "compile": compiling,
    "cost": cost,
    "forward": forward,
    "init": starts,
    "soundness": soundness,
    "spaces": spaces,
    "resnet20": resnet20,
}
RESULTS = Path(__file__).parents[1] / "docs" / "results"


def main(arguments: list[str]) -> int:
    """Runs benchmarks; 1 where a bar does not hold."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="which to run")
    parser.add_argument("--list", action="store_true", help="name all benchmarks")
    parser.add_argument("--all", action="store_true", help="run all")
    parser.add_argument("--json", action="store_true", help="print one JSON object a benchmark instead of a page")
    parser.add_argument("--write", action="store_true", help="write docs/results/NAME.md")
    options = parser.parse_args(arguments)
    if options.list:
        print("\n".join(f"{name:12} {_summary(name)}" for name in BENCHMARKS))
        return 0
    names = list(BENCHMARKS) if options.all else options.names
    unknown = [name for name in names if name not in BENCHMARKS]
    if unknown or not names:
        parser.error(f"there is no benchmark {unknown[0]!r}" if unknown else "name a benchmark, or --list, or --all")
    torch.set_num_threads(1)
    missed = 0
    for name in names:
        missed += _run(name, options.json, options.write)
    return 1 if missed else 0


def _summary(name: str) -> str:
    return (BENCHMARKS[name].__doc__ or "").splitlines()[0]


def _run(name: str, as_json: bool, write: bool) -> int:
    """Runs one benchmark and says how many bars it misses."""
    result: dict[str, Any] = BENCHMARKS[name].run().as_dict(name)
    text = page(result, BENCHMARKS[name].__doc__ or "")
    if write:
        RESULTS.mkdir(parents=True, exist_ok=True)
        (RESULTS / f"{name}.md").write_text(text, encoding="utf-8")
    print(json.dumps(result) if as_json else text)
    return sum(result["figures"][figure] > bar for figure, bar in result["context"]["bars"].items())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
