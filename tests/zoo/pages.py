"""What the suite found, as pages among the results of benchmarks."""

from __future__ import annotations

import importlib.metadata
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.report import Report, page
from tests.zoo.comparing import EQUAL
from tests.zoo.processes import Answer
from tests.zoo.soundness import OUTCOMES, is_right

RESULTS = Path(__file__).parents[2] / "docs" / "results"
COMPARED = """Published networks with random weights, traced, exported, and the file executed.

Outputs, state and gradients are compared with the original's in both modes, at the traced and at another batch size.
Gradients that are equal to rounding are equal bit for bit where the network is traced as `exact`; `needs` is what a
file imports beyond torch and Python's own packages.
"""
SOUND = """Published networks called on inputs unlike the traced ones.

How many calls are right, refused by a guard although the network without guards would be right (needless), refused by
a guard that is right to do so, silently wrong, or failed.
"""


def write(name: str, report: Report, description: str, command: str, libraries: tuple[str, ...]) -> None:
    """Writes `docs/results/NAME.md`."""
    result = report.as_dict(name)
    result["context"] |= {library: importlib.metadata.version(library) for library in libraries}
    (RESULTS / f"{name}.md").write_text(page(result, description, command), encoding="utf-8")


def compared(found: Mapping[str, Answer]) -> Report:
    """How many networks of each library are equal, and a row for each network."""
    equal = Counter(name.partition("/")[0] for name, answer in found.items() if answer["outcome"] == EQUAL)
    figures: dict[str, float] = {}
    for library, count in Counter(name.partition("/")[0] for name in found).items():
        figures |= {f"{library}.networks": count, f"{library}.equal": equal[library]}
    files = [answer for answer in found.values() if "needs" in answer]
    figures["not_equal_share"] = 1 - equal.total() / len(found)
    figures["needs_more_share"] = sum(bool(answer["needs"]) for answer in files) / max(len(files), 1)
    figures["gradients_to_rounding"] = sum(not answer["exact"] for answer in files)
    rows = [_row(name, answer) for name, answer in found.items()]
    return Report(figures, {"not_equal_share": 0.02, "needs_more_share": 0.05}, rows)


def _row(name: str, answer: Answer) -> dict[str, Any]:
    return {
        "network": name,
        "outcome": answer["outcome"],
        "lines": answer.get("lines", ""),
        "classes": answer.get("classes", ""),
        "needs": ", ".join(answer.get("needs", ())),
        "gradients": "" if "exact" not in answer else "equal" if answer["exact"] else "to rounding, exact: equal",
        "reason": _cell(answer["reason"]),
    }


def sound(found: Mapping[str, Answer]) -> Report:
    """How many calls of each kind have each outcome, and a row for each network that is not right in all."""
    figures: dict[str, float] = {}
    bars: dict[str, float] = {}
    for kind in dict.fromkeys(name.partition(":")[0] for name in found):
        answers = [answer for name, answer in found.items() if name.partition(":")[0] == kind]
        counts = {outcome: sum(answer.get(outcome, 0) for answer in answers) for outcome in OUTCOMES}
        figures |= {f"{kind}: {outcome}": count for outcome, count in counts.items()}
        others = [
            answer for answer in answers if answer.get("others") or answer.get("failed")
        ]  # which take more than what was traced
        calls = max(sum(counts.values()), 1)
        short = sum(not is_right(answer) for answer in others)
        figures |= {f"{kind}: networks": len(others), f"{kind}: networks not right in all": short}
        figures[f"{kind}: needless share"] = counts["needless"] / calls
        bars |= {f"{kind}: wrong": 0, f"{kind}: needless share": 0.05}
        if kind == "images":
            figures[f"{kind}: not right in all share"] = short / max(len(others), 1)
            bars[f"{kind}: not right in all share"] = 0.1
        else:
            broken = sum(bool(answer.get("padded, not right") or answer.get("failed")) for answer in others)
            figures[f"{kind}: networks right on all padded batches of the example's length"] = len(others) - broken
            figures[f"{kind}: refused share"] = (counts["needless"] + counts["refused"]) / calls
            if "exact" not in kind:
                bars[f"{kind}: refused share"] = 0.05
    rows = [
        {"network": name, **{bad: answer.get(bad, 0) for bad in OUTCOMES}, "calls": _cell(answer["reason"])}
        for name, answer in found.items()
        if answer["reason"]
    ]
    return Report(figures, bars, rows)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")[:300]
