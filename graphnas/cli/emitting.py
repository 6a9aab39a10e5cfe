"""The verb `emit`: the source of a child, or with open choices of the supernet."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from graphnas.cli import loading
from graphnas.cli.output import Allow, AsJson, SourceOutput, answer, write
from graphnas.errors import EmitError
from graphnas.ir.specialize import specialize


def emit(
    file: Annotated[Path, typer.Argument(help="The graph or space file.")],
    arch: Annotated[
        Path | None, typer.Option(help="Architecture to close choices by; labels that it lacks stay open.")
    ] = None,
    output: SourceOutput = None,
    weights: Annotated[Path | None, typer.Option(help="Weights of the original, to be inherited; needs -o.")] = None,
    guards: Annotated[bool, typer.Option(help="Check the conditions under which the graph was traced.")] = True,
    allow: Allow = None,
    as_json: AsJson = False,
) -> None:
    """Write a network as a Python file that needs torch alone; with open choices, the supernet."""
    from graphnas.codegen.emit import emit as source_of
    from graphnas.codegen.export import export

    graph = loading.graph(file, allow)
    decided = loading.arch(arch, graph) if arch else None
    network = specialize(graph, decided) if decided else graph
    if weights is not None:
        if output is None or not guards:
            raise EmitError("weights are written beside a file\n  at --weights. Give -o child.py, and leave guards in.")
        export(network, output, loading.weights(weights), arch=decided)
        source = output.read_text(encoding="utf-8")
    else:
        source = source_of(network, guards, arch=decided)
        if output is not None:
            write(output, source)
    data = {
        "lines": len(source.splitlines()),
        "open_choices": list(network.choices),
        "file": str(output) if output else None,
        "weights": str(output.with_suffix(".safetensors")) if output and weights else None,
        **({} if output else {"source": source}),
    }
    kind = f"supernet with {len(network.choices)} open choices" if network.choices else "network"
    answer(data, f"wrote {output}: {kind}, {data['lines']} lines" if output else source, as_json)
