"""The command line: each verb is a thin layer over the function of the same name."""

from graphnas.cli.app import main

__all__ = ["main"]
