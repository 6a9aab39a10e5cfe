"""What the user names on the command line: functions, graphs, architectures, weights."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import json
import sys
import traceback
from collections.abc import Collection, Iterator
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from graphnas.errors import ArchError, GraphError, GraphNASError, nearest
from graphnas.ir import storing
from graphnas.ir.choice import Arch
from graphnas.ir.graph import Graph
from graphnas.ir.specialize import canonical

if TYPE_CHECKING:
    from torch import Tensor


def named(text: str) -> Any:
    """The object behind `package.module:name` or `file.py:name`.

    Raises:
        GraphNASError: there is none, or its module fails.
    """
    place, _, name = text.rpartition(":")
    if not place or not name:
        raise GraphNASError(f'{text!r} names no object\n  at the command line. Write "module:name" or "file.py:name".')
    module = _module(place)
    found: Any = module
    for part in name.split("."):
        if not hasattr(found, part):
            public = [known for known in vars(module) if not known.startswith("_")]
            raise GraphNASError(f"{place} has no {name!r}\n  at {text!r}.{nearest(name, public)}")
        found = getattr(found, part)
    return found


def _module(place: str) -> ModuleType:
    try:
        with foreign():
            return _from_file(Path(place)) if place.endswith(".py") else importlib.import_module(place)
    except GraphNASError:
        raise
    except (Exception, SystemExit) as error:
        raise GraphNASError(f"{place} cannot be imported: {blamed(error)}") from error


def _from_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise GraphNASError(f"there is no file {path}\n  at {path.resolve()}. Give its path from here.")
    folder = str(path.resolve().parent)
    if folder not in sys.path:
        sys.path.insert(0, folder)
    name = path.stem if path.stem not in sys.modules else f"{path.stem}_of_command_line"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise GraphNASError(f"{path} cannot be imported\n  at {path.resolve()}. Give a Python file.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@contextlib.contextmanager
def foreign() -> Iterator[None]:
    """Where the user's code runs: what it prints is no answer of the verb, and goes to the standard error."""
    with contextlib.redirect_stdout(sys.stderr):
        yield


def blamed(error: BaseException) -> str:
    """An error of the user's code in words, with the line that raised it."""
    if isinstance(error, SyntaxError):
        return f"{error.msg}\n  at {error.filename}:{error.lineno}."
    frames = traceback.extract_tb(error.__traceback__)
    own = [
        frame
        for frame in frames
        if "importlib" not in frame.filename and f"{Path(__file__).parent}" not in frame.filename
    ]
    where = f"\n  at {own[-1].filename}:{own[-1].lineno}." if own else ""
    return f"{type(error).__name__}: {error}{where}"


def graph(path: Path, allow: Collection[str] | None) -> Graph:
    """The graph in a file.

    Raises:
        GraphError: the file holds none.
    """
    return storing.load(path, tuple(allow or ()))


def arch(path: Path, space: Graph) -> dict[str, Any]:
    """The architecture in a file, in canonical form.

    Raises:
        ArchError: the file holds none, or one of another space.
    """
    from graphnas.trials import data

    try:
        text = path.read_text(encoding="utf-8")
        if not isinstance(json.loads(text), dict):
            raise ArchError(f'an architecture is an object, label to option\n  at {path}. Write {{"label": "option"}}.')
        found: Arch = data.from_json(text)
    except GraphError as error:
        raise ArchError(f"this is no architecture: {error}\n  in {path}") from error
    except (OSError, ValueError, RecursionError) as error:
        raise ArchError(
            f"the architecture cannot be read: {error}\n  at {path}. `graphnas space sample` writes such files."
        ) from error
    try:
        return canonical(space, found)
    except ArchError as error:
        raise ArchError(f"{error}\n  in {path}") from error


def weights(path: Path | None) -> dict[str, Tensor] | None:
    """The tensors in a file of safetensors, or of torch (`.pt`, `.pth`); None without a file.

    Raises:
        GraphNASError: the file cannot be read.
    """
    if path is None:
        return None
    try:
        if path.suffix in (".pt", ".pth"):
            import torch

            state: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
            return state
        from safetensors.torch import load_file

        return load_file(path)
    except Exception as error:
        raise GraphNASError(
            f"the weights cannot be read: {error}\n  at {path}. "
            "Give a .safetensors file, or a .pt file that holds a state_dict."
        ) from error
