"""Compares every published network with what graphnas makes of it: `python -m tests.zoo [NAME ...]`.

What was found is kept in `runs/zoo`: the same command goes on where it ended, as long as neither graphnas nor the
libraries changed. The exit code is 1 where something is neither equal nor known.
"""

from __future__ import annotations

import argparse
import functools
import hashlib
import importlib
import importlib.metadata
import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import torch

from tests.zoo.comparing import EQUAL, compare
from tests.zoo.known import KNOWN
from tests.zoo.models import MODELS
from tests.zoo.processes import Limits, run

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "runs" / "zoo"
LIBRARIES = ("torchvision", "timm", "transformers")


def main() -> None:
    """Runs what is not known from an earlier run, and prints a line a network."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="only networks whose names contain one of these")
    parser.add_argument("--again", action="store_true", help="run also what is known from an earlier run")
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    wanted = [model for model in MODELS if any(part in model.name for part in options.names or ("",))]
    file = FOLDER / f"{_fingerprint()}.jsonl"
    found = {} if options.again else _read(file)
    for model in wanted:
        if model.name in found:
            print(_line(model.name, found[model.name]))
    jobs = {model.name: functools.partial(compare, model) for model in wanted if model.name not in found}
    if jobs:
        _load()
    for name, answer in run(jobs, FOLDER, options.workers, Limits()):
        with file.open("a", encoding="utf-8") as out:
            out.write(json.dumps({"name": name, **answer}) + "\n")
        found[name] = answer
        print(_line(name, answer), flush=True)
    counts = Counter(_verdict(model.name, found[model.name]) for model in wanted)
    print(f"\n{counts[EQUAL]} equal, {counts['known']} known not to be, {counts['FAILED']} failed, of {len(wanted)}")
    raise SystemExit(1 if counts["FAILED"] else 0)


def _load() -> None:
    """Loads the libraries once: the processes are forked from this one."""
    torch.set_num_threads(1)
    for library in LIBRARIES:
        importlib.import_module(library)


def _fingerprint() -> str:
    versions = [f"{name} {importlib.metadata.version(name)}" for name in ("torch", *LIBRARIES)]
    sources = [path.read_text(encoding="utf-8") for path in sorted((ROOT / "graphnas").rglob("*.py"))]
    sources += [path.read_text(encoding="utf-8") for path in sorted(Path(__file__).parent.glob("*.py"))]
    return hashlib.sha256("\n".join([*versions, *sources]).encode()).hexdigest()[:12]


def _read(file: Path) -> dict[str, dict[str, Any]]:
    if not file.exists():
        return {}
    rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines(keepends=True) if line[-1] == "\n"]
    return {row.pop("name"): row for row in rows}


def _verdict(name: str, answer: dict[str, Any]) -> str:
    known = KNOWN.get(name)
    if known is None:
        return EQUAL if answer["outcome"] == EQUAL else "FAILED"
    expected = answer["outcome"] == known.outcome and re.fullmatch(known.reason, answer["reason"], re.DOTALL)
    return "known" if expected else "FAILED"


def _line(name: str, answer: dict[str, Any]) -> str:
    known = KNOWN.get(name)
    verdict = _verdict(name, answer)
    text = f"{verdict:7} {name:52}"
    if "lines" in answer:
        text += f" {answer['lines']:5} lines {answer['classes']:3} classes"
    text += f" {answer.get('cpu_s', 0):6.1f} s"
    if answer["reason"]:
        text += f"\n        {answer['outcome']}: {answer['reason']}".replace("\n  ", "\n          ")
    if known:
        text += f"\n        known: {known.why}" if verdict == "known" else f"\n        expected: {known}"
    return text


if __name__ == "__main__":
    main()
