"""The verbs of `space`: look at a space, count it, sample it, check it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from graphnas.cli import loading
from graphnas.cli.output import Allow, AsJson, Output, answer, write
from graphnas.errors import GraphNASError
from graphnas.ir import pages, printing
from graphnas.ir.counting import Estimate
from graphnas.ir.graph import Graph
from graphnas.ir.sampling import sample as draw
from graphnas.ir.specialize import default, specialize

app = typer.Typer(no_args_is_help=True, help="Look at a space: show, size, sample, check.")
File = Annotated[Path, typer.Argument(help="The space file.")]


@app.command()
def show(
    file: File,
    sources: Annotated[bool, typer.Option(help="With every line's file and line number.")] = False,
    html: Annotated[bool, typer.Option("--html", help="A page with a picture instead of the text.")] = False,
    arch: Annotated[Path | None, typer.Option(help="Architecture to be marked on the page.")] = None,
    output: Output = None,
    allow: Allow = None,
    as_json: AsJson = False,
) -> None:
    """Show a graph, its nodes, choices and constraints: as text, or as a page with a picture."""
    if (arch and not html) or (sources and html):
        raise GraphNASError(
            "an architecture is marked on a page, and sources stand in the text\n"
            "  at the command line. Give --arch with --html, and --sources without."
        )
    space = loading.graph(file, allow)
    choices = {label: {"options": list(choice.options), "take": choice.take} for label, choice in space.choices.items()}
    constraints = [printing.expression(item) for item in space.constraints]
    text = printing.text(space, sources)
    shown = pages.page(space, loading.arch(arch, space) if arch else None) if html else text
    data = {"name": space.name, "choices": choices, "constraints": constraints, "text": text}
    if output is not None:
        write(output, shown)
        answer({**data, "file": str(output)}, f"wrote {output}", as_json)
    else:
        answer({**data, **({"html": shown} if html else {})}, shown, as_json)


@app.command()
def size(
    file: File,
    estimate: Annotated[bool, typer.Option(help="Sample instead of counting.")] = False,
    allow: Allow = None,
    as_json: AsJson = False,
) -> None:
    """Count the architectures of a space."""
    match loading.graph(file, allow).size(estimate):
        case Estimate(value=value, standard_error=error, samples=samples):
            data = {"size": value, "standard_error": error, "samples": samples}
            answer(data, f"{value:.4g} ± {error:.2g} architectures ({samples} samples)", as_json)
        case count:
            answer({"size": count}, f"{count:,} architectures", as_json)


@app.command()
def sample(
    file: File,
    seed: Annotated[int, typer.Option(help="The same seed gives the same architecture.")] = 0,
    original: Annotated[bool, typer.Option("--default", help="The original network instead of a random one.")] = False,
    output: Output = None,
    allow: Allow = None,
    as_json: AsJson = False,
) -> None:
    """Draw an architecture, to be read by `graphnas emit --arch`."""
    import json

    from graphnas.trials import data

    space = loading.graph(file, allow)
    arch = default(space) if original else draw(space, seed)
    decided = json.loads(data.to_json(arch))
    text = json.dumps(decided, indent=2)
    if output is not None:
        write(output, text + "\n")
    shown = text if output is None else f"wrote {output}"
    answer({"arch": decided, "file": str(output) if output else None}, shown, as_json)


@app.command()
def check(
    file: File,
    samples: Annotated[int, typer.Option(min=1, help="How many random architectures to check.")] = 10,
    allow: Allow = None,
    as_json: AsJson = False,
) -> None:
    """Check that a space is valid, that its constraints can be met, and that sampled architectures fit together."""
    space = loading.graph(file, allow)  # verified as it is read
    _check_options(space)
    archs = [default(space)] if not space.choices else [draw(space, seed) for seed in range(samples)]
    for arch in archs:
        _check_shapes(specialize(space, arch))
    text = f"{space.name} is valid: {len(space.choices)} choices, {len(archs)} sampled architectures fit together"
    answer({"valid": True, "choices": len(space.choices), "checked": len(archs)}, text, as_json)


def _check_options(space: Graph) -> None:
    from graphnas.analysis.options import check_options

    check_options(space)


def _check_shapes(network: Graph) -> None:
    from graphnas.analysis.shapes import shapes

    shapes(network)
