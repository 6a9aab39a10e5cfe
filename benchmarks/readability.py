"""How long emitted files are: lines, classes, the longest line, what a linter says, and beside what people wrote."""

from __future__ import annotations

import ast
import inspect
import statistics
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import graphnas as gn
from benchmarks.networks import HAND_WRITTEN, NETWORKS, hand_written_graph, mixed_space
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
    "bert_base.lines": 250.0,
    "random_child.lines_ratio": 2.0,
    "mixed_child.lines_ratio": 2.0,
    "hand_written.lines_ratio_median": 1.3,
    "longest_line": float(LONGEST_LINE),
    "lint_findings": 0.0,
}


def run() -> Report:
    """Emits every network and, of its space of activations, the default and 20 random architectures.

    Then a space of ResNet-50 with every kind of choice, and the networks that people wrote.
    """
    sources: dict[str, str] = {}
    rows = [_space(name, network.activation_space(), sources) for name, network in NETWORKS.items()]
    figures: dict[str, float] = {}
    for row in rows:
        figures |= {f"{row['network']}.lines": row["lines"], f"{row['network']}.classes": row["classes"]}
    figures["random_child.lines_ratio"] = max(row["random_lines_ratio"] for row in rows)
    rows.append(_space("resnet50, mixed", mixed_space(), sources))
    figures["mixed_child.lines_ratio"] = rows[-1]["random_lines_ratio"]
    ratios = []
    for name, file in HAND_WRITTEN.items():
        source = sources[f"{name}_own.py"] = gn.emit(hand_written_graph(name))
        emitted, written = (sum(1 for _ in _code_lines(text)) for text in (source, inspect.getsource(file)))
        ratios.append(emitted / written)
        rows.append(_row(name, source) | {"class_lines": emitted, "hand_written": written, "ratio": ratios[-1]})
        figures.setdefault(f"{name}.lines", _lines(source))
    figures["hand_written.lines_ratio_median"] = statistics.median(ratios)
    figures["hand_written.lines_ratio_most"] = max(ratios)
    figures["longest_line"] = max(len(line) for text in sources.values() for line in text.splitlines())
    absent = []
    if _has_ruff():
        figures["lint_findings"] = sum(_findings(text) for text in sources.values())
    else:
        absent.append("lint findings: ruff is not installed")
    return Report(figures, {name: bar for name, bar in BARS.items() if name in figures}, rows, absent)


def _row(name: str, source: str) -> dict[str, Any]:
    return {"network": name, "lines": _lines(source), "classes": source.count("\nclass ")}


def _space(name: str, space: gn.Graph, sources: dict[str, str]) -> dict[str, Any]:
    """The default of a space and random children beside it."""
    default = gn.emit(gn.specialize(space, gn.default(space)))
    children = [gn.emit(gn.specialize(space, gn.sample(space, seed))) for seed in range(ARCHS)]
    sources |= {f"{name}.py": default} | {f"{name}_{seed}.py": text for seed, text in enumerate(children)}
    lengths = sorted(_lines(text) for text in children)
    return _row(name, default) | {
        "choices": len(space.choices),
        "random_lines_median": lengths[len(lengths) // 2],
        "random_lines_most": lengths[-1],
        "random_lines_ratio": lengths[-1] / _lines(default),
        "longest_line": max(map(len, "\n".join([default, *children]).splitlines())),
    }


def _code_lines(source: str) -> Iterator[int]:
    """The lines of classes that are neither blank nor comments nor docstrings.

    What starts tensors does not count: of networks that are traced as they are it is not emitted.
    """
    lines = source.splitlines()
    for kind in ast.parse(source).body:
        if not isinstance(kind, ast.ClassDef):
            continue
        told = set()
        for inner in ast.walk(kind):
            if isinstance(inner, (ast.ClassDef, ast.FunctionDef)):
                passed = inner.body[:1] if ast.get_docstring(inner) is not None else []
                for text in (*passed, *(part for part in inner.body if _starts(part))):
                    first = min([text.lineno, *(one.lineno for one in getattr(text, "decorator_list", ()))])
                    told |= {*range(first, (text.end_lineno or text.lineno) + 1)}
        for number in range(kind.lineno, (kind.end_lineno or kind.lineno) + 1):
            line = lines[number - 1].strip()
            if line and not line.startswith("#") and number not in told:
                yield number


def _starts(part: ast.stmt) -> bool:
    """Whether a part of a class or method does no more than to start tensors."""
    if isinstance(part, ast.FunctionDef):
        return part.name == "_start"
    if isinstance(part, ast.ClassDef):
        return False
    return "nn.init." in (text := ast.unparse(part)) or "self._start" in text


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
