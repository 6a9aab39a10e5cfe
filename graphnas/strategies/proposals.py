"""What a strategy has proposed, and what is left of the space."""

from __future__ import annotations

import random
from collections.abc import Mapping
from itertools import islice

from graphnas.ir.choice import Arch, Option
from graphnas.ir.graph import Graph
from graphnas.ir.sampling import enumerate_archs, sample

Key = str
DRAWS = 50  # free draws of something new before what is left is listed
LISTED = 10_000  # how much of what is left is listed at a time


def key_of(arch: Arch) -> Key:
    """Equal for equal architectures alone; 1, 1.0 and True are three options."""
    return repr(sorted(arch.items()))


class Proposals:
    """Everything proposed so far, and of it what is still pending.

    Args:
        space: what is searched.
        repeats: whether what has been told may be proposed again; what is pending never may.
    """

    def __init__(self, space: Graph, repeats: bool) -> None:
        self._space = space
        self._repeats = repeats
        self._pending: set[Key] = set()
        self._told: set[Key] = set()
        self._rest: list[dict[str, Option]] | None = None

    @property
    def pending(self) -> int:
        """How many are asked and not yet told."""
        return len(self._pending)

    def admits(self, arch: Arch) -> bool:
        """Whether an architecture may be proposed."""
        key = key_of(arch)
        return key not in self._pending and (self._repeats or key not in self._told)

    def enter(self, arch: dict[str, Option]) -> dict[str, Option]:
        """Notes that an architecture is proposed; returns it."""
        key = key_of(arch)
        self._told.discard(key)
        self._pending.add(key)
        return arch

    def settle(self, arch: Arch) -> None:
        """Notes that an architecture was told."""
        key = key_of(arch)
        self._pending.discard(key)
        self._told.add(key)

    def draw(self, rng: random.Random) -> dict[str, Option] | None:
        """A random architecture that may be proposed; None if there is none left."""
        for _ in range(DRAWS if self._repeats or self._rest is None else 0):
            arch = sample(self._space, rng)
            if self.admits(arch):
                return arch
        return self._from_rest(rng)

    def _from_rest(self, rng: random.Random) -> dict[str, Option] | None:
        # Nearly everything that free draws find is taken: list what is left, and draw from the list.
        if self._repeats or not self._rest:
            left = (arch for arch in enumerate_archs(self._space) if self.admits(arch))
            self._rest = list(islice(left, LISTED))
        while self._rest:
            place = rng.randrange(len(self._rest))
            self._rest[place], self._rest[-1] = self._rest[-1], self._rest[place]
            arch = self._rest.pop()
            if self.admits(arch):
                return arch
        return None


def frequencies(space: Graph, archs: list[Mapping[str, Option]]) -> dict[str, dict[Option, float]]:
    """Per label, the part of the architectures that have each option; of a label that none has, of all its values."""
    found = {}
    for label, choice in space.choices.items():
        values = [arch[label] for arch in archs if label in arch] or choice.domain
        counts = dict.fromkeys(choice.options, 0)
        for value in values:
            for position in choice.positions(value):
                counts[choice.options[position]] += 1
        found[label] = {option: count / len(values) for option, count in counts.items()}
    return found
