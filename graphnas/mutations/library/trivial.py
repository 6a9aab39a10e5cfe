"""Alternatives that compute nothing."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from graphnas.errors import GraphError
from graphnas.mutations.fitting import fitting
from graphnas.mutations.library.geometry import check_same_shape, geometry, slides
from graphnas.mutations.library.layout import channels_last, check_one_input
from graphnas.mutations.sites import Site


class Zero(nn.Module):
    """Zeros in the shape that a site gives, for any sizes; its gradient is zero.

    Args:
        stride: the steps along each size; empty where no size changes.
        margin: by how much more a size counts before it is divided by the stride.
        shape: what a single channel is expanded to, -1 for a size that stays; empty where no channels change.
        dim: the channels' dimension.
    """

    def __init__(
        self, stride: tuple[int, ...] = (), margin: tuple[int, ...] = (), shape: tuple[int, ...] = (), dim: int = 1
    ) -> None:
        super().__init__()
        self.index = (slice(None), slice(None), *(slice(None, None, step) for step in stride))
        self.padding = [pad for extent in reversed(margin) for pad in (0, extent)]
        self.strided, self.shape, self.dim = max(stride, default=1) > 1, shape, dim

    def forward(self, x: Tensor) -> Tensor:
        """From the site's input to its output shape."""
        if any(self.padding):
            x = F.pad(x, self.padding)
        if self.strided:
            x = x[self.index]
        if self.shape:
            x = x.narrow(self.dim, 0, 1).expand(self.shape)
        return x * 0


@fitting
def identity(site: Site) -> nn.Module:
    """What was given, at sites that keep the shape. A convolution of one tap is no identity."""
    check_same_shape(site)
    return nn.Identity()


@fitting
def zero(site: Site) -> nn.Module:
    """Zeros in the shape of the site's result. No parameters; the gradient is zero.

    Infinities and NaN in the input stay NaN, since zeros that depend on nothing would have no gradient.
    """
    check_one_input(site)
    given, result = site.input_shape, site.output_shape
    if given == result and not slides(site):
        return Zero()
    if slides(site) or (len(given) > 3 and not channels_last(site)):
        form = geometry(site)
        if form.rounds_up:
            raise GraphError("it rounds sizes up (ceil_mode=True); leave the site out by where")
        shape = (-1, form.outgoing) + (-1,) * form.dims
        return Zero(form.stride, form.margin, () if form.incoming == form.outgoing else shape)
    if given[:-1] != result[:-1]:
        raise GraphError(f"it makes {result} of {given}, and changes more than channels; leave the site out by where")
    return Zero(shape=(-1,) * (len(given) - 1) + result[-1:], dim=-1)
