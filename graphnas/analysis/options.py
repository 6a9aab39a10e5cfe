"""Whether what an architecture decides gives a network that runs."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

from graphnas.analysis.elastic import bending_choices
from graphnas.analysis.shapes import shapes
from graphnas.errors import GraphError
from graphnas.ir.choice import Arch
from graphnas.ir.counting import holds
from graphnas.ir.graph import Graph
from graphnas.ir.sampling import sample
from graphnas.ir.specialize import specialize

COMBINATIONS = 256  # of options that change shapes are looked at one by one; of more every option alone
SAMPLES = 10


def check_options(space: Graph) -> None:
    """Make sure that networks run whatever is decided about their sizes.

    Numbers that a model lets be chosen meet where only a run shows whether they fit together. Looked at are all
    combinations of them where there are few, else every option alone, with all else at its default; and some random
    architectures.

    Raises:
        GraphError: an architecture gives a network that does not run; the message names it, the node and the user's
            line.
        ConstraintError: no architecture satisfies the constraints.
    """
    for arch in _archs(space):
        try:
            shapes(specialize(space, arch))
        except GraphError as error:
            decided = ", ".join(f"{label}={option!r}" for label, option in arch.items())
            raise GraphError(
                f"the architecture {decided} gives a network that does not run: {error}\n"
                "  Make numbers that must agree expressions of one choice, or forbid the combination by a constraint."
            ) from error


def _archs(space: Graph) -> Iterator[Arch]:
    bending = [choice for choice in bending_choices(space) if len(choice.domain) > 1]
    if math.prod(len(choice.domain) for choice in bending) <= COMBINATIONS:
        products = itertools.product(*(choice.domain for choice in bending))
        decisions = [dict(zip((choice.label for choice in bending), options, strict=True)) for options in products]
    else:
        decisions = [{choice.label: option} for choice in bending for option in choice.domain]
    for decided in decisions:
        arch = space.flow.complete(decided, lambda label: space.choices[label].default)
        if holds(space, arch):
            yield arch
    if space.choices:
        yield from (sample(space, seed) for seed in range(SAMPLES))
