"""Poolings, in one, two or three dimensions as the site has."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from graphnas.errors import GraphError
from graphnas.mutations.fitting import fitting
from graphnas.mutations.library.convolutions import CONVOLUTIONS
from graphnas.mutations.library.geometry import Extent, Geometry, check_same_shape, geometry, plain
from graphnas.mutations.library.layout import ChannelsFirst, channels_last
from graphnas.mutations.sites import Site

_AVERAGES: tuple[Any, ...] = (nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d)
_MAXIMA: tuple[Any, ...] = (nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d)


class PoolMixer(nn.Module):
    """What the average of its surroundings has more than each token."""

    def __init__(self, pool: nn.Module) -> None:
        super().__init__()
        self.pool = pool

    def forward(self, x: Tensor) -> Tensor:
        """From and to (batch, channels, sizes...)."""
        return self.pool(x) - x  # type: ignore[no-any-return]


@fitting
def average_pool(site: Site, kernel_size: Extent | None = None) -> nn.Module:
    """The average over a window, padding left out; where channels change, a convolution of one tap behind it.

    Args:
        site: a convolution, a pooling, or what makes images of images.
        kernel_size: of the window; left out, the site's own, or 3 where it has none or a single one.
    """
    form = geometry(site)
    window = _window(form, kernel_size)
    return _projected(form, _AVERAGES[form.dims - 1](*window, form.rounds_up, count_include_pad=False))


@fitting
def max_pool(site: Site, kernel_size: Extent | None = None) -> nn.Module:
    """The maximum over a window; where channels change, a convolution of one tap behind it.

    Args:
        site: a convolution, a pooling, or what makes images of images.
        kernel_size: of the window; left out, the site's own, or 3 where it has none or a single one.
    """
    form = geometry(site)
    window = _window(form, kernel_size)
    return _projected(form, _MAXIMA[form.dims - 1](*window, ceil_mode=form.rounds_up))


@fitting
def pool_mixer(site: Site, kernel_size: int = 3) -> nn.Module:
    """The token mixer of PoolFormer: each token gets the average of its surroundings less itself. No parameters.

    Args:
        site: what keeps the shape of (batch, tokens, channels) or of images, such as a block of self-attention.
        kernel_size: odd; how many tokens, or along each dimension of an image, are averaged.

    Reference: Yu et al. 2022, algorithm 1, arXiv:2111.11418.
    """
    if kernel_size < 3 or kernel_size % 2 == 0:
        raise GraphError(f"kernel_size={kernel_size} has no middle or no surroundings; it must be 3, 5, 7, ...")
    check_same_shape(site)
    dims = len(site.input_shape) - 2
    if not 1 <= dims <= 3:
        raise GraphError(f"{site.input_shape} is neither tokens nor images; leave the site out by where")
    mixer = PoolMixer(_AVERAGES[dims - 1](kernel_size, 1, kernel_size // 2, count_include_pad=False))
    return ChannelsFirst(mixer) if channels_last(site) else mixer


def _window(form: Geometry, kernel_size: Extent | None) -> tuple[Any, Any, Any]:
    """Kernel, stride and padding of a pooling that makes of every size what the site does.

    Raises:
        GraphError: there is none.
    """
    found = form.with_taps(kernel_size, 1)
    if any(2 * padding > taps for padding, taps in zip(found.padding, found.kernel_size, strict=True)):
        raise GraphError(
            f"a pooling with kernel_size={plain(found.kernel_size)} would need padding={plain(found.padding)}, and may "
            "have half of its kernel at most; ask for a larger kernel_size"
        )
    if form.rounds_up and found.kernel_size != form.kernel_size:
        raise GraphError(
            f"it rounds sizes up (ceil_mode=True), where only its own kernel_size={plain(form.kernel_size)} gives the "
            "same sizes; ask for that one"
        )
    return plain(found.kernel_size), plain(found.stride), plain(found.padding)


def _projected(form: Geometry, pool: nn.Module) -> nn.Module:
    """The pooling, with the convolution that gives the site's channels if they are others."""
    if form.incoming == form.outgoing:
        return pool
    return nn.Sequential(pool, CONVOLUTIONS[form.dims - 1](form.incoming, form.outgoing, 1, bias=form.bias))
