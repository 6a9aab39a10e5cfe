"""Ways in which tokens look at each other; an image's pixels are its tokens."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from graphnas.analysis.shapes import Shape
from graphnas.errors import GraphError
from graphnas.mutations.fitting import fitting
from graphnas.mutations.library.geometry import divisors, geometry
from graphnas.mutations.library.layout import ChannelsFirst, channels_last, check_one_input
from graphnas.mutations.sites import Site

_HEAD_CHANNELS = 64  # of the Transformer (Vaswani et al. 2017, table 3) and of most that came after it


class SelfAttention(nn.Module):
    """Multi-head self-attention, whose keys and values may be shared by groups of heads.

    Args:
        incoming, outgoing: channels.
        heads: how many queries each token asks.
        groups: how many keys and values each token has.
        causal: whether no token sees those behind it.
    """

    def __init__(self, incoming: int, outgoing: int, heads: int, groups: int, causal: bool) -> None:
        super().__init__()
        self.heads, self.groups, self.causal = heads, groups, causal
        width = incoming // heads
        self.query = nn.Linear(incoming, heads * width)
        self.key = nn.Linear(incoming, groups * width)
        self.value = nn.Linear(incoming, groups * width)
        self.project = nn.Linear(heads * width, outgoing)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """From (batch, tokens, channels) to the same; a mask is one of `scaled_dot_product_attention`."""
        query = self.query(x).unflatten(-1, (self.heads, -1)).transpose(1, 2)
        key = self.key(x).unflatten(-1, (self.groups, -1)).transpose(1, 2)
        value = self.value(x).unflatten(-1, (self.groups, -1)).transpose(1, 2)
        if self.groups < self.heads:
            key = key.repeat_interleave(self.heads // self.groups, 1)
            value = value.repeat_interleave(self.heads // self.groups, 1)
        if self.causal:
            y = F.scaled_dot_product_attention(query, key, value, is_causal=True)
        elif mask is None:
            y = F.scaled_dot_product_attention(query, key, value)
        else:
            y = F.scaled_dot_product_attention(query, key, value, mask)
        return self.project(y.transpose(1, 2).flatten(2))  # type: ignore[no-any-return]


class LinearAttention(nn.Module):
    """Self-attention whose cost grows with the number of tokens and not with its square.

    Args:
        incoming, outgoing: channels.
        heads: how many queries each token asks.
    """

    def __init__(self, incoming: int, outgoing: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(incoming, incoming)
        self.key = nn.Linear(incoming, incoming)
        self.value = nn.Linear(incoming, incoming)
        self.elu = nn.ELU()
        self.project = nn.Linear(incoming, outgoing)

    def forward(self, x: Tensor) -> Tensor:
        """From (batch, tokens, channels) to the same."""
        query = self.elu(self.query(x).unflatten(-1, (self.heads, -1)).transpose(1, 2)) + 1
        key = self.elu(self.key(x).unflatten(-1, (self.heads, -1)).transpose(1, 2)) + 1
        value = self.value(x).unflatten(-1, (self.heads, -1)).transpose(1, 2)
        total = (query * key.sum(-2, keepdim=True)).sum(-1, keepdim=True)
        y = query @ (key.transpose(-2, -1) @ value) / total
        return self.project(y.transpose(1, 2).flatten(2))  # type: ignore[no-any-return]


class OverPixels(nn.Module):
    """A layer of tokens, given the pixels of images with `dims` sizes."""

    def __init__(self, layer: nn.Module, dims: int) -> None:
        super().__init__()
        self.layer = layer
        self.dims = dims

    def forward(self, x: Tensor) -> Tensor:
        """From and to (batch, channels, sizes...)."""
        y = self.layer(x.flatten(2).transpose(1, 2))
        return y.transpose(1, 2).unflatten(2, [x.size(dim) for dim in range(2, 2 + self.dims)])  # type: ignore[no-any-return]


@fitting
def self_attention(site: Site, heads: int | None = None, causal: bool = False) -> nn.Module:
    """Multi-head self-attention.

    Args:
        site: what keeps the number of (batch, tokens, channels) or the sizes of images. Tokens may come with a mask of
            the shape (batch or 1, 1, tokens or 1, tokens), which is taken as `scaled_dot_product_attention` takes it.
        heads: left out, those of a site of torch's MultiheadAttention, or one for every 64 channels.
        causal: whether no token sees those behind it. Nobody can tell this by the site.

    Reference: Vaswani et al. 2017, section 3.2.2, arXiv:1706.03762.
    """
    incoming, outgoing, heads = _heads(site, heads)
    return _over(site, SelfAttention(incoming, outgoing, heads, heads, causal), causal)


@fitting
def grouped_query_attention(site: Site, groups: int = 1, heads: int | None = None, causal: bool = False) -> nn.Module:
    """Self-attention whose heads share keys and values in groups; a single group is multi-query attention.

    Args:
        site: as of `self_attention`.
        groups: how many keys and values there are; they divide the heads.
        heads: as of `self_attention`.
        causal: as of `self_attention`.

    Reference: Ainslie et al. 2023, arXiv:2305.13245.
    """
    incoming, outgoing, heads = _heads(site, heads)
    if groups < 1 or heads % groups:
        raise GraphError(
            f"{heads} heads (see heads=) cannot share {groups} keys and values, since groups= divides them: "
            f"{divisors(heads)}"
        )
    return _over(site, SelfAttention(incoming, outgoing, heads, groups, causal), causal)


@fitting
def linear_attention(site: Site, heads: int | None = None) -> nn.Module:
    """Self-attention with the feature map elu(x) + 1 in place of the softmax.

    Args:
        site: what keeps the number of (batch, tokens, channels) or the sizes of images, and reads no mask.
        heads: as of `self_attention`.

    Reference: Katharopoulos et al. 2020, equations 6 and 7, arXiv:2006.16236.
    """
    check_one_input(site)
    return _over(site, LinearAttention(*_heads(site, heads)))


def _heads(site: Site, heads: int | None) -> tuple[int, int, int]:
    """Incoming and outgoing channels, and the number of heads, which divides the former.

    Raises:
        GraphError: it does not, or the site is none of tokens or images that stay as many.
    """
    given, result = site.input_shape, site.output_shape
    if site.config.get("batch_first") is False:
        raise GraphError("its tokens come before the batch (batch_first=False); trace it with batch_first=True")
    if channels_last(site):
        if len(given) < 3 or given[:-1] != result[:-1]:
            raise GraphError(f"it makes {result} of {given}, and attention gives as many tokens as it is given")
        incoming, outgoing = given[-1], result[-1]
    else:
        form = geometry(site)
        if not form.keeps_sizes:
            raise GraphError(f"it makes {result} of {given}, and attention gives as many pixels as it is given")
        incoming, outgoing = form.incoming, form.outgoing
    if heads is None:
        own = site.config.get("num_heads") if site.kind == "layer" else None
        heads = own if isinstance(own, int) else max(1, incoming // _HEAD_CHANNELS)
    if heads < 1 or incoming % heads:
        raise GraphError(
            f"{incoming} channels cannot be divided into {heads} heads; they can into {divisors(incoming)}"
        )
    return incoming, outgoing, heads


def _over(site: Site, attention: nn.Module, causal: bool = False) -> nn.Module:
    """Attention at a site of tokens, with or without a mask, or of images."""
    if len(site.input_shape) > 3 or not channels_last(site):
        check_one_input(site)
        pixels = OverPixels(attention, len(site.input_shape) - 2)
        return ChannelsFirst(pixels) if channels_last(site) else pixels
    if len(site.inputs) > 1 and not _reads_a_mask(site):
        given = ", ".join(map(str, site.input_shapes))
        raise GraphError(
            f"it reads {given}, and this alternative reads tokens and at most a mask of the shape (batch or 1, 1, "
            "tokens or 1, tokens), as scaled_dot_product_attention takes it; swap something inside it"
        )
    if len(site.inputs) > 1 and causal:
        raise GraphError("it reads a mask, and causal=True is one of its own; leave causal out")
    return attention


def _reads_a_mask(site: Site) -> bool:
    """Whether the second of two inputs is a mask as `scaled_dot_product_attention` takes it."""
    if site.type == "torch.nn.MultiheadAttention":
        return False  # means by True what is to be left out, and not what is to be seen
    match site.input_shapes:
        case (Shape((batch, tokens, _), dtype), Shape((copies, 1, rows, columns), kind)):
            fits = copies in (1, batch) and rows in (1, tokens) and columns == tokens
            return fits and kind in ("torch.bool", dtype)
    return False
