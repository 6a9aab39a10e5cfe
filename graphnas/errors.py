"""The errors that graphnas raises on purpose, one root with seven children, and its warnings.

A message says what is wrong, where (the node and the user's source line) and what to do.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class GraphNASError(Exception):
    """Root of every error that graphnas raises on purpose."""


class TraceError(GraphNASError):
    """A model cannot be turned into a graph."""


class UnrecordableError(TraceError):
    """A module does what a graph cannot hold; it may still stay one layer of a graph.

    Attributes:
        path: of the module; the root's is "".
        what: what it does.
        place: the user's file and line.
    """

    def __init__(self, message: str, path: str, what: str, place: object) -> None:
        super().__init__(message)
        self.path, self.what, self.place = path, what, place


class TraceWarning(UserWarning):
    """A graph leaves out something of its model that changes no result."""


class OpaqueWarning(UserWarning):
    """A module could not be recorded and stays one layer of the graph."""


class GraphError(GraphNASError):
    """A graph, or a rule that was to change one, is not valid."""


class ArchError(GraphNASError):
    """An architecture names a label or an option that the space does not have."""


class ConstraintError(GraphNASError):
    """No architecture, or not this one, satisfies the constraints."""


class EmitError(GraphNASError):
    """A graph cannot be written as source, built or exported."""


class LatencyError(GraphNASError):
    """A latency table cannot be built or does not apply."""


class TrialError(GraphNASError):
    """A trial, a study or its store cannot go on."""


def nearest(name: object, known: Iterable[object]) -> str:
    """A sentence that offers the known names closest to `name`; empty if none is close."""
    written = {str(item): item for item in known}
    close = difflib.get_close_matches(str(name), list(written), n=3, cutoff=0.5)
    return f" Did you mean {' or '.join(repr(written[item]) for item in close)}?" if close else ""
