"""Laws 6, 8 and 10 for every rule, on generated spaces."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from torch import Tensor, nn

from graphnas.analysis.names import resolve
from graphnas.analysis.operations import operands
from graphnas.analysis.shapes import Shape, check_arms, shapes
from graphnas.errors import GraphError
from graphnas.ir.graph import Graph
from graphnas.ir.node import Ref
from graphnas.ir.sampling import sample
from graphnas.ir.specialize import canonical, specialize
from graphnas.ir.storing import from_json, to_json
from graphnas.ir.verify import verify
from graphnas.mutations.chains import chains
from graphnas.mutations.depth import Depth
from graphnas.mutations.inputs import Inputs
from graphnas.mutations.mutate import Rule
from graphnas.mutations.operators import Operator, op
from graphnas.mutations.operators import Value as Operand
from graphnas.mutations.pattern import Pattern
from graphnas.mutations.selectors import Selector, region
from graphnas.mutations.sites import Site, sites
from graphnas.mutations.skip import Skip
from graphnas.mutations.swap import Swap
from graphnas.mutations.value import Value
from tests.laws.spaces import some_arch, spaces
from tests.laws.survival import is_choice, surviving_entries, survivors
from tests.mutations.library import ALTERNATIVES

seeds = st.integers(0, 2**32 - 1)
# What a rule says where it takes nothing.
NOTHING = (
    "matches nothing", "passes over every site", "name an end behind every beginning", "matches overlapping sites",
    "is shared by",
)  # fmt: skip


class Other(nn.Module):
    """A module with state that gives any shape and dtype."""

    def __init__(self, site: Site) -> None:
        super().__init__()
        (wanted,) = site.output_shapes
        assert isinstance(wanted, Shape)
        self.shape = wanted.dims
        self.dtype = getattr(torch, wanted.dtype.removeprefix("torch."))
        self.scale = nn.Linear(1, 1)

    @staticmethod
    def of(site: Site) -> Other:
        return Other(site)

    def forward(self, x: Tensor, *more: Tensor) -> Tensor:
        return self.scale(x.float().mean().reshape(1))[0].expand(self.shape).to(self.dtype)


def some_sites(graph: Graph, seed: int, kinds: tuple[str, ...] = ("layer", "call", "block")) -> set[str]:
    """Names of a few sites."""
    try:
        shapes(graph)
    except GraphError:
        assume(False)  # a drawn network may feed a layer what it cannot take
    rng = random.Random(seed)
    return {site.name for site in sites(graph) if site.kind in kinds and rng.random() < 0.5}


def swap(graph: Graph, seed: int) -> Rule:
    chosen = some_sites(graph, seed)
    label = "swapped" if seed % 2 else "{node}.swapped"
    alternatives = {"other": Other.of, "second": Other.of}
    return Swap(lambda site: site.name in chosen, alternatives, label)


def fitted(graph: Graph, seed: int) -> Rule:
    """Alternatives of the library, at all the sites that they fit."""
    chosen = random.Random(seed).choice([option for option in ALTERNATIVES if option != "zero"])
    alternatives = {option: ALTERNATIVES[option] for option in (chosen, "zero")}
    return Swap("*", alternatives, "{node}.fitted")


def skip(graph: Graph, seed: int) -> Rule:
    chosen = some_sites(graph, seed)
    return Skip(lambda site: site.name in chosen, "skipped" if seed % 2 else "{node}.skipped")


def value(graph: Graph, seed: int) -> Rule:
    chosen = some_sites(graph, seed, ("layer",))

    def where(site: Site) -> bool:
        return site.name in chosen

    argument, options = (("bias", (False, True)), ("p", (0.25, 0.75)), ("eps", (1e-3,)))[seed % 3]
    return Value(where, argument, options)


def some_region(graph: Graph, seed: int) -> Selector:
    """What stands from one of a few sites through another."""
    chosen = some_sites(graph, seed, ("layer", "call"))
    assume(chosen)
    rng = random.Random(seed)
    first, last = (rng.choice(sorted(chosen)) for _ in range(2))
    return region(lambda site: site.name == first, lambda site: site.name == last)


def swapped_region(graph: Graph, seed: int) -> Rule:
    return Swap(some_region(graph, seed), {"other": Other.of, "second": Other.of}, "swapped" if seed % 2 else "{node}")


def skipped_region(graph: Graph, seed: int) -> Rule:
    return Skip(some_region(graph, seed))


class Pair(Other):
    """The same for a site of two results."""

    @staticmethod
    def of(site: Site) -> Other:
        first, second = (replace(site, output_shapes=(shape,)) for shape in site.output_shapes)
        return Pair(first, second)

    def __init__(self, first: Site, second: Site) -> None:
        super().__init__(first)
        self.second = Other(second)

    def forward(self, x: Tensor, *more: Tensor) -> tuple[Tensor, Tensor]:  # type: ignore[override]
        return super().forward(x, *more), self.second(x, *more)


def some_operation(graph: Graph, rng: random.Random) -> tuple[Operator, int]:
    """An operation of the graph, and how many values it computes with, one or two."""
    found = {site.type: operands(graph, site.node) for site in sites(graph) if site.node is not None}
    fitting = [
        (kind, len(values)) for kind, values in found.items() if len(values) in (1, 2) and Ref in set(map(type, values))
    ]
    assume(fitting)
    kind, count = rng.choice(fitting)
    return op(resolve(kind)), count


def pattern(graph: Graph, seed: int) -> Rule:
    """One operation of one or two values, or a chain of two of which one or both results are given."""
    try:
        shapes(graph)
    except GraphError:
        assume(False)
    rng = random.Random(seed)
    (first, count), (second, seconds) = (some_operation(graph, rng) for _ in range(2))

    def applied_to(x: Operand, y: Operand) -> tuple[Operand, Operand]:
        value = first(x, y) if count == 2 else first(x)
        return value, (second(value, x) if seconds == 2 else second(value))

    label = "matched" if seed % 2 else "{node}.matched"
    match seed % 3, count:
        case 0, 1:
            return Pattern(lambda x: first(x), {"other": Other.of}, label)
        case 0, _:
            return Pattern(lambda x, y: first(x, y), {"other": Other.of}, label)
        case 1, 1:
            return Pattern(lambda x: applied_to(x, x)[1], {"other": Other.of}, label)
        case 1, _:
            return Pattern(lambda x, y: applied_to(x, y)[1], {"other": Other.of}, label)
        case _, 1:
            return Pattern(lambda x: applied_to(x, x), {"pair": Pair.of}, label)
    return Pattern(lambda x, y: applied_to(x, y), {"pair": Pair.of}, label)


def depth(graph: Graph, seed: int) -> Rule:
    some_sites(graph, seed)  # leaves out what does not run
    rng = random.Random(seed)
    chosen = {chain.site.name for chain in chains(graph) if rng.random() < 0.8}
    return Depth(lambda site: site.name in chosen, 1 + seed % 2, "{node}.dropped")


def inputs(graph: Graph, seed: int) -> Rule:
    chosen, sources = some_sites(graph, seed), some_sites(graph, seed + 1)
    take, merge = ((1, "sum"), (None, "sum"), (None, "mean"))[seed % 3]
    return Inputs(lambda site: site.name in chosen, lambda site: site.name in sources, take, merge, "{node}.from")


def several(graph: Graph, seed: int) -> Rule:
    """Two rules, the second on what the first has made."""
    first, second = random.Random(seed).sample((swap, skip, value, depth, inputs), 2)

    def both(graph: Graph) -> Graph:
        once = applied(first(graph, seed), graph)
        return second(once, seed)(once)

    return both


MAKERS = {
    "Swap": swap, "library": fitted, "Skip": skip, "Value": value, "Swap of a region": swapped_region,
    "Skip of a region": skipped_region, "Pattern": pattern, "Depth": depth, "Inputs": inputs,
    "several": several,
}  # fmt: skip
RULES = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)


def applied(rule: Rule, graph: Graph) -> Graph:
    """The wider space; a draw in which the rule finds no site is left out, or sites of one label that differ."""
    try:
        wider = rule(graph)
    except GraphError as error:
        if any(text in str(error) for text in NOTHING):
            assume(False)
        raise
    try:
        verify(wider)
    except GraphError as error:
        if "changes in place behind it" in str(error):
            assume(False)  # refused, as it must be: a write would overtake a reader
        raise
    return wider


@RULES
@given(space=spaces(), seed=seeds)
def test_option_0_is_the_original(make: object, space: Graph, seed: int) -> None:
    wider = applied(make(space, seed), space)  # type: ignore[operator]
    added = {label: choice.default for label, choice in wider.choices.items() if label not in space.choices}
    assert added
    assert specialize(wider, added) == space


@RULES
@given(space=spaces(), seed=seeds)
def test_wider_space_is_stored_and_read_back(make: object, space: Graph, seed: int) -> None:
    wider = applied(make(space, seed), space)  # type: ignore[operator]
    assert from_json(to_json(wider)) == wider


@RULES
@given(space=spaces(), seed=seeds)
def test_no_guard_or_effect_of_a_live_scope_disappears(make: object, space: Graph, seed: int) -> None:
    wider = applied(make(space, seed), space)  # type: ignore[operator]
    arch = canonical(wider, some_arch(wider, seed))
    child = specialize(wider, arch)
    assert [node.name for node in child.nodes if not is_choice(wider.node(node.name))] == survivors(wider, arch)
    assert [entry.path for entry in child.modules] == surviving_entries(wider, child)


@RULES
@given(space=spaces(), seed=seeds)
def test_every_child_runs_with_the_promised_shapes(make: object, space: Graph, seed: int) -> None:
    wider = applied(make(space, seed), space)  # type: ignore[operator]
    check_arms_added(wider, space)
    arch = sample(wider, seed)
    promised = shapes(wider, arch)
    child = specialize(wider, arch)
    assert {name: shape for name, shape in shapes(child).items() if promised[name] != shape} == {}


def check_arms_added(wider: Graph, space: Graph) -> None:
    """Where the space's own choices have arms of one shape, the wider one's have as well."""
    try:
        check_arms(space)
    except GraphError:
        return
    check_arms(wider)
