"""How verbs speak: a text for people, with --json one object for programs, complaints on the standard error."""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from graphnas.errors import GraphNASError


def writable(path: Path | None) -> Path | None:
    """A file to write, refused before the work where it could not be written after it.

    Raises:
        GraphNASError: it is no regular file, or its folder is not there or takes no files.
    """
    if path is None:
        return None
    folder = path.resolve().parent
    if path.exists() and not path.is_file():
        problem = "it is a folder" if path.is_dir() else "it is a device, which would be replaced"
    elif not folder.is_dir():
        problem = f"there is no folder {path.parent}"
    elif not os.access(folder, os.W_OK):
        problem = f"the folder {path.parent} takes no files"
    else:
        return path
    raise GraphNASError(f"the file cannot be written: {problem}\n  at {path}. Choose another place.")


def source(path: Path | None) -> Path | None:
    """A Python file to write: weights lie beside it, under the same name with another suffix.

    Raises:
        GraphNASError: it cannot be written, or is called otherwise.
    """
    if path is not None and path.suffix != ".py":
        raise GraphNASError(f"this is no name of a Python file\n  at {path}. Write {path.stem}.py.")
    return writable(path)


AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
Output = Annotated[Path | None, typer.Option("--output", "-o", help="The file to write.", callback=writable)]
SourceOutput = Annotated[Path | None, typer.Option("--output", "-o", help="The Python file to write.", callback=source)]
Allow = Annotated[
    list[str] | None, typer.Option("--allow", help="A module beyond torch that the graph may name; repeatable.")
]


def answer(data: Mapping[str, Any], text: str, as_json: bool) -> None:
    """Prints a result; what JSON has no number for, as a loss that is not one, is null in it."""
    print(json.dumps(_finite(data), indent=2, allow_nan=False) if as_json else text.rstrip("\n"))


def _finite(value: Any) -> Any:
    match value:
        case float():
            return value if math.isfinite(value) else None
        case Mapping():
            return {key: _finite(item) for key, item in value.items()}
        case list() | tuple():
            return [_finite(item) for item in value]
    return value


def complain(message: str) -> None:
    """Prints an error, red on a terminal."""
    if sys.stderr.isatty():
        from rich.console import Console

        Console(stderr=True).print(message, style="red", markup=False, highlight=False)
    else:
        print(message, file=sys.stderr)


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Rows in columns, drawn by rich; for files and pipes as wide as they are."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    drawn = Table(*columns, box=SIMPLE_HEAD, pad_edge=False)
    for row in rows:
        drawn.add_row(*map(str, row))
    console = Console(width=None if sys.stdout.isatty() else 240, no_color=not sys.stdout.isatty())
    with console.capture() as captured:
        console.print(drawn, markup=False)
    return "\n".join(line.rstrip() for line in captured.get().strip("\n").splitlines())


def write(path: Path, text: str) -> None:
    """Replaces a file whole or not at all.

    Raises:
        GraphNASError: it cannot be written.
    """
    from graphnas.trials import files

    try:
        files.write(path, text)
    except OSError as error:
        raise GraphNASError(f"the file cannot be written: {error}\n  at {path}. Choose another place.") from error
