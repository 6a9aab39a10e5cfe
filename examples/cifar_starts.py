"""What alternatives of trained convolutions start from: the nearest that they can do to what those were trained to."""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping

import torch
from torch import Tensor

SITES = "layer?.[12].conv2"


def with_starts(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights by name, and more for what may stand in for a convolution, by the names that children have for it."""
    found = dict(weights)
    for name, kernel in weights.items():
        site = name.removesuffix(".weight")
        if fnmatch.fnmatchcase(site, SITES):
            found[f"{site}_separable.0.weight"], found[f"{site}_separable.1.weight"] = separable(kernel)
            found[f"{site}_low_rank.0.weight"], found[f"{site}_low_rank.1.weight"] = low_rank(kernel)
    return found


def separable(kernel: Tensor) -> tuple[Tensor, Tensor]:
    """One filter a channel and what mixes channels, whose product is nearest to a kernel (out, in, height, width).

    By the singular value decomposition: of every input channel the matrix (out, height * width) is cut to rank one.
    """
    mixing, scales, filters = torch.linalg.svd(kernel.transpose(0, 1).flatten(2), full_matrices=False)
    depthwise = filters[:, :1].unflatten(2, kernel.shape[2:])
    pointwise = (mixing[:, :, 0] * scales[:, :1]).t()
    return depthwise.contiguous(), pointwise[:, :, None, None].contiguous()


def low_rank(kernel: Tensor) -> tuple[Tensor, Tensor]:
    """A kernel of half as many outputs and what mixes these, whose product is nearest to a kernel as above.

    By the singular value decomposition: the matrix (out, in * height * width) is cut to half of its rank.
    """
    rank = len(kernel) // 2
    mixing, scales, kernels = torch.linalg.svd(kernel.flatten(1), full_matrices=False)
    spatial = (scales[:rank, None] * kernels[:rank]).unflatten(1, kernel.shape[1:])
    return spatial.contiguous(), mixing[:, :rank, None, None].contiguous()
