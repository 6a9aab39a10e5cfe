"""Laws 4, 5, 6, 8 and 10 on spaces that models spell out themselves."""

from __future__ import annotations

import itertools
import random

import pytest
import torch

import graphnas as gn
from graphnas.analysis.shapes import Shape, shape_of, shapes
from graphnas.ir.graph import Graph
from graphnas.ir.verify import verify
from tests.laws.networks import assert_same, run
from tests.nn.networks import NETWORKS, image
from tests.spaces.networks import FORMS

SAMPLES = 12
ALL = NETWORKS | FORMS
every_network = pytest.mark.parametrize("name", ALL)


def _space(name: str) -> tuple[torch.nn.Module, Graph]:
    torch.manual_seed(0)
    model = ALL[name]()
    return model, gn.trace(model, image())


@every_network
@pytest.mark.parametrize("training", [False, True], ids=["eval", "train"])
def test_the_default_is_what_the_model_does_before_any_search(name: str, training: bool) -> None:
    model, space = _space(name)
    weights = {key: tensor.clone() for key, tensor in model.state_dict().items()}
    child = gn.build(gn.specialize(space, gn.default(space)), weights)
    for batch in (2, 3):
        ours = run(child, weights, image(batch), training=training)
        theirs = run(model, weights, image(batch), training=training)
        assert torch.equal(ours.output, theirs.output)
        assert all(torch.equal(ours.state[key], theirs.state[key]) for key in ours.state)


@every_network
def test_a_child_equals_the_supernet_under_its_architecture(name: str) -> None:
    model, space = _space(name)
    supernet = gn.build(space)
    assert list(supernet.state_dict()) == list(model.state_dict())
    weights = {key: tensor.clone() for key, tensor in supernet.state_dict().items()}
    rng = random.Random(0)
    for _ in range(SAMPLES):
        arch = gn.sample(space, rng)
        child = gn.build(gn.specialize(space, arch), weights)
        ours = run(child, child.state_dict(), image(), training=False)
        assert torch.equal(ours.output, run(supernet, weights, image(), training=False, plan=arch).output)


@every_network
def test_every_architecture_runs_with_the_shapes_promised(name: str) -> None:
    _, space = _space(name)
    verify(space)
    rng = random.Random(1)
    for _ in range(SAMPLES):
        arch = gn.sample(space, rng)
        child = gn.specialize(space, arch)
        verify(child)
        assert not child.choices
        assert gn.canonical(space, arch) == arch
        promised = shape_of(shapes(child), child.output)
        assert isinstance(promised, Shape)
        assert gn.build(child)(image()).shape == promised.dims


@every_network
def test_text_and_json_are_the_same_again(name: str) -> None:
    _model, space = _space(name)
    assert gn.from_json(gn.to_json(space)) == space
    again = gn.trace(ALL[name](), image())
    assert str(again) == str(space)
    assert gn.emit(again) == gn.emit(space)


@pytest.mark.parametrize("name", ["words", "nested", "widths"])
def test_size_is_the_number_of_architectures(name: str) -> None:
    _, space = _space(name)
    found = [tuple(sorted(arch.items())) for arch in itertools.islice(gn.enumerate_archs(space), 5000)]
    assert len(found) == len(set(found)) == space.size()


@pytest.mark.parametrize("name", ["words", "nested", *FORMS])
def test_rules_apply_to_what_words_have_made(name: str) -> None:
    model, space = _space(name)
    larger = gn.mutate(space, gn.Swap(torch.nn.BatchNorm2d, {"none": torch.nn.Identity}, label="norm"))
    assert {*larger.choices} == {*space.choices, "norm"}
    assert gn.specialize(larger, {"norm": "original"}) == space
    weights = model.state_dict()
    supernet = gn.build(larger, weights).eval()
    for seed in range(SAMPLES):
        arch = gn.sample(larger, seed)
        child = gn.build(gn.specialize(larger, arch), weights).eval()
        assert torch.equal(child(image()), supernet(image(), plan=arch))


def test_gradients_are_those_of_the_model() -> None:
    model, space = _space("cells of branches")
    weights = {key: tensor.clone() for key, tensor in model.state_dict().items()}
    child = gn.build(gn.specialize(space, gn.default(space)), weights)
    ours, theirs = (run(network, weights, image(), training=True) for network in (child, model))
    assert_same(ours, type(theirs)(theirs.output, ours.state, {key: theirs.gradients[key] for key in ours.gradients}))
