"""How long emitted children are: lines, classes, the longest line, what a linter says."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import graphnas as gn
from benchmarks.networks import NETWORKS
from benchmarks.report import Report

ARCHS = 20
LONGEST_LINE = 99
BARS = {
    "resnet50.lines": 100.0,
    "resnet50.classes": 3.0,
    "vit_b_16.lines": 100.0,
    "vit_b_16.classes": 4.0,
    "mobilenet_v3_small.lines": 150.0,
    "mobilenet_v3_small.classes": 9.0,
    "random_child.lines_ratio": 2.0,
    "longest_line": float(LONGEST_LINE),
    "lint_findings": 0.0,
}


def run() -> Report:
    """Emits every network and, of its space of activations, the default and 20 random architectures."""
    rows: list[dict[str, Any]] = []
    sources: dict[str, str] = {}
    for name, network in NETWORKS.items():
        space = network.activation_space()
        default = gn.emit(gn.specialize(space, gn.default(space)))
        archs = [gn.sample(space, seed) for seed in range(ARCHS)]
        children = [gn.emit(gn.specialize(space, arch)) for arch in archs]
        sources |= {f"{name}.py": default} | {f"{name}_{seed}.py": text for seed, text in enumerate(children)}
        lengths = sorted(_lines(text) for text in children)
        rows.append(
            {
                "network": name,
                "lines": _lines(default),
                "classes": default.count("\nclass "),
                "choices": len(space.choices),
                "random_lines_median": lengths[len(lengths) // 2],
                "random_lines_most": lengths[-1],
                "random_lines_ratio": lengths[-1] / _lines(default),
                "longest_line": max(map(len, "\n".join([default, *children]).splitlines())),
            }
        )
    figures: dict[str, float] = {}
    for row in rows:
        figures |= {f"{row['network']}.lines": row["lines"], f"{row['network']}.classes": row["classes"]}
    figures["random_child.lines_ratio"] = max(row["random_lines_ratio"] for row in rows)
    figures["longest_line"] = max(row["longest_line"] for row in rows)
    absent = []
    if _has_ruff():
        figures["lint_findings"] = sum(_findings(text) for text in sources.values())
    else:
        absent.append("lint findings: ruff is not installed")
    return Report(figures, {name: bar for name, bar in BARS.items() if name in figures}, rows, absent)


def _lines(source: str) -> int:
    return len(source.splitlines())


def _ruff(*arguments: str, source: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "ruff", *arguments]
    return subprocess.run(command, input=source, capture_output=True, text=True, check=False)


def _has_ruff() -> bool:
    return _ruff("--version").returncode == 0


def _findings(source: str) -> int:
    """What the linter's rules on errors, imports, simplicity and names find in a file."""
    rules = (
        "--isolated",
        "--select",
        "E,F,W,I,UP,B,PERF,N,SIM",
        "--ignore",
        "N812",
        "--line-length",
        str(LONGEST_LINE),
    )
    found = _ruff("check", *rules, "--output-format", "concise", "--stdin-filename", "child.py", "-", source=source)
    return sum(line.startswith("child.py:") for line in found.stdout.splitlines())
