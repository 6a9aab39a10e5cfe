"""Which strings may be names: they are written into generated source, so a name is nothing but a name."""

from __future__ import annotations

import re
from collections.abc import Collection
from keyword import iskeyword

MAX_NAME = 500  # characters in one name

_CALL = re.compile(r"@\d+")
_PATH = re.compile(r"[\w-]+(?:\.[\w-]+)*")
_NODE = re.compile(r"[\w-]+(?:@[1-9]\d{0,5})?(?:\.[\w-]+(?:@[1-9]\d{0,5})?)*")


def is_identifier(name: object) -> bool:
    """Whether `name` can be a variable, parameter or class in generated source."""
    return (
        type(name) is str and len(name) <= MAX_NAME and name.isidentifier() and not iskeyword(name) and not _magic(name)
    )


def is_dotted(name: object) -> bool:
    """Whether `name` is identifiers joined by dots, none of them private to Python (`__class__`)."""
    return type(name) is str and len(name) <= MAX_NAME and all(map(is_identifier, name.split(".")))


def is_path(name: object) -> bool:
    """Whether `name` can be the path of a module or tensor: words and numbers joined by dots."""
    return type(name) is str and len(name) <= MAX_NAME and _PATH.fullmatch(name) is not None and not _magic(name)


def is_node_name(name: object) -> bool:
    """Whether `name` can be a node's: a path whose parts may carry an `@k`."""
    return type(name) is str and len(name) <= MAX_NAME and _NODE.fullmatch(name) is not None and not _magic(name)


def is_line(text: object, limit: int = MAX_NAME) -> bool:
    """Whether `text` is one printable line, so that it may stand in a comment."""
    return type(text) is str and len(text) <= limit and text.isprintable()


def without_calls(name: str) -> str:
    """The name without its `@k` marks: both calls of a module share weights, label and selector."""
    return _CALL.sub("", name)


def is_allowed(name: object, allow: Collection[str]) -> bool:
    """Whether `name` stands directly in one of the modules that the caller allows, `__main__` too."""
    module, _, last = str(name).rpartition(".")
    return module in allow and is_identifier(last) and (module == "__main__" or is_dotted(name))


def permission(name: object) -> str:
    """What to do about a name outside the tables."""
    module = str(name).rpartition(".")[0] if is_dotted(name) else ""
    return f"If you trust what it runs, pass allow=({module!r},)." if module else "Use public names."


def _magic(name: str) -> bool:
    return "__" in name and any(part[:2] == part[-2:] == "__" for part in re.split(r"[.@]", name))
