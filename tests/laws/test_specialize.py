"""Laws 1 to 3: closing choices is the identity for none, complete for all, and composes."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from graphnas.ir.graph import Graph
from graphnas.ir.node import Call, Choose
from graphnas.ir.sampling import sample
from graphnas.ir.specialize import canonical, default, specialize
from graphnas.ir.verify import verify
from tests.laws.spaces import some_arch, spaces
from tests.laws.survival import is_choice, surviving_entries, survivors

seeds = st.integers(0, 2**32 - 1)


@given(space=spaces(), seed=seeds)
def test_every_generated_space_is_valid(space: Graph, seed: int) -> None:
    verify(space)


@given(space=spaces(), seed=seeds)
def test_specialize_is_the_identity_when_nothing_is_decided(space: Graph, seed: int) -> None:
    assert specialize(space, {}) == space


@given(space=spaces(), seed=seeds)
def test_specialize_leaves_no_choice_open_when_arch_is_complete(space: Graph, seed: int) -> None:
    child = specialize(space, sample(space, seed))
    assert not child.choices
    assert child.size() == 1
    assert not any(isinstance(node.op, Choose) and node.condition is None for node in child.nodes)
    verify(child)


@given(space=spaces(), seed=seeds)
def test_specialize_composes_when_arch_is_split(space: Graph, seed: int) -> None:
    rng = random.Random(seed)
    arch = dict(sample(space, rng))
    first = {label: option for label, option in arch.items() if rng.random() < 0.5}
    rest = {label: option for label, option in arch.items() if label not in first}
    between = specialize(space, first)
    verify(between)
    assert specialize(between, rest) == specialize(space, arch)


@given(space=spaces(), seed=seeds)
def test_specialize_in_any_order_label_by_label_gives_the_same_graph(space: Graph, seed: int) -> None:
    rng = random.Random(seed)
    arch = dict(sample(space, rng))
    graph = space
    for label in rng.sample(list(arch), len(arch)):
        graph = specialize(graph, {label: arch[label]})
    assert graph == specialize(space, arch)


@given(space=spaces(), seed=seeds)
def test_specialize_ignores_labels_that_are_dead(space: Graph, seed: int) -> None:
    arch = some_arch(space, seed)
    assert specialize(space, canonical(space, arch)) == specialize(space, arch)


@given(space=spaces(), seed=seeds)
def test_canonical_keeps_exactly_the_labels_that_are_live(space: Graph, seed: int) -> None:
    arch = some_arch(space, seed)
    kept = canonical(space, arch)
    assert kept.items() <= arch.items()
    assert list(kept) == [label for label in space.choices if label in kept]
    assert canonical(space, kept) == kept
    for label in kept:
        others = {other: option for other, option in kept.items() if other != label}
        assert label in specialize(space, others).choices
    assert not specialize(space, kept).choices


@given(space=spaces(), seed=seeds)
def test_specialize_keeps_exactly_what_is_read_and_the_effects_of_live_scopes(space: Graph, seed: int) -> None:
    arch = canonical(space, some_arch(space, seed))
    child = specialize(space, arch)
    kept = [node.name for node in child.nodes if not is_choice(space.node(node.name))]
    assert kept == survivors(space, arch)


@given(space=spaces(), seed=seeds)
def test_specialize_leaves_every_surviving_node_as_it_was_but_for_its_choices(space: Graph, seed: int) -> None:
    child = specialize(space, some_arch(space, seed))
    for node in child.nodes:
        before = space.node(node.name)
        assert (node.scope, node.source) == (before.scope, before.source)
        assert (node.when is None) == (before.when is None)
        assert bool(node.after) == bool(before.after)


@given(space=spaces(), seed=seeds)
def test_specialize_keeps_the_module_table_of_what_survives(space: Graph, seed: int) -> None:
    child = specialize(space, some_arch(space, seed))
    assert [entry.path for entry in child.modules] == surviving_entries(space, child)


@given(space=spaces(), seed=seeds)
def test_specialize_keeps_the_formal_names_of_live_calls(space: Graph, seed: int) -> None:
    child = specialize(space, some_arch(space, seed))
    calls = {(frame.path, frame.call) for node in child.nodes for frame in node.scope}
    assert set(child.formals) == calls & set(space.formals)
    for call, names in child.formals.items():
        assert set(names.values()) <= set(space.formals[call].values())


@given(space=spaces(), seed=seeds)
def test_a_choice_of_several_joins_exactly_what_is_chosen(space: Graph, seed: int) -> None:
    arch = canonical(space, some_arch(space, seed))
    child = specialize(space, arch)
    for node in space.nodes:
        if is_choice(node) and node.op.choice.take != 1 and node.name in child.by_name:
            assert child.node(node.name).op == Call(f"graphnas.{node.op.merge}")
            assert len(child.node(node.name).args) == len(arch[node.op.choice.label]) > 1


@given(space=spaces(), seed=seeds)
def test_default_is_the_first_of_every_live_choice(space: Graph, seed: int) -> None:
    first = {label: choice.default for label, choice in space.choices.items()}
    assert default(space) == canonical(space, first)
