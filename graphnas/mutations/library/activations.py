"""Activation functions."""

from __future__ import annotations

from torch import nn

from graphnas.errors import nearest
from graphnas.mutations.fitting import Fitting, fitting
from graphnas.mutations.library.geometry import check_same_shape
from graphnas.mutations.sites import Site

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "celu": nn.CELU, "elu": nn.ELU, "gelu": nn.GELU, "hardsigmoid": nn.Hardsigmoid, "hardswish": nn.Hardswish,
    "hardtanh": nn.Hardtanh, "leaky_relu": nn.LeakyReLU, "mish": nn.Mish, "prelu": nn.PReLU, "relu": nn.ReLU,
    "relu6": nn.ReLU6, "selu": nn.SELU, "sigmoid": nn.Sigmoid, "silu": nn.SiLU, "softplus": nn.Softplus,
    "tanh": nn.Tanh,
}  # fmt: skip


@fitting
def _activation(site: Site, name: str) -> nn.Module:
    """An activation at a site that keeps the shape."""
    check_same_shape(site)
    return ACTIVATIONS[name]()


def activations(*names: str) -> dict[str, Fitting]:
    """Alternatives by the names that torch.nn.functional has for them, with torch's own settings.

    Name none that the sites have already. For other settings there is `functools.partial(nn.ELU, alpha=0.5)`.

    Raises:
        ValueError: there is no such activation, or none is named.
    """
    for name in names:
        if name not in ACTIVATIONS:
            raise ValueError(f"there is no activation {name!r}; there are {', '.join(ACTIVATIONS)}."
                             f"{nearest(name, ACTIVATIONS)}")  # fmt: skip
    if not names:
        raise ValueError(f"name the activations, of {', '.join(ACTIVATIONS)}; leave out what the sites have already")
    return {name: _activation(name) for name in names}
