"""Alternatives for `Swap` that fit their site by themselves, `gn.Swap("*.conv2", {"sep": gn.library.separable()})`.

Each function takes arguments and gives an alternative, which is built for a site: it reads the site's shapes and what
the site was built with, and gives results of the same shape at every batch and image size. Where it cannot, the rule
passes over the site, and `explain` says why. `fitting` makes such a function of one of your own.

What a block of your own classes does is read off its shapes: three dimensions are (batch, tokens, channels), and of
four or five the sizes are those that are equal, as those of square images. Its stride is the one that gives its sizes
rounded up.
"""

from graphnas.mutations.fitting import fitting
from graphnas.mutations.library.activations import activations
from graphnas.mutations.library.attention import grouped_query_attention, linear_attention, self_attention
from graphnas.mutations.library.convolutions import (
    convolution,
    convolutions,
    dilated,
    grouped,
    inverted_residual,
    separable,
    squeeze_excitation,
)
from graphnas.mutations.library.normalizations import batch_norm, group_norm, instance_norm, layer_norm, rms_norm
from graphnas.mutations.library.pooling import average_pool, max_pool, pool_mixer
from graphnas.mutations.library.trivial import identity, zero

__all__ = [
    "activations", "average_pool", "batch_norm", "convolution", "convolutions", "dilated", "fitting", "group_norm",
    "grouped", "grouped_query_attention", "identity", "instance_norm", "inverted_residual", "layer_norm",
    "linear_attention", "max_pool", "pool_mixer", "rms_norm", "self_attention", "separable", "squeeze_excitation",
    "zero",
]  # fmt: skip
