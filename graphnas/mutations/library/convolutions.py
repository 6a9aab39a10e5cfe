"""Convolutions and blocks of them, in one, two or three dimensions as the site has."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from torch import Tensor, nn

from graphnas.errors import GraphError
from graphnas.mutations.fitting import Fitting, fitting
from graphnas.mutations.library.geometry import Extent, Geometry, check_same_shape, divisors, geometry, plain
from graphnas.mutations.sites import Site

CONVOLUTIONS: tuple[Any, ...] = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_BATCH_NORMS: tuple[Any, ...] = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
_POOLS: tuple[Any, ...] = (nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d)


class InvertedResidual(nn.Module):
    """Widens, filters each channel by itself, and narrows again; adds what it was given where the shape is kept."""

    def __init__(self, layers: nn.Sequential, residual: bool) -> None:
        super().__init__()
        self.layers = layers
        self.residual = residual

    def forward(self, x: Tensor) -> Tensor:
        """From (batch, channels, sizes...) to the site's output shape."""
        y: Tensor = self.layers(x)
        return x + y if self.residual else y


class SqueezeExcitation(nn.Module):
    """Scales each channel by a number between 0 and 1 that follows from the means of all channels."""

    def __init__(self, channels: int, squeezed: int, dims: int) -> None:
        super().__init__()
        convolution = CONVOLUTIONS[dims - 1]
        self.pool = _POOLS[dims - 1](1)
        self.squeeze = convolution(channels, squeezed, 1)
        self.activation = nn.ReLU()
        self.excite = convolution(squeezed, channels, 1)
        self.gate = nn.Sigmoid()

    def forward(self, x: Tensor) -> Tensor:
        """From and to (batch, channels, sizes...)."""
        scale: Tensor = self.gate(self.excite(self.activation(self.squeeze(self.pool(x)))))
        return x * scale


@fitting
def convolution(
    site: Site, kernel_size: Extent | None = None, dilation: Extent | None = None, groups: int | None = None
) -> nn.Module:
    """One convolution. What is left out is as in the site's own, or torch's default where that is none.

    Args:
        site: a convolution, a pooling, or what makes images of images.
        kernel_size: taps along each dimension; 3 where the site has no kernel.
        dilation: the step between taps.
        groups: channels are divided into so many groups, which do not see each other.
    """
    return _changed(site, kernel_size, dilation, groups)


@fitting
def dilated(site: Site, dilation: Extent = 2, kernel_size: Extent | None = None) -> nn.Module:
    """A convolution with a step between its taps: a larger field of view for the same parameters.

    Reference: Yu and Koltun 2016, arXiv:1511.07122.
    """
    return _changed(site, kernel_size, dilation, None)


@fitting
def grouped(site: Site, groups: int = 2, kernel_size: Extent | None = None) -> nn.Module:
    """A convolution in groups of channels that do not see each other: parameters and operations divided by `groups`.

    Reference: Xie et al. 2017 (ResNeXt), arXiv:1611.05431.
    """
    return _changed(site, kernel_size, None, groups)


@fitting
def separable(site: Site, kernel_size: Extent | None = None, dilation: Extent | None = None) -> nn.Module:
    """A convolution of each channel by itself, and one of a single tap that mixes channels, with nothing in between.

    Args:
        site: a convolution, a pooling, or what makes images of images.
        kernel_size: taps along each dimension; left out, the site's own, or 3 where it has none or a single one.
        dilation: the step between taps; left out, the site's own.

    Reference: Chollet 2017 (Xception), arXiv:1610.02357.
    """
    form = _smooth(site).with_taps(kernel_size, dilation)
    pointwise = CONVOLUTIONS[form.dims - 1](form.incoming, form.outgoing, 1, bias=form.bias)
    return nn.Sequential(_depthwise(form, form.incoming), pointwise)


@fitting
def inverted_residual(site: Site, expansion: int = 6, kernel_size: Extent | None = None) -> nn.Module:
    """The block of MobileNetV2: a pointwise, a depthwise and a linear pointwise convolution, each normalized.

    Args:
        site: a convolution, a pooling, or what makes images of images.
        expansion: how many times as many channels there are in between; at 1 the first convolution is left out.
        kernel_size: of the depthwise convolution; left out, the site's own, or 3 where it has none or a single one.

    Reference: Sandler et al. 2018, table 1, arXiv:1801.04381.
    """
    if expansion < 1:
        raise GraphError(f"expansion={expansion} leaves no channels; it must be 1 or more")
    form = _smooth(site).with_taps(kernel_size, None)
    pointwise, norm = CONVOLUTIONS[form.dims - 1], _BATCH_NORMS[form.dims - 1]
    wide = form.incoming * expansion
    layers: list[nn.Module] = []
    if expansion > 1:
        layers += [pointwise(form.incoming, wide, 1, bias=False), norm(wide), nn.ReLU6()]
    layers += [_depthwise(form, wide), norm(wide), nn.ReLU6()]
    layers += [pointwise(wide, form.outgoing, 1, bias=False), norm(form.outgoing)]
    return InvertedResidual(nn.Sequential(*layers), form.keeps_shape)


@fitting
def squeeze_excitation(site: Site, reduction: int = 16) -> nn.Module:
    """A gate on each channel: behind a convolution like the site's own, or alone where the site is no convolution.

    Args:
        site: a convolution, or what keeps the shape of images.
        reduction: the gate is computed from channels divided by this, one at least.

    Reference: Hu et al. 2018, section 3, arXiv:1709.01507.
    """
    form = geometry(site)
    if not form.is_convolution:
        check_same_shape(site)
    gate = SqueezeExcitation(form.outgoing, max(1, form.outgoing // reduction), form.dims)
    return nn.Sequential(_convolution(form), gate) if form.is_convolution else gate


def convolutions() -> dict[str, Fitting]:
    """The usual alternatives of a convolution with more than one tap."""
    return {"separable": separable(), "dilated": dilated(), "inverted_residual": inverted_residual()}


def _smooth(site: Site) -> Geometry:
    """The geometry of a site whose sizes a convolution can give.

    Raises:
        GraphError: it is a pooling that rounds them up.
    """
    form = geometry(site)
    if form.rounds_up:
        raise GraphError("it rounds sizes up (ceil_mode=True), which no convolution does; leave the site out by where")
    return form


def _changed(site: Site, kernel_size: Extent | None, dilation: Extent | None, groups: int | None) -> nn.Module:
    """A convolution like the site's own but for what is given."""
    own = _smooth(site)
    form = own.with_taps(own.kernel_size if kernel_size is None else kernel_size, dilation)
    form = replace(form, groups=own.groups if groups is None else groups)
    if form.groups < 1 or form.incoming % form.groups or form.outgoing % form.groups:
        raise GraphError(
            f"{form.incoming} and {form.outgoing} channels cannot be divided into {form.groups} groups; "
            f"they can into {divisors(form.incoming, form.outgoing)}"
        )
    return _convolution(form)


def _depthwise(form: Geometry, channels: int) -> nn.Module:
    """A convolution of each channel by itself."""
    return _convolution(replace(form, incoming=channels, outgoing=channels, groups=channels, bias=False))


def _convolution(form: Geometry) -> nn.Module:
    """A convolution that makes of every size what the site does."""
    found: nn.Module = CONVOLUTIONS[form.dims - 1](
        form.incoming, form.outgoing, plain(form.kernel_size), plain(form.stride), plain(form.padding),
        plain(form.dilation), form.groups, form.bias, form.padding_mode,
    )  # fmt: skip
    return found
