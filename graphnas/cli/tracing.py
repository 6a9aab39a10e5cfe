"""The verb `trace`: from a factory of a model to a graph file."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from graphnas.cli import loading
from graphnas.cli.output import AsJson, answer, writable
from graphnas.errors import GraphNASError, TraceError, nearest
from graphnas.ir import printing, storing
from graphnas.ir.graph import Graph
from graphnas.ir.initial import is_recorded
from graphnas.ir.node import GUARD, Call

if TYPE_CHECKING:
    from torch import Tensor, nn


def trace(
    factory: Annotated[str, typer.Argument(help="What builds the model: package.module:factory or file.py:factory.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The graph file to write.", callback=writable)],
    inputs: Annotated[
        list[str],
        typer.Option("--input", "-i", help="Shape of an input, such as 1,3,224,224 or 1,128:int64; repeatable."),
    ],
    weights: Annotated[
        Path | None,
        typer.Option(help="Also write the model's state_dict here, as safetensors.", callback=writable),
    ] = None,
    exact: Annotated[
        bool, typer.Option(help="Tell libraries the truth when they ask whether they are compiled.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Record a model into a graph and say what was recorded."""
    from graphnas.tracing.tracer import Tracer

    model = _model(factory)
    examples = list(map(_example, inputs))
    with loading.foreign():
        graph = Tracer(exact=exact).trace(model, *examples)
    storing.save(graph, output)
    if weights is not None:
        _save_weights(model, weights)
    data = {**coverage(graph), "file": str(output), "weights": str(weights) if weights else None}
    answer(data, _text(data), as_json)


def _model(factory: str) -> nn.Module:
    from torch import nn

    from graphnas.tracing.recording import recording

    build = loading.named(factory)
    if not callable(build):
        raise TraceError(
            f"{factory} is no function but {build!r:.100}\n  at the command line. Name what builds the model."
        )
    try:
        with loading.foreign(), recording():
            model = build()
    except (Exception, SystemExit) as error:
        raise TraceError(
            f"{factory} fails: {loading.blamed(error)}\n  It is called without arguments, and must give a model."
        ) from error
    if not isinstance(model, nn.Module):
        raise TraceError(f"{factory} gives {model!r:.100}\n  at the command line. It must give a torch.nn.Module.")
    return model


def _example(text: str) -> Tensor:
    """A tensor of the shape: noise, or of integers and truth values zeros and ones."""
    import torch

    shape, _, name = text.partition(":")
    dtype = getattr(torch, name or "float32", None)
    if not isinstance(dtype, torch.dtype):
        known = [key for key, value in vars(torch).items() if isinstance(value, torch.dtype)]
        raise TraceError(f"there is no dtype {name!r}\n  at --input {text}.{nearest(name, known)}")
    try:
        sizes = [int(size) for size in shape.split(",") if size.strip()]
    except ValueError:
        sizes = [-1]
    if min(sizes, default=0) < 0:
        raise TraceError(f"{shape!r} is no shape\n  at --input {text}. Write sizes such as 1,3,224,224.")
    if dtype.is_floating_point or dtype.is_complex:
        return torch.randn(sizes, generator=torch.Generator().manual_seed(0)).to(dtype)
    return torch.ones(sizes, dtype=dtype) if dtype is torch.bool else torch.zeros(sizes, dtype=dtype)


def _save_weights(model: nn.Module, path: Path) -> None:
    from safetensors.torch import save_file

    state = {name: tensor.detach().clone().contiguous() for name, tensor in model.state_dict().items()}
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        save_file(state, temporary)
        temporary.replace(path)
    except Exception as error:
        temporary.unlink(missing_ok=True)
        raise GraphNASError(f"the weights cannot be written: {error}\n  at {path}. Choose another place.") from error


def coverage(graph: Graph) -> dict[str, Any]:
    """What a graph holds: operations by kind, opaque modules with their reasons, guards with their lines."""
    kinds = Counter(type(node.op).__name__.lower() for node in graph.nodes)
    guards = [node for node in graph.nodes if isinstance(node.op, Call) and node.op.target == GUARD]
    kinds["call"] -= len(guards)
    opaque = [entry for entry in graph.modules if entry.kind == "opaque"]
    return {
        "name": graph.name,
        "inputs": [{"name": item.name, "dtype": item.dtype, "shape": list(item.shape)} for item in graph.inputs],
        "operations": {kind: count for kind, count in sorted(kinds.items()) if count},
        "initialization": _initialization(graph),
        "opaque": [{"path": entry.path, "type": entry.type, **_plain(entry.config)} for entry in opaque],
        "guards": [{"holds": printing.argument(node.args[0]), "where": str(node.args[1])} for node in guards],
    }


def _initialization(graph: Graph) -> dict[str, Any]:
    """How many tensors start otherwise than torch's layers do, and of which it could not be recorded how."""
    starts = {f"{row.path}.{name}".strip("."): steps for row in graph.modules for name, steps in row.initial.items()}
    unknown = {path: steps[0].args for path, steps in starts.items() if not is_recorded(steps)}
    return {
        "recorded": len(starts) - len(unknown),
        "unrecorded": [{"path": path, "reason": reason, "where": where} for path, (reason, where) in unknown.items()],
    }


def _plain(config: Any) -> dict[str, str]:
    return {str(key): printing.argument(value) for key, value in config.items()}


def _text(data: dict[str, Any]) -> str:
    operations = ", ".join(f"{count} {kind}{'s' if count != 1 else ''}" for kind, count in data["operations"].items())
    lines = [f"{data['name']}: {operations}; {len(data['opaque'])} opaque modules; {len(data['guards'])} guards"]
    starts = data["initialization"]
    lines += [f"  initialization recorded of {starts['recorded']} tensors"] if starts["recorded"] else []
    lines += [f"  inherited, {row['path']}: {row['reason']}  ({row['where']})" for row in starts["unrecorded"]]
    lines += [f"  opaque: {row['path']} ({row['type']})" for row in data["opaque"]]
    lines += [f"  holds only where {row['holds']}  ({row['where']})" for row in data["guards"]]
    lines += [f"wrote {data['file']}"] + ([f"wrote {data['weights']}"] if data["weights"] else [])
    return "\n".join(lines)
