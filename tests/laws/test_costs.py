"""What a space says that its children cost is what they cost when they are built."""

from __future__ import annotations

from dataclasses import replace

import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

import graphnas as gn
from graphnas.analysis.conditions import conditions, diagrams_of
from graphnas.codegen.emit import emit, root_class
from graphnas.ir.choice import Expr, choices_in
from graphnas.ir.graph import Graph
from graphnas.ir.specialize import canonical, specialize
from graphnas.ir.storing import from_json, to_json
from graphnas.ir.verify import verify
from tests.laws.spaces import some_arch, spaces

seeds = st.integers(0, 2**32 - 1)


def _network(graph: Graph) -> nn.Module:
    """The network with whatever weights: generated spaces do not say how bare parameters start."""
    namespace: dict[str, type[nn.Module]] = {}
    exec(compile(emit(graph), "<child>", "exec"), namespace)
    return namespace[root_class(graph)]().eval()


@given(space=spaces(), seed=seeds)
def test_parameters_are_those_of_the_built_child(space: Graph, seed: int) -> None:
    cost = gn.cost.params(space)
    for step in range(3):
        arch = canonical(space, some_arch(space, seed + step))
        built = _network(specialize(space, arch))
        assert cost(arch) == sum(parameter.numel() for parameter in built.parameters())


@given(space=spaces(), seed=seeds)
def test_multiply_adds_are_those_that_torch_counts_in_the_built_child(space: Graph, seed: int) -> None:
    cost = gn.cost.macs(space)
    for step in range(3):
        arch = canonical(space, some_arch(space, seed + step))
        built = _network(specialize(space, arch))
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            built(*(torch.randn(1, *item.shape[1:]) for item in space.inputs))
        assert cost(arch) == counter.get_total_flops() / 2


@given(space=spaces(), seed=seeds)
def test_conditions_are_those_of_the_child(space: Graph, seed: int) -> None:
    diagrams = diagrams_of(space)
    arch = canonical(space, some_arch(space, seed))
    names = {node.name for node in specialize(space, arch).nodes}
    for node, condition in zip(space.nodes, conditions(space, diagrams), strict=True):
        found = diagrams.expression(condition)
        assert (found(arch) if isinstance(found, Expr) else found) == (node.name in names)


@given(space=spaces(), seed=seeds)
def test_a_cost_as_a_constraint_is_a_valid_part_of_the_space(space: Graph, seed: int) -> None:
    cost = gn.cost.params(space)
    assume(any(True for _ in choices_in(cost)))
    arch = canonical(space, some_arch(space, seed))
    bounded = replace(space, constraints=(*space.constraints, cost <= cost(arch)))
    verify(bounded)
    assert from_json(to_json(bounded)) == bounded
    assert specialize(bounded, arch) == specialize(space, arch)
    within = [item for item in gn.enumerate_archs(space) if cost(item) <= cost(arch)]
    found = list(gn.enumerate_archs(bounded))
    assert sorted(map(str, found)) == sorted(map(str, within))
    assert bounded.size() == len(within)


@given(space=spaces(), seed=seeds)
def test_a_partly_decided_space_has_the_cost_of_the_whole(space: Graph, seed: int) -> None:
    arch = canonical(space, some_arch(space, seed))
    first = dict(list(arch.items())[::2])
    rest = {label: option for label, option in arch.items() if label not in first}
    assert gn.cost.params(specialize(space, first))(rest) == gn.cost.params(space)(arch)
    assert gn.cost.macs(specialize(space, first))(rest) == gn.cost.macs(space)(arch)
