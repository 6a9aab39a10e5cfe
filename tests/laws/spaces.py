"""Random spaces with every kind of choice, as a hypothesis strategy. All of them run in torch as well."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Mapping
from typing import Any

from hypothesis import strategies as st

from graphnas.errors import GraphError
from graphnas.ir.choice import Apply, Choice, Expr, Option, choices_in
from graphnas.ir.frozen import FrozenDict
from graphnas.ir.graph import Graph
from graphnas.ir.hazards import check_hazards
from graphnas.ir.node import Arg, Input, Parameter, Ref, transform
from graphnas.ir.specialize import prune
from tests.laws.draft import Draft
from tests.laws.kits import IMAGES, VECTORS
from tests.laws.steps import CHOICES, STEPS


@st.composite
def spaces(draw: st.DrawFn, largest: int = 6) -> Graph:
    """Spaces of up to `largest` steps, as `space` makes them."""
    # Drawn by a generator that hypothesis seeds: its own draws favor the first of everything.
    return space(random.Random(draw(st.integers(0, 2**64))), largest)


def space(rng: random.Random, largest: int = 6) -> Graph:
    """A space of up to `largest` steps; a step adds one to a dozen nodes.

    It has few enough architectures to list them all, and at least one that satisfies its constraints. In none does a
    write overtake a reader that is computed late: `verify` refuses these.
    """
    while True:
        drafted = _drafted(rng, largest)
        try:
            check_hazards(drafted)
        except GraphError:
            continue
        return drafted


def _drafted(rng: random.Random, largest: int) -> Graph:
    draft = Draft(rng, rng.choice((VECTORS, IMAGES)))
    names = ("x", "y") if draft.flip() else ("x",)
    draft.inputs = [Input(name, (name,), (2, *draft.kit.shape)) for name in names]
    draft.values = [Ref(name) for name in names]
    draft.names.update(names)
    steps = [*draft.steps(STEPS, largest), draft.one_of(CHOICES)]
    for step in rng.sample(steps, len(steps)):
        step(draft)
    output = _output(draft)
    drafted = Graph(
        inputs=tuple(draft.inputs),
        nodes=tuple(draft.nodes),
        output=output,
        constraints=_constraints(draft),
        modules=tuple(draft.entries),
        formals=FrozenDict(draft.formals),
        name="Net",
        signature=tuple(map(Parameter, names)),
    )
    return prune(drafted)


def _output(draft: Draft) -> Arg:
    """Everything that nobody has read yet: chosen among, added up, and in the end returned in some structure."""
    while len(ends := draft.unread()) > 1 and draft.flip():
        choice = draft.choice("result", ("first", "second"))
        if choice is None:
            draft.call("torch.add", *ends[:2])
        else:
            draft.choose(choice, *ends[:2])
    ends = ends or [draft.call("torch.tanh", draft.values[0])]
    match draft.one_of(("plain", "tuple", "dict")):
        case "plain" if len(ends) == 1:
            return ends[0]
        case "dict":
            return FrozenDict({f"part{i}": (end, None) if i else end for i, end in enumerate(ends)})
    return tuple(ends)


# ---------------------------------------------------------------- constraints
def _constraints(draft: Draft) -> tuple[Expr, ...]:
    """Up to two constraints that some architecture satisfies together."""
    kept: tuple[Expr, ...] = ()
    for _ in range(draft.one_of((0, 1, 2)) if draft.choices else 0):
        added = (*kept, _constraint(draft))
        if any(satisfies(added, arch) for arch in assignments(draft.choices)):
            kept = added
    return kept


def _constraint(draft: Draft) -> Expr:
    first, second = (draft.one_of(draft.choices.values()) for _ in range(2))
    premise, conclusion = (_fact(draft, choice) for choice in (first, second))
    match draft.one_of(("fact", "implies", "or", "not both")):
        case "implies":
            return premise.implies(conclusion)
        case "or":
            return premise | conclusion
        case "not both":
            return ~(premise & conclusion)
    return premise


def _fact(draft: Draft, choice: Choice) -> Expr:
    option = draft.one_of(choice.options)
    if choice.take != 1:
        return Apply("in", (option, choice))
    if isinstance(option, int) and draft.flip():
        return choice * 2 <= option * 2
    return draft.one_of((choice.equals(option), choice.one_of(*choice.options[1:])))


def assignments(choices: Mapping[str, Choice]) -> Iterator[dict[str, Option]]:
    """Every way to decide all labels, dead or not, constraints or not."""
    for values in itertools.product(*(choice.domain for choice in choices.values())):
        yield dict(zip(choices, values, strict=True))


def some_arch(space: Graph, seed: int) -> dict[str, Option]:
    """An option for every label, dead or not, that satisfies the constraints."""
    rng = random.Random(seed)
    while True:
        arch = {label: rng.choice(choice.domain) for label, choice in space.choices.items()}
        if satisfies(space.constraints, arch):
            return arch


def satisfies(constraints: tuple[Expr, ...], arch: Mapping[str, Option]) -> bool:
    """Whether the constraints whose labels are all decided hold: what they mean, written down independently."""
    decided = [c for c in constraints if all(choice.label in arch for choice in choices_in(c))]
    return all(evaluate(constraint, arch) for constraint in decided)


def evaluate(expr: Expr, arch: Mapping[str, Option]) -> Any:
    """The value of an expression of choices."""
    return transform(expr, lambda leaf: arch[leaf.label] if isinstance(leaf, Choice) else leaf)
