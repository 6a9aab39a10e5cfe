"""The verb `trace`: from a factory of a model to a graph file."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from graphnas.cli import loading
from graphnas.cli.output import AsJson, answer, writable
from graphnas.errors import GraphNASError, OpaqueWarning, TraceError, nearest
from graphnas.ir import storing

if TYPE_CHECKING:
    from torch import Tensor, nn


def trace(
    factory: Annotated[str, typer.Argument(help="What builds the model: package.module:factory or file.py:factory.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The graph file to write.", callback=writable)],
    inputs: Annotated[
        list[str] | None,
        typer.Option("--input", "-i", help="Shape of an input, such as 1,3,224,224 or 1,128:int64; repeatable."),
    ] = None,
    examples: Annotated[
        str | None,
        typer.Option(help="What gives the inputs instead: a function, file.py:name, that returns gn.example(...)s."),
    ] = None,
    weights: Annotated[
        Path | None,
        typer.Option(help="Also write the model's state_dict here, as safetensors.", callback=writable),
    ] = None,
    exact: Annotated[
        bool, typer.Option(help="Tell libraries the truth when they ask whether they are compiled.")
    ] = False,
    opaque: Annotated[
        str, typer.Option(help="What becomes of a module that cannot be recorded: warn (it stays whole) or error.")
    ] = "warn",
    leaf: Annotated[
        list[str] | None, typer.Option(help="A glob on modules that are to stay whole, such as 'blocks.*'; repeatable.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Record a model into a graph and say what was recorded."""
    from graphnas.codegen.report import report
    from graphnas.tracing.tracer import Tracer

    model = _model(factory)
    given = _examples(inputs or [], examples)
    with loading.foreign(), warnings.catch_warnings():
        warnings.simplefilter("ignore", OpaqueWarning)  # the answer tells it
        graph = Tracer(exact=exact, opaque=opaque, leaf=leaf or ()).trace(model, *given)
    storing.save(graph, output)
    if weights is not None:
        _save_weights(model, weights)
    found = report(graph)
    written = [str(path) for path in (output, weights) if path]
    data = {**found.data, "file": str(output), "weights": str(weights) if weights else None}
    answer(data, "\n".join([str(found), *(f"wrote {path}" for path in written)]), as_json)


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


def _examples(inputs: list[str], name: str | None) -> list[Any]:
    """What the model is called on: tensors of the shapes, or what the user's function gives."""
    from graphnas.tracing.examples import Example

    if bool(inputs) == bool(name):
        raise typer.BadParameter("a model is traced on example inputs: give --input for each, or one --examples")
    if name is None:
        return list(map(_example, inputs))
    found = loading.named(name)
    try:
        with loading.foreign():
            found = found() if callable(found) else found
            given = [found] if isinstance(found, Example) else list(found)
    except (Exception, SystemExit) as error:
        raise TraceError(
            f"{name} gives no examples: {loading.blamed(error)}\n  It is called without arguments."
        ) from error
    if not given or not all(isinstance(item, Example) for item in given):
        raise TraceError(
            f"{name} gives {found!r:.100}\n  at the command line. Give gn.example(...), or a list of them."
        )
    return given


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
    try:
        if dtype.is_floating_point or dtype.is_complex:
            return torch.randn(sizes, generator=torch.Generator().manual_seed(0)).to(dtype)
        return torch.ones(sizes, dtype=dtype) if dtype is torch.bool else torch.zeros(sizes, dtype=dtype)
    except (RuntimeError, TypeError) as error:  # too large, or a dtype that cannot be filled
        said = str(error).partition("\n")[0]
        raise TraceError(
            f"there is no such tensor: {said}\n  at --input {text}. Give another shape or dtype."
        ) from error


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
