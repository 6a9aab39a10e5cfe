"""Distributions of torch, which check what they are given: the checks are guards of the file."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, distributions, nn
from torch.nn import functional as F

import graphnas as gn
from tests.laws.networks import assert_same, run


class Autoencoder(nn.Module):
    """A variational autoencoder."""

    def __init__(self) -> None:
        super().__init__()
        self.encode, self.decode = nn.Linear(6, 8), nn.Linear(4, 6)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        mean, log_variance = self.encode(x).chunk(2, -1)
        posterior = distributions.Normal(mean, (0.5 * log_variance).exp())
        prior = distributions.Normal(torch.zeros_like(mean), torch.ones_like(mean))
        return self.decode(posterior.rsample()), distributions.kl_divergence(posterior, prior).sum(-1).mean()


class Policy(nn.Module):
    """Draws actions, and says how likely they are."""

    def __init__(self) -> None:
        super().__init__()
        self.actor, self.critic = nn.Linear(6, 5), nn.Linear(6, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        actions = distributions.Categorical(logits=self.actor(x))
        drawn = actions.sample()
        return drawn, actions.log_prob(drawn), actions.entropy(), self.critic(x)


class Squashed(nn.Module):
    """A continuous policy whose actions are between -1 and 1."""

    def __init__(self) -> None:
        super().__init__()
        self.actor = nn.Linear(6, 6)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        mean, log_deviation = self.actor(x).chunk(2, -1)
        normal = distributions.Normal(mean, log_deviation.clamp(-5, 2).exp())
        actions = distributions.TransformedDistribution(normal, [distributions.TanhTransform(cache_size=1)])
        drawn = actions.rsample()
        return drawn, actions.log_prob(drawn).sum(-1)


class Mixture(nn.Module):
    """A mixture of normal distributions."""

    def __init__(self) -> None:
        super().__init__()
        self.parts = nn.Linear(6, 9)

    def forward(self, x: Tensor) -> Tensor:
        weights, means, deviations = self.parts(x).chunk(3, -1)
        parts = distributions.Normal(means, F.softplus(deviations) + 1e-3)
        mixture = distributions.MixtureSameFamily(distributions.Categorical(logits=weights), parts)
        return -mixture.log_prob(x[:, 0]).mean()  # type: ignore[no-any-return, no-untyped-call]


@pytest.fixture(autouse=True)
def _checks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Distributions check their arguments; torch turns that off for good where something has been compiled."""
    monkeypatch.setattr(distributions.Distribution, "_validate_args", True)


@pytest.mark.parametrize("factory", [Autoencoder, Policy, Squashed, Mixture])
def test_model_with_distributions_does_the_same_at_other_batches(factory: Callable[[], nn.Module]) -> None:
    torch.manual_seed(0)
    model = factory()
    network = gn.build(gn.trace(model, torch.randn(3, 6)), model.state_dict())
    weights = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    for batch in (3, 5):
        x = torch.randn(batch, 6)
        for training in (False, True):
            assert_same(*(run(each, weights, x, training=training) for each in (model, network)))


def test_what_a_distribution_refuses_its_file_refuses() -> None:
    model = Autoencoder()
    network = gn.build(gn.trace(model, torch.randn(3, 6)), model.state_dict())
    for each in (model, network):
        with pytest.raises(ValueError, match=r"Normal|test_distributions\.py:\d+"):
            each(torch.full((3, 6), torch.nan))
