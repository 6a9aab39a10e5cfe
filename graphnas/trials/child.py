"""The generated file of a trial: the controller writes it, the worker builds the network from it."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graphnas.errors import EmitError, GraphNASError, TrialError
from graphnas.ir.choice import Arch
from graphnas.ir.graph import Graph
from graphnas.ir.specialize import specialize
from graphnas.trials import files, randomness

if TYPE_CHECKING:
    import torch

NAME = "child.py"
WEIGHTS = ".safetensors"


def write(space: Graph, arch: Arch, directory: Path, weights: Mapping[str, Any] | None) -> Path:
    """Writes child.py, and the inherited slice of `weights` beside it if they are given.

    Raises:
        EmitError: the child cannot be written as source.
        OSError: the disk refuses.
    """
    path = directory / NAME
    network = specialize(space, arch)
    if weights is None:
        from graphnas.codegen.emit import emit

        files.write(path, emit(network, arch=arch))
        return path
    from graphnas.codegen.export import export

    try:
        export(network, path, weights, arch=arch)
    except EmitError as error:
        # What the disk refuses is no fault of the network.
        if error.__cause__ is not None and not isinstance(error.__cause__, GraphNASError):
            raise OSError(str(error)) from error
        raise
    return path


def check(space: Graph, weights: Mapping[str, Any] | None) -> None:
    """Refuses a space whose children do not run, or have tensors whose start nobody knows: neither a layer's nor given.

    Raises:
        GraphError: an architecture gives a network that does not run.
        EmitError: there is such a tensor; the message names it.
    """
    from graphnas.analysis.options import check_options  # torch is loaded for controllers alone
    from graphnas.codegen.build import check_starts

    check_options(space)
    check_starts(space, weights or {})


def build(path: Path, seed: int, weights: bool) -> torch.nn.Module:
    """The network that a generated file defines, its start drawn from the seed.

    Raises:
        TrialError: the file is gone, or defines no `build()`.
    """
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None or not path.exists():
        raise TrialError(f"the generated file of the trial is not there\n  at {path}. Search again in a new directory.")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    if not hasattr(module, "build"):
        raise TrialError(f"the generated file of the trial defines no build()\n  at {path}. Was it edited?")
    randomness.start(seed)
    network: torch.nn.Module = module.build()
    beside = path.with_suffix(WEIGHTS)
    if weights and beside.exists():
        from safetensors.torch import load_file

        network.load_state_dict(load_file(beside))
    return network
