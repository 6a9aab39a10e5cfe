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
    """Writes `child.py` and its weights beside it, which run with torch alone.

    Each file is complete or left as it was: it is written under another name in the same folder and then renamed, the
    weights first.

    Args:
        graph: usually closed.
        path: of the file, ending in `.py`.
        weights: see `build`; without them the network's own start is written.
        weights_format: "safetensors", or "pt" for a torch file, which needs no further package to load.
        arch: is named in the file's header.

    Raises:
        EmitError: the graph cannot be written, or the disk refuses.
    """
    path = Path(path)
    if weights_format not in FORMATS:
        raise EmitError(f"weights_format is {weights_format!r}; it can be {' or '.join(map(repr, FORMATS))}")
    suffix = FORMATS[weights_format]
    source = emit(graph, arch=arch, weights=suffix)
    state = {name: tensor.detach().clone().contiguous() for name, tensor in build(graph, weights).state_dict().items()}
    new_source, new_weights = _beside(path), _beside(path.with_suffix(suffix))
    try:
        if weights_format == "pt":
            torch.save(state, new_weights)
        else:
            save_file(state, new_weights)
        new_source.write_text(source, encoding="utf-8")
        for written, target in ((new_weights, path.with_suffix(suffix)), (new_source, path)):
            _synchronize(written)
            os.replace(written, target)
    except Exception as error:  # safetensors and torch raise errors of their own where the disk is full
        raise EmitError(f"cannot write {path}: {error}; files that were there are as before") from error
    finally:
        for leftover in (new_source, new_weights):
            leftover.unlink(missing_ok=True)


def _beside(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}.new")


def _synchronize(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
