"""What the constructors of layers take."""

from __future__ import annotations

import inspect
import typing


def parameters(kind: type) -> tuple[inspect.Parameter, ...]:
    """The parameters of a constructor that a configuration can name, without `self`.

    Recurrent layers take `*args, **kwargs`, and say as overloads what these are.
    """
    described = [*typing.get_overloads(kind.__init__), kind.__init__]  # type: ignore[misc]
    found = tuple(inspect.signature(described[0]).parameters.values())[1:]
    return tuple(item for item in found if item.kind not in (item.VAR_POSITIONAL, item.VAR_KEYWORD))
