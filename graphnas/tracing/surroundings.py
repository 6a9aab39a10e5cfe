"""What the user's code holds beside the modules: in their files and classes, and in plain objects that they hold."""

from __future__ import annotations

import inspect
import random
import sys
from collections.abc import Iterator, Mapping, Sequence
from types import FunctionType, ModuleType
from typing import Any

from torch import Tensor, nn

from graphnas.tracing.snapshot import CONTAINERS

_NUMBERS = frozenset((int, float, str, type(None)))
_MANY = 256  # what is larger is a table, not what a call remembers
_OTHERS = (nn.Module, Tensor, type, FunctionType, ModuleType)
_OF_TORCH = frozenset(vars(nn.Module()))


class Surroundings:
    """Attributes, containers and generators of random numbers, as they were before a run.

    Args:
        modules: those whose own code runs.
    """

    def __init__(self, modules: Sequence[nn.Module]) -> None:
        self._places: list[tuple[str, Any, Mapping[str, Any], dict[str, Any]]] = []
        self._contents: list[tuple[str, Any, Any]] = []
        self._generators: list[tuple[str, Any, Any]] = []
        kinds = {type(module) for module in modules}
        for held in _files(kinds):
            self._keep(held.get("__name__", ""), held, held)
        for base in {base for kind in kinds for base in kind.__mro__ if _is_own(base)}:
            self._keep(base.__qualname__, base, vars(base))
        seen: set[int] = set()
        for module in modules:
            for name, value in module.__dict__.items():
                if name not in _OF_TORCH and id(value) not in seen:
                    seen.add(id(value))
                    self._hold(name, value)

    def _hold(self, name: str, value: Any) -> None:
        if _state(value) is not None:
            self._generators.append((name, value, _state(value)))
        elif (
            type(value) not in _NUMBERS
            and not isinstance(value, _OTHERS)
            and type(getattr(value, "__dict__", 0)) is dict
        ):
            self._keep(name, vars(value), vars(value))

    def _keep(self, where: str, owner: Any, held: Mapping[str, Any]) -> None:
        self._places.append((where, owner, held, {name: value for name, value in held.items() if name[:2] != "__"}))
        for name, value in held.items():
            if type(value) in CONTAINERS and len(value) <= _MANY and name[:2] != "__":
                self._contents.append((f"{where}.{name}", value, value.copy()))
            elif _state(value) is not None:
                self._generators.append((f"{where}.{name}", value, _state(value)))

    def changes(self) -> Iterator[tuple[str, Any, Any]]:
        """What is no longer as it was: a name, what it is, and what it was."""
        for where, _, held, before in self._places:
            for name, value in held.items():
                if name[:2] != "__" and value is not before.get(name):
                    yield f"{where}.{name}", value, before.get(name)
        for name, container, contents in self._contents:
            if not _same(container, contents):
                yield name, container, contents

    def draws(self) -> Iterator[str]:
        """The generators that have been drawn from."""
        return (
            f"the generator {name!r}" for name, generator, before in self._generators if _state(generator) != before
        )

    def restore(self) -> None:
        """Put everything back."""
        for _, owner, held, before in self._places:
            for name in [name for name in held if name[:2] != "__" and name not in before]:
                _delete(owner, name)
            for name in [name for name, value in before.items() if held.get(name) is not value]:
                _put(owner, name, before[name])
        for _, container, contents in self._contents:
            if not _same(container, contents):
                container.clear()
                (container.update if isinstance(container, dict | set) else container.extend)(contents)
        for _, generator, before in self._generators:
            if isinstance(generator, random.Random):
                generator.setstate(before)
            else:
                generator.bit_generator.state = before


def _files(kinds: set[type[nn.Module]]) -> list[dict[str, Any]]:
    """The variables of the files in which classes and their `forward` stand, but torch's."""
    found = [vars(sys.modules[kind.__module__]) for kind in kinds if kind.__module__ in sys.modules]
    found += [getattr(inspect.getattr_static(kind, "forward"), "__globals__", {}) for kind in kinds]
    files = {id(held): held for held in found if held}
    return [held for held in files.values() if held.get("__name__", "").partition(".")[0] != "torch"]


def _is_own(kind: type) -> bool:
    return kind is not object and kind.__module__.partition(".")[0] not in ("torch", "typing", "abc")


def _put(owner: Any, name: str, value: Any) -> None:
    if isinstance(owner, dict):
        owner[name] = value
    else:
        setattr(owner, name, value)


def _delete(owner: Any, name: str) -> None:
    if isinstance(owner, dict):
        del owner[name]
    else:
        delattr(owner, name)


def _state(value: Any) -> Any:
    """The state of a generator of Python or numpy."""
    if isinstance(value, random.Random):
        return value.getstate()
    numpy = sys.modules.get("numpy")
    return value.bit_generator.state if numpy is not None and isinstance(value, numpy.random.Generator) else None


def _frozen(state: Any) -> Any:
    if isinstance(state, dict):
        return [(key, _frozen(part)) for key, part in state.items()]
    return state.tobytes() if hasattr(state, "tobytes") else state


def _same(container: Any, contents: Any) -> bool:
    if len(container) != len(contents):
        return False
    if isinstance(container, dict):
        return all(key in contents and contents[key] is value for key, value in container.items())
    return all(ours is theirs for ours, theirs in zip(container, contents, strict=True))
