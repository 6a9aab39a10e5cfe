"""The verbs in one table, and what becomes of their errors."""

from __future__ import annotations

import os
import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from graphnas.cli import doctor, emitting, mutating, searching, space, studies, tracing
from graphnas.cli.output import complain
from graphnas.errors import GraphNASError
from graphnas.version import VERSION

USER_ERROR, INTERRUPTED = 1, 130


class Verbs(TyperGroup):
    """A group of commands whose errors are messages: no traceback for what the user can mend."""

    def invoke(self, ctx: Any) -> Any:
        """Runs a verb; its errors become exit codes."""
        try:
            return super().invoke(ctx)
        except GraphNASError as error:
            complain(str(error))
            raise typer.Exit(USER_ERROR) from None
        except KeyboardInterrupt:
            raise typer.Exit(INTERRUPTED) from None


app = typer.Typer(cls=Verbs, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(VERSION)
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", is_eager=True, callback=_print_version)
    ] = False,
) -> None:
    """Search architectures around an existing PyTorch model."""


app.command()(doctor.doctor)
app.command()(tracing.trace)
app.command()(mutating.mutate)
app.add_typer(space.app, name="space")
app.command()(emitting.emit)
app.command()(searching.search)
app.command("ls")(studies.list_studies)
app.command()(studies.show)
app.command()(studies.export)


def main() -> None:
    """The entrance of the program."""
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())  # `module:function` means what it means to `python -m`
    app(prog_name="graphnas")
