"""Drawing, listing and varying architectures."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence

from graphnas.errors import ConstraintError
from graphnas.ir import printing
from graphnas.ir.choice import Arch, Option, choices_in
from graphnas.ir.counting import holds
from graphnas.ir.graph import Graph
from graphnas.ir.specialize import canonical, check_arch, place

ATTEMPTS = 100  # free draws before a constrained space is searched systematically
LIMIT = 200_000  # partial architectures that the systematic search looks at
PLACES = 4  # nodes that a message names

Order = Callable[[Sequence[Option]], Sequence[Option]]


def sample(space: Graph, seed: int | random.Random) -> dict[str, Option]:
    """A random architecture, canonical and within the constraints.

    It is uniform over decisions: every live label takes each of its options equally often. (It is not uniform over
    architectures: an option that opens further choices is drawn as often as one that opens none.) Where constraints
    leave so little that free draws fail, a systematic search in random order finds a member; that one is not uniform.

    Args:
        space: a graph with open choices.
        seed: the same seed gives the same architecture; a generator is advanced.

    Raises:
        ConstraintError: no architecture satisfies the constraints, or none was found within `LIMIT` steps.
    """
    return complete(space, {}, seed if isinstance(seed, random.Random) else random.Random(seed))


def complete(space: Graph, arch: Arch, rng: random.Random) -> dict[str, Option]:
    """The decisions of `arch` that are live, and random ones for whatever they leave open.

    Raises:
        ArchError: a label or an option that the space does not have.
        ConstraintError: no architecture with these decisions satisfies the constraints.
    """
    check_arch(space, arch)
    for _ in range(ATTEMPTS if space.constraints else 1):
        drawn = space.flow.complete(arch, lambda label: rng.choice(space.choices[label].domain))
        if holds(space, drawn):
            return drawn

    def shuffled(options: Sequence[Option]) -> Sequence[Option]:
        return rng.sample(list(options), len(options))

    given = canonical(space, arch)
    for found in _search(space, given, shuffled, _Budget(space)):
        return found
    listed = ", ".join(map(printing.brief, space.constraints))
    fixed = f" with {given}" if given else ""
    spoken = dict.fromkeys(choice for constraint in space.constraints for choice in choices_in(constraint))
    places = list(dict.fromkeys(place(space, choice) for choice in spoken))
    more = f" and {len(places) - PLACES} more" if len(places) > PLACES else ""
    raise ConstraintError(
        f"no architecture of space {space.name}{fixed} satisfies its constraints: {listed}\n"
        f"  at {', '.join(places[:PLACES])}{more}. "
        "Loosen one of them, or give the choices that they speak of further options."
    )


def enumerate_archs(space: Graph) -> Iterator[dict[str, Option]]:
    """Every canonical architecture within the constraints, each once; the first is the default if it is a member."""
    yield from _search(space, {}, tuple, None)


def neighbors(space: Graph, arch: Arch) -> Iterator[dict[str, Option]]:
    """The architectures that differ from `arch` in one decision; labels that it opens take their defaults.

    Raises:
        ArchError: `arch` has a label or an option that the space does not have.
    """
    arch = canonical(space, arch)
    defaults = {label: choice.default for label, choice in space.choices.items()}
    for label, option in arch.items():
        for other in space.choices[label].domain:
            if other != option:
                changed = canonical(space, {**defaults, **arch, label: other})
                if holds(space, changed):
                    yield changed


class _Budget:
    """How many steps a search may still take."""

    def __init__(self, space: Graph) -> None:
        self._space = space
        self._left = LIMIT

    def spend(self) -> None:
        """Takes one step.

        Raises:
            ConstraintError: none is left.
        """
        self._left -= 1
        if self._left < 0:
            raise ConstraintError(
                f"not decided within {LIMIT} steps whether an architecture of space {self._space.name} satisfies its "
                "constraints; loosen them, or give one as a start"
            )


def _search(space: Graph, arch: dict[str, Option], order: Order, budget: _Budget | None) -> Iterator[dict[str, Option]]:
    """Depth-first over decisions that are certainly live; a branch ends where a constraint is broken."""
    if budget is not None:
        budget.spend()
    if not arch and not holds(space, arch):
        return
    _, labels = space.flow.reached(arch, through_open=False)
    undecided = [label for label in labels if label not in arch]
    if not undecided:
        if holds(space, arch):
            yield canonical(space, arch)
        return
    constrained = {choice.label for constraint in space.constraints for choice in choices_in(constraint)}
    label = next((label for label in undecided if label in constrained), undecided[0])
    for option in order(space.choices[label].domain):
        decided = {**arch, label: option}
        if holds(space, decided, label):
            yield from _search(space, decided, order, budget)
