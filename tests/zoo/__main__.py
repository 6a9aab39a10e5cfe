"""Compares every published network with what graphnas makes of it: `python -m tests.zoo [NAME ...]`.

`--unseen SEED` compares networks that nobody looked at while the tracer was written; `--soundness` calls networks on
inputs unlike the traced ones.

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
from collections.abc import Callable, Mapping
from pathlib import Path

import torch

from tests.zoo import pages, soundness
from tests.zoo.comparing import EQUAL, compare
from tests.zoo.known import KNOWN
from tests.zoo.models import MODELS
from tests.zoo.processes import Answer, Job, Limits, run
from tests.zoo.unseen import drawn

COMMAND = "python -m tests.zoo"
ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "runs" / "zoo"
LIMITS, LONG = Limits(), Limits(cpu_s=600, wall_s=3000)  # what is drawn is as large as it is published
ELSEWHERE = Limits(cpu_s=300, memory_gib=60)  # a driver takes time and address space of its own
LIBRARIES = ("torchvision", "timm", "transformers")


def main() -> None:
    """Runs what is not known from an earlier run, and prints a line for each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="only networks whose names contain one of these")
    parser.add_argument("--again", action="store_true", help="run also what is known from an earlier run")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--device", default="cpu", help="where networks are traced and run, such as cuda")
    parser.add_argument("--write", action="store_true", help="write what was found to docs/results")
    kinds = parser.add_mutually_exclusive_group()
    kinds.add_argument("--unseen", type=int, metavar="SEED", help="networks that no list holds, drawn by a seed")
    kinds.add_argument("--soundness", action="store_true", help="what becomes of inputs unlike the traced ones")
    options = parser.parse_args()
    _load()
    models = MODELS if options.unseen is None else drawn(options.unseen, FOLDER, options.workers)
    wanted = [model for model in models if any(part in model.name for part in options.names or ("",))]
    if options.soundness:
        found = _found(soundness.jobs(wanted), _sound_line, options)
        print(f"\n{soundness.totals(found)}")
        if options.write:
            pages.write("zoo_soundness", pages.sound(found), pages.SOUND, f"{COMMAND} --soundness --write", LIBRARIES)
        raise SystemExit(1 if any("wrong" in answer or "outcome" in answer for answer in found.values()) else 0)
    found = _found({model.name: functools.partial(compare, model, options.device) for model in wanted}, _line, options)
    if options.write:
        name, drawn_by = ("zoo", "") if options.unseen is None else ("zoo_unseen", f" --unseen {options.unseen}")
        if options.device != "cpu":
            name, drawn_by = f"{name}_{options.device}", f"{drawn_by} --device {options.device}"
        pages.write(name, pages.compared(found), pages.COMPARED, f"{COMMAND}{drawn_by} --write", LIBRARIES)
    counts = Counter(_verdict(*item) for item in found.items())
    print(f"\n{counts[EQUAL]} equal, {counts['known']} known not to be, {counts['FAILED']} failed, of {len(wanted)}")
    raise SystemExit(1 if counts["FAILED"] else 0)


def _found(
    jobs: Mapping[str, Job], line: Callable[[str, Answer], str], options: argparse.Namespace
) -> dict[str, Answer]:
    """The answers of all jobs, by name, each printed as a line."""
    file = FOLDER / f"{_fingerprint()}{'' if options.device == 'cpu' else options.device}.jsonl"
    limits = LIMITS if options.unseen is None else LONG
    known = {} if options.again else _read(file)
    found = {name: known[name] for name in jobs if name in known}
    for name, answer in found.items():
        print(line(name, answer))
    waiting = {name: job for name, job in jobs.items() if name not in found}
    for name, answer in run(waiting, FOLDER, options.workers, limits if options.device == "cpu" else ELSEWHERE):
        with file.open("a", encoding="utf-8") as out:
            out.write(json.dumps({"name": name, **answer}) + "\n")
        found[name] = answer
        print(line(name, answer), flush=True)
    return found


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


def _read(file: Path) -> dict[str, Answer]:
    if not file.exists():
        return {}
    rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines(keepends=True) if line[-1] == "\n"]
    return {row.pop("name"): row for row in rows}


def _verdict(name: str, answer: Answer) -> str:
    known = KNOWN.get(name)
    if known is None:
        return EQUAL if answer["outcome"] == EQUAL else "FAILED"
    expected = answer["outcome"] == known.outcome and re.fullmatch(known.reason, answer["reason"], re.DOTALL)
    return "known" if expected else "FAILED"


def _sound_line(name: str, answer: Answer) -> str:
    counts = ", ".join(f"{answer[outcome]} {outcome}" for outcome in soundness.OUTCOMES if answer.get(outcome))
    return f"{name}: {counts or answer['outcome']}" + f"\n        {answer['reason']}" * bool(answer["reason"])


def _line(name: str, answer: Answer) -> str:
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
