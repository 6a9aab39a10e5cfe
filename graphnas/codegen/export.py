"""A child on disk: its file and its weights."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from graphnas.codegen.build import build
from graphnas.codegen.emit import emit
from graphnas.errors import EmitError
from graphnas.ir.choice import Arch
from graphnas.ir.graph import Graph

FORMATS = {"safetensors": ".safetensors", "pt": ".pt"}


def export(
    graph: Graph,
    path: str | Path,
    weights: Mapping[str, Tensor] | None = None,
    weights_format: str = "safetensors",
    arch: Arch | None = None,
) -> None:
    """Writes `child.py` and its weights beside it, which run without graphnas.

    Both files are written whole under other names in the same folder, and only then renamed, the weights first: a full
    disk leaves both as they were. Two renames are not one: what is killed between them leaves new weights beside the
    file as it was, each of them whole.

    Args:
        graph: usually closed.
        path: of the file, ending in `.py`; the weights have the same name and a suffix of their own.
        weights: see `build`; without them the network's own start is written.
        weights_format: "safetensors", which the file loads by that package, or "pt", which needs torch alone.
        arch: is named in the file's header.

    Raises:
        EmitError: the graph cannot be written, the path is none of a Python file, or the disk refuses.
    """
    path = Path(path)
    if weights_format not in FORMATS:
        raise EmitError(
            f"weights_format is {weights_format!r}\n  at weights_format=. It can be {' or '.join(map(repr, FORMATS))}."
        )
    suffix = FORMATS[weights_format]
    _check(path, suffix)
    source = emit(graph, arch=arch, weights=suffix)
    state = _apart(build(graph, weights).state_dict())
    targets = path.with_suffix(suffix), path
    written = new_weights, new_source = tuple(map(_beside, targets))
    try:
        if weights_format == "pt":
            torch.save(state, new_weights)
        else:
            save_file(state, new_weights)
        new_source.write_text(source, encoding="utf-8")
        for file in written:
            _synchronize(file)
        for file, target in zip(written, targets):
            os.replace(file, target)
    except Exception as error:  # safetensors and torch raise errors of their own where the disk is full
        renamed = not new_weights.exists() and new_source.exists()
        left = f"{targets[0].name} is new, and {path.name}" if renamed else "files that were there are"
        raise EmitError(
            f"cannot write {path}: {error}; {left} as before\n  at {path.parent.resolve()}. "
            "Make room there and see that it may be written, or choose another folder; then export again."
        ) from error
    finally:
        for file in written:
            file.unlink(missing_ok=True)


def _apart(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Every tensor in a storage of its own, as safetensors wants them; most are, and large ones are not copied."""
    storages: set[int] = set()
    apart = {}
    for name, tensor in state.items():
        storage = tensor.untyped_storage()
        alone = storage.data_ptr() not in storages and storage.nbytes() == tensor.nbytes and tensor.is_contiguous()
        apart[name] = tensor.detach() if alone else tensor.detach().clone(memory_format=torch.contiguous_format)
        storages.add(storage.data_ptr())
    return apart


def _check(path: Path, suffix: str) -> None:
    if path.suffix != ".py":
        raise EmitError(f"{path} is no name of a Python file\n  at the path. Write {path.stem or 'child'}.py.")
    if not path.parent.is_dir():
        raise EmitError(f"cannot write {path}: there is no folder {path.parent}\n  at {path}. Make it first.")
    for target in (path, path.with_suffix(suffix)):
        if target.is_dir():
            raise EmitError(f"cannot write {path}: {target} is a folder\n  at {target}. Choose another name.")


def _beside(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}.new")


def _synchronize(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
