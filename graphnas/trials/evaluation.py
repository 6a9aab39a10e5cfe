"""The user's evaluate function: how a worker process finds it again."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeAlias

from graphnas.errors import TrialError, nearest
from graphnas.trials.trial import Trial

Result: TypeAlias = float | Mapping[str, float]
Evaluate: TypeAlias = Callable[[Trial], Result]
_REMEDY = (
    "Put it at the top level of a module or file (in a notebook: %%writefile evaluation.py) and give the function or "
    '"evaluation.py:evaluate"; or run it in this process by executor="inline".'
)


@dataclass(frozen=True, slots=True)
class Reference:
    """A function by the name and the module or file that a worker imports.

    Attributes:
        module: dotted name, or "" where it lies in a file.
        file: absolute path, or "".
        name: of the function, dotted inside the module.
    """

    module: str
    file: str
    name: str

    def __str__(self) -> str:
        return f"{self.module or self.file}:{self.name}"

    def fields(self) -> dict[str, str]:
        """As JSON data."""
        return asdict(self)


def reference(evaluate: Evaluate | str) -> Reference:
    """What a worker needs to find the function.

    Args:
        evaluate: a function, or `module:function` or `file.py:function`.

    Raises:
        TrialError: a worker could not import it.
    """
    return _of_text(evaluate) if isinstance(evaluate, str) else _of_function(evaluate)


def _of_text(text: str) -> Reference:
    place, _, name = text.rpartition(":")
    if not place or not all(part.isidentifier() for part in name.split(".")):
        raise TrialError(f'{text!r} names no function\n  at evaluate=. Write "module:function" or "file.py:function".')
    if place.endswith(".py"):
        path = Path(place).resolve()
        if not path.is_file():
            raise TrialError(f"there is no file {place}\n  at evaluate={text!r}, looked for at {path}.")
        _check_name(path, name)
        return Reference("", str(path), name)
    try:
        found = importlib.util.find_spec(place)
    except (ImportError, ValueError) as error:
        raise TrialError(f"module {place} cannot be found: {error}\n  at evaluate={text!r}.") from error
    if found is None:
        raise TrialError(f'there is no module {place}\n  at evaluate={text!r}. Write "{place}.py:{name}" for a file.')
    if found.origin and found.origin.endswith(".py"):
        _check_name(Path(found.origin), name)
    return Reference(place, "", name)


def _check_name(path: Path, name: str) -> None:
    """Refuses a name that the file plainly does not define; its code is not run for that."""
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except SyntaxError as error:
        raise TrialError(f"{path.name} is not valid Python: {error.msg}\n  at {path}:{error.lineno}.") from error
    known = set(_defined(tree))
    first = name.partition(".")[0]
    if "*" not in known and first not in known:
        raise TrialError(f"{path.name} defines no {first!r}\n  at {path}.{nearest(first, known)}")


def _defined(tree: ast.Module) -> Iterator[str]:
    for item in ast.walk(tree):
        match item:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield name
            case ast.Name(id=name, ctx=ast.Store()):
                yield name
            case ast.alias(name=name, asname=asname):
                yield asname or name.partition(".")[0]


def _of_function(function: Evaluate) -> Reference:
    name = getattr(function, "__qualname__", "")
    module = getattr(function, "__module__", None) or ""
    if not inspect.isfunction(function) or "<" in name:
        raise TrialError(f"a worker process cannot import {function!r}\n  at evaluate=. {_REMEDY}")
    where = f"{function.__code__.co_filename}:{function.__code__.co_firstlineno}"
    found = sys.modules.get(module)
    if _resolved(found, name) is not function:
        raise TrialError(f"{module}.{name} is not the function that was given\n  at {where}. {_REMEDY}")
    if module != "__main__":
        return Reference(module, "", name)
    spec = getattr(found, "__spec__", None)
    if spec is not None:
        return Reference(spec.name, "", name)
    file = getattr(found, "__file__", None)
    if file is None or not Path(file).is_file():
        raise TrialError(f"a worker process cannot import {name}: no file defines it\n  at {where}. {_REMEDY}")
    return Reference("", str(Path(file).resolve()), name)


def _resolved(module: object, name: str) -> Any:
    found: Any = module
    for part in name.split("."):
        found = getattr(found, part, None)
    return found


def resolve(target: Reference) -> Evaluate:
    """The function, its module imported.

    Raises:
        TrialError: the module has no such function.
    """
    module = importlib.import_module(target.module) if target.module else _load(Path(target.file))
    function = _resolved(module, target.name)
    if not callable(function):
        raise TrialError(f"there is no function {target.name}\n  at {target}. Was it renamed?")
    return function  # type: ignore[no-any-return]


def _load(path: Path) -> object:
    """The module in a file, under the file's name, so that what it pickles is found again by its subprocesses."""
    sys.path.insert(0, str(path.parent))
    name = path.stem if path.stem not in sys.modules else f"{path.stem}_of_trial"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise TrialError(f"{path} cannot be imported\n  at evaluate=. Give a Python file.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module
