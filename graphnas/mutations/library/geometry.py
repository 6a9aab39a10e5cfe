"""What a site does to channels and sizes, so that what takes its place does the same to any size."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from graphnas.errors import GraphError
from graphnas.mutations.library.layout import channels_last, check_one_input
from graphnas.mutations.sites import Site

# One number for all dimensions, or one for each.
Extent: TypeAlias = "int | tuple[int, ...]"

USUAL = 3  # taps of a kernel where the site has none of its own

_SLIDING = re.compile(r"torch\.nn\.(Conv|MaxPool|AvgPool)([123])d")


@dataclass(frozen=True, slots=True)
class Geometry:
    """How a site slides over its input, of shape (batch, channels, sizes...).

    A window of k taps with stride s, dilation d and padding p on both sides makes (n + 2p - d(k - 1) - 1) // s + 1 of a
    size n. So two windows make the same of every n where they have in common s and the margin 2p - d(k - 1).

    Attributes:
        incoming, outgoing: channels.
        stride, margin: along each dimension.
        kernel_size: of the site; 3 of what is no convolution or pooling.
        dilation: of the site; 1 of what has none.
        groups, bias, padding_mode: of a convolution; torch's defaults for all else.
        is_convolution: whether the site is a convolution of torch.
        rounds_up: whether sizes are rounded up (`ceil_mode` of a pooling).
    """

    incoming: int
    outgoing: int
    stride: tuple[int, ...]
    margin: tuple[int, ...]
    kernel_size: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int = 1
    bias: bool = True
    padding_mode: str = "zeros"
    is_convolution: bool = False
    rounds_up: bool = False

    @property
    def dims(self) -> int:
        """How many sizes there are."""
        return len(self.stride)

    @property
    def keeps_sizes(self) -> bool:
        """Whether the result is as large as the input, whatever that is."""
        return set(self.stride) == {1} and not any(self.margin) and not self.rounds_up

    @property
    def keeps_shape(self) -> bool:
        """Whether the result has the shape of the input, whatever its sizes."""
        return self.keeps_sizes and self.incoming == self.outgoing

    @property
    def padding(self) -> tuple[int, ...]:
        """The padding on both sides with which the kernel makes of every size what the site does.

        Raises:
            GraphError: there is none.
        """
        reach = _reach(self.kernel_size, self.dilation)
        both = [margin + taps for margin, taps in zip(self.margin, reach, strict=True)]
        if any(total < 0 or total % 2 for total in both):
            wanted = " or ".join(map(str, sorted({-margin for margin in self.margin})))
            raise GraphError(
                f"no padding lets kernel_size={plain(self.kernel_size)}, dilation={plain(self.dilation)} give the "
                f"site's sizes: dilation * (kernel_size - 1) must be {wanted} or greater by an even number"
            )
        return tuple(total // 2 for total in both)

    def with_taps(self, kernel_size: Extent | None, dilation: Extent | None) -> Geometry:
        """The same with another kernel; what is None is the site's own, of which a single tap counts as none.

        Raises:
            GraphError: the numbers are not one from 1 on, or one for each size.
        """
        own = self.kernel_size if max(self.kernel_size) > 1 else (USUAL,) * self.dims
        taps = own if kernel_size is None else self._extents("kernel_size", kernel_size)
        steps = self.dilation if dilation is None else self._extents("dilation", dilation)
        steps = tuple(step if count > 1 else 1 for count, step in zip(taps, steps, strict=True))
        return replace(self, kernel_size=taps, dilation=steps)

    def _extents(self, name: str, value: Extent) -> tuple[int, ...]:
        found = (value,) * self.dims if isinstance(value, int) else tuple(value)
        if len(found) != self.dims or min(found) < 1:
            raise GraphError(f"{name}={value!r} must be a number from 1 on, or one for each of {self.dims} sizes")
        return found


def geometry(site: Site) -> Geometry:
    """What a site does to channels and sizes.

    Convolutions and poolings of torch are known exactly. What else gives (batch, channels, sizes...) is read off its
    shapes: as many channels, and the stride that gives its sizes rounded up, as of windows padded by half of a kernel.
    A block that rounds them down then differs from what takes its place at sizes that the stride does not divide.

    Raises:
        GraphError: its input and output are not such shapes, or no stride explains them.
    """
    check_one_input(site)
    given, result = site.input_shape, site.output_shape
    kind = _SLIDING.fullmatch(site.type) if site.kind == "layer" else None
    dims = int(kind[2]) if kind else len(given) - 2
    if channels_last(site) or not 1 <= dims <= 3 or not len(given) == len(result) == dims + 2 or given[0] != result[0]:
        raise GraphError(
            f"it makes {result} of {given}, which is not known to be (batch, channels, sizes...); this alternative "
            "stands for a convolution or pooling of torch, or for what makes images of images"
        )
    if site.type.startswith("torch.nn.Adaptive"):
        raise GraphError("it gives one size whatever it is given, and no stride does; leave the site out by where")
    channels = (given[1], result[1])
    if not kind:
        strides = tuple(_stride(n, m) for n, m in zip(given[2:], result[2:], strict=True))
        return Geometry(*channels, strides, (0,) * dims, (USUAL,) * dims, (1,) * dims)
    return _known(dict(site.config), *channels, dims, kind[1] == "Conv")


def slides(site: Site) -> bool:
    """Whether a site is a layer of torch that may give sizes equal to its input's by chance."""
    return site.kind == "layer" and re.match(r"torch\.nn\.(Adaptive)?(Conv|MaxPool|AvgPool)", site.type) is not None


def check_same_shape(site: Site) -> None:
    """Make sure that a site makes of one tensor another of its shape, whatever its sizes.

    Raises:
        GraphError: it reads several, or changes the shape.
    """
    check_one_input(site)
    given, result = site.input_shape, site.output_shape
    if given == result and (not slides(site) or geometry(site).keeps_shape):
        return
    change = "changes other sizes than the traced ones" if given == result else f"makes {result} of {given}"
    raise GraphError(
        f"it {change}, and this alternative keeps the shape; take a pooling or convolution(kernel_size=1), "
        "or leave the site out by where"
    )


def plain(extents: tuple[int, ...]) -> Extent:
    """One number where all are equal, as people write it."""
    return extents[0] if len(set(extents)) == 1 else extents


def divisors(*numbers: int) -> str:
    """The common divisors of some numbers, for messages."""
    most = math.gcd(*numbers)
    return ", ".join(str(n) for n in range(1, most + 1) if most % n == 0)


def _known(config: dict[str, Any], incoming: int, outgoing: int, dims: int, is_convolution: bool) -> Geometry:
    """The geometry of a convolution or pooling of torch, by what it was built with."""

    def extents(key: str, default: Any) -> tuple[int, ...]:
        value = config.get(key, default)
        return (value,) * dims if isinstance(value, int) else tuple(value)

    kernel_size, dilation = extents("kernel_size", None), extents("dilation", 1)
    stride = kernel_size if config["stride"] is None else extents("stride", None)
    reach = _reach(kernel_size, dilation)
    match config["padding"]:
        case "same":
            both = reach
        case "valid":
            both = [0] * dims
        case _:
            both = [2 * p for p in extents("padding", None)]
    margin = tuple(total - taps for total, taps in zip(both, reach, strict=True))
    more = {key: config[key] for key in ("groups", "bias", "padding_mode")} if is_convolution else {}
    return Geometry(
        incoming, outgoing, stride, margin, kernel_size, dilation,
        is_convolution=is_convolution, rounds_up=bool(config.get("ceil_mode")), **more,
    )  # fmt: skip


def _reach(kernel_size: tuple[int, ...], dilation: tuple[int, ...]) -> list[int]:
    """From the first tap to the last, along each dimension."""
    return [step * (taps - 1) for taps, step in zip(kernel_size, dilation, strict=True)]


def _stride(incoming: int, outgoing: int) -> int:
    """The stride that makes one size of another, rounded up."""
    stride = -(-incoming // outgoing) if outgoing else 0
    if incoming < outgoing or not stride or -(-incoming // stride) != outgoing:
        raise GraphError(
            f"it makes a size of {outgoing} of one of {incoming}, which no stride does with padding by half of a "
            "kernel; leave the site out by where, or write a module for it"
        )
    return stride
