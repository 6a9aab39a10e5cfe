"""Plain JSON data, read strictly: what is expected, or a `GraphError` that says where in the document it is not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn, TypeVar

from graphnas.errors import GraphError, nearest
from graphnas.ir.encoding import Json

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Repeated:
    """Stands where a JSON object names one key twice, until the decoder can say where that is."""

    key: str


def refuse(what: str, where: str, remedy: str) -> NoReturn:
    """Raises the `GraphError` that says what is wrong, where in the document, and what was expected."""
    raise GraphError(f"{what}\n  at {where}. {remedy}")


def fields(data: Json, where: str, required: tuple[str, ...], optional: tuple[str, ...] = ()) -> dict[str, Json]:
    """An object with exactly the fields that it must have, and some of those that it may have.

    Raises:
        GraphError: it is no object, lacks a field, or has another.
    """
    if type(data) is Repeated:
        refuse(f"{data.key!r:.100} stands twice in one object", where, "Remove one of them.")
    if type(data) is not dict:
        refuse(f"{shown(data)} is not an object", where, f"Expected one with {', '.join(required)}.")
    for key in data:
        if key not in required and key not in optional:
            known = (*required, *optional)
            refuse(f"{key!r:.100} is unknown here.{nearest(key, known)}", where, f"There may be {', '.join(known)}.")
    for key in required:
        if key not in data:
            refuse(f"{key!r} is missing", where, f"There must be {', '.join(required)}.")
    return data


def sequence(data: Json, where: str, read: Callable[[Json, str], T]) -> tuple[T, ...]:
    """A list, each item read by `read`.

    Raises:
        GraphError: it is no list.
    """
    if type(data) is not list:
        refuse(f"{shown(data)} is not a list", where, "Expected a list.")
    return tuple([read(item, f"{where}[{place}]") for place, item in enumerate(data)])


def text(data: Json, where: str) -> str:
    """A string.

    Raises:
        GraphError: it is none.
    """
    if type(data) is not str:
        refuse(f"{shown(data)} is not a string", where, "Expected a string.")
    return data


def integer(data: Json, where: str) -> int:
    """An integer, which `true` and `1.0` are not.

    Raises:
        GraphError: it is none.
    """
    if type(data) is not int:
        refuse(f"{shown(data)} is not an integer", where, "Expected an integer.")
    return data


def flag(data: Json, where: str) -> bool:
    """True or false.

    Raises:
        GraphError: it is neither.
    """
    if type(data) is not bool:
        refuse(f"{shown(data)} is neither true nor false", where, "Expected one of them.")
    return data


def row(data: Json, where: str, size: int) -> list[Json]:
    """A list of a known length.

    Raises:
        GraphError: it is none.
    """
    if type(data) is not list or len(data) != size:
        refuse(f"{shown(data)} is not a list of {size}", where, f"Expected a list of {size}.")
    return data


def step(data: Json, where: str) -> str | int:
    """A key or an index.

    Raises:
        GraphError: it is neither.
    """
    if type(data) is not str and type(data) is not int:
        refuse(f"{shown(data)} is neither an integer nor a string", where, "Expected one of them.")
    return data


def shown(data: Json) -> str:
    """The data for a message, shortened."""
    return f"an object that names {data.key!r:.100} twice" if type(data) is Repeated else f"{data!r:.100}"
