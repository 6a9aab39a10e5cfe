"""Law 7: what is built from a trace equals the model bit for bit, wherever its guards admit; elsewhere it raises."""

from __future__ import annotations

import pytest
import torch

from graphnas.codegen.build import build
from graphnas.tracing.tracer import trace
from tests.laws.networks import GPT_SMALL, NARROW, NETWORKS, VIT, Network, assert_same, run, same


@pytest.mark.parametrize("training", [False, True], ids=["eval", "train"])
@pytest.mark.parametrize("network", [*NETWORKS, *NARROW], ids=repr)
def test_built_network_equals_the_model(network: Network, training: bool) -> None:
    model = network.model()
    weights = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    built = build(trace(model, network.example(*network.traced)), weights)
    assert list(built.state_dict()) == list(weights)
    assert [name for name, _ in built.named_parameters()] == [name for name, _ in model.named_parameters()]
    for size in (network.traced, *network.untraced):
        given = network.example(*size)
        assert_same(run(model, weights, given, training=training), run(built, weights, given, training=training))


@pytest.mark.parametrize("network", NETWORKS, ids=repr)
def test_comparison_notices_other_weights(network: Network) -> None:
    model = network.model()
    weights = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    built = build(trace(model, network.example(*network.traced)), weights)
    given = network.example(*network.traced)
    before = run(built, weights, given, training=False).output
    # A convolution scaled by two would vanish in the normalization behind it, so every weight gets its own noise.
    torch.manual_seed(1)
    first = list(weights)[: max(1, len(weights) // 3)]
    noise = {name: weights[name] + torch.randn(weights[name].shape).mul(0.1).to(weights[name].dtype) for name in first}
    assert not same(before, run(built, {**weights, **noise}, given, training=False).output)


def test_guard_raises_when_a_sequence_is_longer_than_the_context() -> None:
    model = GPT_SMALL.model()
    built = build(trace(model, GPT_SMALL.example(*GPT_SMALL.traced)), model.state_dict())
    with pytest.raises(ValueError, match=r"gpt\.py:\d+"):
        built(torch.zeros(2, 33, dtype=torch.long))


def test_images_of_another_size_are_refused() -> None:
    model = VIT.model()
    built = build(trace(model, VIT.example(2)), model.state_dict())
    with pytest.raises((ValueError, RuntimeError)):
        built(torch.zeros(2, 3, 40, 40))
