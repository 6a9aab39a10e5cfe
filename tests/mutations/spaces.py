"""What every space that rules make must satisfy, looked at architecture by architecture."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from graphnas.analysis.shapes import check_arms
from graphnas.codegen.build import build
from graphnas.ir.choice import Arch
from graphnas.ir.graph import Graph
from graphnas.ir.sampling import enumerate_archs
from graphnas.ir.specialize import default, specialize
from graphnas.ir.storing import from_json, to_json
from graphnas.mutations.mutate import Rule, mutate
from graphnas.tracing.tracer import trace
from tests.laws.networks import run, same


def lawful(model: nn.Module, x: Tensor, *rules: Rule, archs: Iterable[Arch] | None = None) -> Graph:
    """The space that the rules make of a model.

    Its default is the traced graph, it is stored and read back, and every child computes what the supernet does under
    the child's architecture: result, state afterwards, and gradients.
    """
    graph = trace(model, x)
    space = mutate(graph, *rules)
    assert specialize(space, default(space)) == graph
    assert to_json(from_json(to_json(space))) == to_json(space)
    check_arms(space)
    weights = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    supernet = build(space, weights)
    found = list(enumerate_archs(space) if archs is None else archs)
    assert archs is not None or space.size() == len(found)
    for arch, training in itertools.product(found, (False, True)):
        ours = run(build(specialize(space, arch), weights), weights, x, training=training)
        theirs = run(supernet, weights, x, training=training, plan=arch)
        assert same(ours.output, theirs.output), arch
        for name, tensor in theirs.state.items():
            assert same(tensor, ours.state.get(name, weights[name])), (arch, name)
        for name, gradient in theirs.gradients.items():
            assert same(gradient, ours.gradients.get(name)), (arch, name)
    return space


def output_under(space: Graph, model: nn.Module, x: Tensor, arch: Arch) -> Tensor:
    """What a child computes with the model's weights."""
    found: Tensor = build(specialize(space, arch), model.state_dict()).eval()(x)
    return found


def x(*dims: int) -> Tensor:
    """An example that is always the same."""
    return torch.randn(*dims, generator=torch.Generator().manual_seed(3))
