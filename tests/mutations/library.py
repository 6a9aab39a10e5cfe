"""Sites of all sorts, and the alternatives of the library, for tests of which fits where."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn
from torch.nn import functional as F

from graphnas.mutations import library
from graphnas.mutations.fitting import Fitting

ALTERNATIVES: dict[str, Fitting] = {
    "convolution5": library.convolution(5),
    "dilated": library.dilated(),
    "grouped": library.grouped(),
    "separable": library.separable(),
    "separable5": library.separable(5),
    "inverted": library.inverted_residual(),
    "inverted1": library.inverted_residual(1),
    "excited": library.squeeze_excitation(4),
    "average": library.average_pool(),
    "maximum": library.max_pool(),
    "identity": library.identity(),
    "zero": library.zero(),
    "gelu": library.activations("gelu")["gelu"],
    "batch": library.batch_norm(),
    "group": library.group_norm(),
    "instance": library.instance_norm(),
    "layer": library.layer_norm(),
    "rms": library.rms_norm(),
    "attention": library.self_attention(),
    "causal": library.self_attention(heads=4, causal=True),
    "queries": library.grouped_query_attention(2, heads=4),
    "linear": library.linear_attention(heads=2),
    "mixer": library.pool_mixer(),
}


class LayerNorm(nn.LayerNorm):
    """A class of somebody's own, called like that of torch."""

    def forward(self, x: Tensor) -> Tensor:
        return F.layer_norm(x, self.normalized_shape, self.weight, self.bias, self.eps)


class LayerNorm2d(LayerNorm):
    """The same for images."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.movedim(1, -1)).movedim(-1, 1)


class Images(nn.Module):
    """Halves the sizes of images and doubles their channels."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(8, 16, 3, stride=2, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.conv(x))


class Tokens(nn.Module):
    """Lets tokens look at each other."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv = nn.Linear(8, 24)

    def forward(self, x: Tensor) -> Tensor:
        return F.scaled_dot_product_attention(*self.qkv(x).chunk(3, -1))


class Heads(nn.Module):
    """Torch's own attention."""

    def __init__(self, batch_first: bool = True) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(8, 2, batch_first=batch_first)

    def forward(self, x: Tensor) -> Tensor:
        return self.attention(x, x, x)[0]


Shape = tuple[int, ...]
# A module, the shape that it is traced on, and another one.
SITES: dict[str, tuple[Callable[[], nn.Module], Shape, Shape]] = {
    "3x3": (lambda: nn.Conv2d(8, 8, 3, padding=1), (2, 8, 8, 8), (3, 8, 7, 9)),
    "3x3 stride 2": (lambda: nn.Conv2d(8, 16, 3, 2, 1, bias=False), (2, 8, 8, 8), (3, 8, 9, 11)),
    "7x7 stride 2": (lambda: nn.Conv2d(4, 8, 7, 2, 3, bias=False), (2, 4, 16, 16), (3, 4, 15, 14)),
    "stride 4": (lambda: nn.Conv2d(4, 8, 4, 4), (2, 4, 16, 16), (3, 4, 19, 22)),
    "no padding": (lambda: nn.Conv2d(8, 8, 5), (2, 8, 8, 8), (3, 8, 9, 7)),
    "depthwise": (lambda: nn.Conv2d(8, 8, 5, 2, 2, groups=8), (2, 8, 8, 8), (3, 8, 7, 9)),
    "in groups": (lambda: nn.Conv2d(8, 12, 3, padding=1, groups=4), (2, 8, 8, 8), (3, 8, 7, 9)),
    "same": (lambda: nn.Conv2d(8, 8, (1, 7), padding="same"), (2, 8, 8, 8), (3, 8, 7, 9)),
    "dilated": (lambda: nn.Conv2d(8, 8, 3, padding=2, dilation=2), (2, 8, 8, 8), (3, 8, 7, 9)),
    "circular": (lambda: nn.Conv2d(8, 8, 3, 1, (0, 1), padding_mode="circular"), (2, 8, 8, 8), (3, 8, 7, 9)),
    "1x1 stride 2": (lambda: nn.Conv2d(8, 16, 1, 2), (2, 8, 8, 8), (3, 8, 7, 9)),
    "stride 2 of one pixel": (lambda: nn.Conv2d(8, 8, 3, 2, 1), (2, 8, 1, 1), (3, 8, 7, 9)),
    "much padding": (lambda: nn.Conv2d(8, 8, 1, padding=1), (2, 8, 8, 8), (3, 8, 7, 9)),
    "1d": (lambda: nn.Conv1d(8, 16, 5, 2, 2), (2, 8, 16), (3, 8, 13)),
    "3d": (lambda: nn.Conv3d(8, 16, 3, (1, 2, 2), 1), (2, 8, 4, 6, 6), (3, 8, 3, 5, 7)),
    "3d with its shape": (lambda: nn.Conv3d(8, 8, 3, padding=1), (2, 8, 4, 6, 6), (3, 8, 3, 5, 7)),
    "maximum": (lambda: nn.MaxPool2d(2), (2, 8, 8, 8), (3, 8, 7, 9)),
    "average": (lambda: nn.AvgPool2d(3, 2, 1), (2, 8, 8, 8), (3, 8, 7, 9)),
    "rounded up": (lambda: nn.MaxPool2d(3, 2, ceil_mode=True), (2, 8, 8, 8), (3, 8, 7, 9)),
    "adaptive": (lambda: nn.AdaptiveAvgPool2d(4), (2, 8, 4, 4), (3, 8, 7, 9)),
    "transposed": (lambda: nn.ConvTranspose2d(8, 8, 2, 2), (2, 8, 4, 4), (3, 8, 7, 9)),
    "activation": (lambda: nn.ReLU(), (2, 8, 6, 6), (3, 8, 7, 9)),
    "norm": (lambda: nn.BatchNorm2d(8), (2, 8, 8, 8), (3, 8, 7, 9)),
    "norm of tokens": (lambda: nn.LayerNorm(8), (2, 6, 8), (3, 5, 8)),
    "norm of vectors": (lambda: nn.BatchNorm1d(8), (2, 8), (3, 8)),
    "norm of images": (lambda: nn.LayerNorm((8, 6, 6)), (2, 8, 6, 6), (3, 8, 6, 6)),
    "channels last": (lambda: nn.Linear(8, 8), (2, 6, 6, 8), (3, 5, 7, 8)),
    "own norm, channels last": (lambda: LayerNorm(8), (2, 6, 6, 8), (3, 5, 7, 8)),
    "own norm, channels first": (lambda: LayerNorm2d(8), (2, 8, 6, 6), (3, 8, 7, 9)),
    "block, channels last": (lambda: nn.Sequential(nn.Linear(8, 8), nn.ReLU()), (2, 6, 6, 8), (3, 5, 7, 8)),
    "nothing tells": (nn.ReLU, (2, 8, 6, 7), (3, 8, 7, 9)),
    "more channels": (lambda: nn.Linear(8, 12), (2, 6, 8), (3, 5, 8)),
    "images": (Images, (2, 8, 8, 8), (3, 8, 7, 9)),
    "tokens": (Tokens, (2, 6, 8), (3, 5, 8)),
    "heads": (Heads, (2, 6, 8), (3, 5, 8)),
}

_WINDOWS = "convolution5 dilated grouped separable separable5 inverted inverted1 excited average maximum zero"
_KEEPING = "identity gelu batch group instance layer rms mixer"
_ATTENTION = "attention causal queries linear"


def _these(*options: str, but: str = "") -> set[str]:
    return {option for text in options for option in text.split()} - set(but.split())


# Site → what fits there.
FITS: dict[str, set[str]] = {
    "3x3": _these(_WINDOWS, _KEEPING, _ATTENTION),
    "3x3 stride 2": _these(_WINDOWS),
    "7x7 stride 2": _these(_WINDOWS),
    "stride 4": _these(_WINDOWS, but="convolution5 separable5 dilated"),  # no odd number of taps
    "no padding": _these(_WINDOWS, but="convolution5"),
    "depthwise": _these(_WINDOWS, but="convolution5"),
    "in groups": _these(_WINDOWS, _ATTENTION),
    "same": _these(_WINDOWS, _KEEPING, _ATTENTION),
    "dilated": _these(_WINDOWS, _KEEPING, _ATTENTION, but="dilated"),
    "circular": _these(_WINDOWS),
    "1x1 stride 2": _these(_WINDOWS, but="dilated"),
    "stride 2 of one pixel": _these(_WINDOWS),
    "much padding": _these(_WINDOWS, but="dilated average maximum"),
    "1d": _these(_WINDOWS, but="convolution5"),
    "3d": _these(_WINDOWS),
    "3d with its shape": _these(_WINDOWS, _KEEPING, _ATTENTION),
    "maximum": _these("grouped separable inverted inverted1 average zero"),
    "average": _these(_WINDOWS, but="excited"),
    "rounded up": _these("average"),
    "adaptive": set(),
    "transposed": set(),
    "activation": _these(_WINDOWS, _KEEPING, _ATTENTION),
    "norm": _these(_WINDOWS, _KEEPING, _ATTENTION, but="batch"),
    "norm of tokens": _these(_KEEPING, _ATTENTION, "zero", but="layer"),
    "norm of vectors": _these("identity zero gelu group layer rms"),
    "norm of images": _these(_WINDOWS, _KEEPING, _ATTENTION),
    "channels last": _these(_KEEPING, _ATTENTION, "zero"),
    "own norm, channels last": _these(_KEEPING, _ATTENTION, "zero"),
    "own norm, channels first": _these(_WINDOWS, _KEEPING, _ATTENTION),
    "block, channels last": _these(_KEEPING, _ATTENTION, "zero"),
    "nothing tells": _these("identity zero gelu"),
    "more channels": _these(_ATTENTION, "zero"),
    "images": _these(_WINDOWS, but="excited"),
    "tokens": _these(_KEEPING, _ATTENTION, "zero"),
    "heads": _these(_KEEPING, _ATTENTION, "zero"),
}
