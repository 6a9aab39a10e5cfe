"""Normalizations, for channels in dimension 1 or last as the site has them."""

from __future__ import annotations

import math
from typing import Any

from torch import nn

from graphnas.errors import GraphError
from graphnas.mutations.fitting import fitting
from graphnas.mutations.library.geometry import check_same_shape, divisors
from graphnas.mutations.library.layout import ChannelsFirst, ChannelsLast, channels_last
from graphnas.mutations.sites import Site

_BATCH_NORMS: dict[int, Any] = {2: nn.BatchNorm1d, 3: nn.BatchNorm1d, 4: nn.BatchNorm2d, 5: nn.BatchNorm3d}
_INSTANCE_NORMS: dict[int, Any] = {3: nn.InstanceNorm1d, 4: nn.InstanceNorm2d, 5: nn.InstanceNorm3d}


@fitting
def batch_norm(site: Site) -> nn.Module:
    """Over the batch and all sizes, each channel by itself. Reference: Ioffe and Szegedy 2015, arXiv:1502.03167."""
    return _on_first(site, _of_rank(_BATCH_NORMS, site)(_channels(site), _eps(site)))


@fitting
def group_norm(site: Site, groups: int | None = None) -> nn.Module:
    """Over all sizes and a group of channels.

    Args:
        site: what keeps its shape.
        groups: how many; left out, 32 or the largest power of 2 that divides both it and the channels.

    Reference: Wu and He 2018, arXiv:1803.08494.
    """
    channels = _channels(site)
    groups = math.gcd(32, channels) if groups is None else groups
    if groups < 1 or channels % groups:
        raise GraphError(
            f"{channels} channels cannot be divided into {groups} groups; they can into {divisors(channels)}"
        )
    return _on_first(site, nn.GroupNorm(groups, channels, _eps(site)))


@fitting
def instance_norm(site: Site) -> nn.Module:
    """Over all sizes, each channel by itself, with a scale and shift. Reference: Ulyanov 2016, arXiv:1607.08022."""
    return _on_first(site, _of_rank(_INSTANCE_NORMS, site)(_channels(site), _eps(site), affine=True))


@fitting
def layer_norm(site: Site) -> nn.Module:
    """Over the channels at each position. Reference: Ba et al. 2016, arXiv:1607.06450."""
    return _on_last(site, nn.LayerNorm(_channels(site), _eps(site)))


@fitting
def rms_norm(site: Site) -> nn.Module:
    """Divides by the root mean square of the channels at each position.

    Reference: Zhang and Sennrich 2019, equation 4, arXiv:1910.07467.
    """
    return _on_last(site, nn.RMSNorm(_channels(site), _eps(site)))


def _channels(site: Site) -> int:
    """How many channels a site has that keeps its shape.

    Raises:
        GraphError: it does not.
    """
    check_same_shape(site)
    shape = site.input_shape
    if len(shape) < 2:
        raise GraphError(f"{shape} has no batch and channels; leave the site out by where")
    return shape[-1 if channels_last(site) else 1]


def _eps(site: Site) -> float:
    """What the site adds below the root, if it does; else what most layers of torch add."""
    eps = site.config.get("eps") if site.kind == "layer" else None
    return eps if isinstance(eps, float) else 1e-5


def _of_rank(kinds: dict[int, Any], site: Site) -> Any:
    """The class for as many dimensions as a site has."""
    rank = len(site.input_shape)
    if rank not in kinds:
        raise GraphError(f"torch has none for {site.input_shape}; leave the site out by where")
    return kinds[rank]


def _on_first(site: Site, norm: nn.Module) -> nn.Module:
    """A layer that takes channels in dimension 1, at a site."""
    return ChannelsFirst(norm) if channels_last(site) and len(site.input_shape) > 2 else norm


def _on_last(site: Site, norm: nn.Module) -> nn.Module:
    """A layer that takes channels last, at a site."""
    return norm if channels_last(site) or len(site.input_shape) == 2 else ChannelsLast(norm)
