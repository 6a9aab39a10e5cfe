"""Graphs as JSON text and files. Reading one never runs, imports or resolves anything that it names."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Collection
from pathlib import Path
from typing import NoReturn

from graphnas.errors import GraphError
from graphnas.ir.decoding import decode
from graphnas.ir.document import Repeated
from graphnas.ir.encoding import Json, encode
from graphnas.ir.graph import Graph
from graphnas.ir.verify import verify

MAX_BYTES = 2**28  # of a file
MAX_DIGITS = 20  # of an integer


def to_json(graph: Graph, sources: bool = True) -> str:
    """The graph as JSON, one node a line; the same graph always gives the same text.

    Args:
        graph: closed or open.
        sources: whether to keep the user's files and lines.

    Raises:
        GraphError: it holds a value that no file can hold.
    """
    lines = [f'"{key}": {_joined(item)}' for key, item in encode(graph, sources).items()]
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _joined(item: str | list[str]) -> str:
    if isinstance(item, str):
        return item
    return "[\n  " + ",\n  ".join(item) + "\n]" if item else "[]"


def from_json(text: str, allow: Collection[str] = ()) -> Graph:
    """The graph that `to_json` wrote.

    Args:
        text: JSON.
        allow: modules beyond torch whose functions and layers the graph may name; see `verify`.

    Raises:
        GraphError: the text is truncated, of another format, or describes no valid graph; the message says where.
    """
    try:
        graph = decode(_parse(text))
        verify(graph, allow)
    except RecursionError:
        raise GraphError("the document is nested too deeply to be a graph\n  at the document. Write it anew.") from None
    return graph


def _parse(text: str) -> Json:
    try:
        return json.loads(
            text, object_pairs_hook=_object, parse_int=_integer, parse_float=_float, parse_constant=_refuse_constant
        )
    except json.JSONDecodeError as error:
        raise GraphError(
            f"this is not JSON: {error.msg}\n  at line {error.lineno}, column {error.colno} of {len(text)} characters. "
            "Is the file complete?"
        ) from error


def _object(pairs: list[tuple[str, Json]]) -> Json:
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    keys = [key for key, _ in pairs]
    return Repeated(next(key for place, key in enumerate(keys) if key in keys[:place]))


def _integer(digits: str) -> int:
    if len(digits) > MAX_DIGITS:
        raise GraphError(f"the integer {digits:.30}... is too large\n  at the document. Integers have at most 64 bits.")
    return int(digits)


def _float(digits: str) -> float:
    number = float(digits)
    if number in (float("inf"), float("-inf")):
        raise GraphError(f'the number {digits:.30} is too large\n  at the document. Infinity is {{"float": "inf"}}.')
    return number


def _refuse_constant(name: str) -> NoReturn:
    raise GraphError(f'{name} is not JSON\n  at the document. It is written {{"float": "inf"}}, "-inf" or "nan".')


def digest(graph: Graph) -> str:
    """The SHA-256 of what the graph says, in hexadecimal; equal graphs have equal digests, whatever their sources."""
    return hashlib.sha256(to_json(graph, sources=False).encode()).hexdigest()


def save(graph: Graph, path: str | Path) -> None:
    """Writes the graph to a file, which is either replaced whole or left as it was.

    Raises:
        GraphError: the graph cannot be stored, or the file not written.
    """
    path = Path(path)
    content = to_json(graph)
    try:
        _replace(path, content)
    except OSError as error:
        raise GraphError(
            f"the graph cannot be written: {error.strerror}\n  at {path}. Choose another place."
        ) from error


def _replace(path: Path, content: str) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("w", encoding="utf-8") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def load(path: str | Path, allow: Collection[str] = ()) -> Graph:
    """The graph in a file that `save` wrote.

    Args:
        path: the file.
        allow: modules beyond torch whose functions and layers the graph may name; see `verify`.

    Raises:
        GraphError: the file cannot be read, or holds no valid graph.
    """
    path = Path(path)
    try:
        if path.stat().st_size > MAX_BYTES:
            raise GraphError(f"the file is larger than {MAX_BYTES} bytes\n  at {path}. No graph is so large.")
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise GraphError(f"the graph cannot be read: {error}\n  at {path}. Give a file that graphnas wrote.") from error
    try:
        return from_json(text, allow)
    except GraphError as error:
        raise GraphError(f"{error}\n  in {path}") from error
