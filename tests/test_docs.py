"""Every code block of the README and the guide runs, in order, and prints what the document says.

A block of Python or TOML that begins with `# NAME` is that file; other Python runs in one namespace a document, and a
`text` block behind it is what it prints, `...` standing for anything; `sh` blocks are commands in the same folder.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
DOCUMENTS = [ROOT / "README.md", ROOT / "docs" / "from_nni.md", *sorted((ROOT / "docs" / "guide").glob("*.md"))]
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_FILE = re.compile(r"# ([\w.]+)\n")


def blocks(document: Path) -> Iterator[tuple[str, str, int]]:
    """Language, text and line number of every code block."""
    text = document.read_text(encoding="utf-8")
    for found in _BLOCK.finditer(text):
        yield found[1], found[2], text.count("\n", 0, found.start()) + 2


def environment(folder: Path) -> dict[str, str]:
    """Where `python` is this interpreter and `graphnas` this package."""
    tools = folder / ".tools"
    tools.mkdir()
    for name, command in {"python": "", "graphnas": "-m graphnas"}.items():
        (tools / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" {command} "$@"\n')
        (tools / name).chmod(0o755)
    return {**os.environ, "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}


@pytest.mark.parametrize("document", DOCUMENTS, ids=[path.name for path in DOCUMENTS])
def test_document_does_what_it_says(document: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    variables = environment(tmp_path)
    monkeypatch.setenv("PYTHONPATH", variables["PYTHONPATH"])
    namespace: dict[str, object] = {"__name__": document.stem.replace("-", "_")}
    known = set(sys.modules)
    printed = ""
    try:
        for language, text, line in blocks(document):
            where = f"{document.name}:{line}"
            if file := _FILE.match(text) if language in ("python", "toml") else None:
                monkeypatch.delitem(sys.modules, Path(file[1]).stem, raising=False)  # another test's file of that name
                (tmp_path / file[1]).write_text(text)
            elif language == "python":
                printed = _run(text, where, namespace)
            elif language == "text":
                assert _agrees(printed, text), f"{where} says\n{text}\nbut printed is\n{printed}"
            elif language == "sh":
                ended = subprocess.run(
                    ["/bin/sh", "-e", "-c", text], env=variables, capture_output=True, text=True, check=False
                )
                assert ended.returncode == 0, f"{where}\n{ended.stdout}{ended.stderr}"
            else:
                pytest.fail(f"{where}: what is a block of {language}?")
    finally:
        for name in set(sys.modules) - known:
            if str(getattr(sys.modules[name], "__file__", "")).startswith(str(tmp_path)):
                del sys.modules[name]


def _run(text: str, where: str, namespace: dict[str, object]) -> str:
    with contextlib.redirect_stdout(io.StringIO()) as out:
        exec(compile(text, where, "exec", dont_inherit=True), namespace)
    return out.getvalue()


def _agrees(printed: str, text: str) -> bool:
    pattern = ".*".join(map(re.escape, text.strip().split("...")))
    return re.fullmatch(pattern, printed.strip(), re.DOTALL) is not None


@pytest.mark.parametrize(
    "document", dict.fromkeys([*DOCUMENTS, *sorted((ROOT / "docs").glob("*.md"))]), ids=lambda path: path.name
)
def test_links_lead_somewhere(document: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)\)", document.read_text(encoding="utf-8"))
    assert not [link for link in links if not (document.parent / link).exists()]


def test_picture_is_well_formed() -> None:
    assert ElementTree.parse(ROOT / "docs" / "way.svg").getroot().tag.endswith("svg")
