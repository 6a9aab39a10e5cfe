"""Layers that several published spaces are made of."""

from __future__ import annotations

from torch import Tensor, nn


class Zero(nn.Module):
    """Zeros of the shape that a convolution of this stride gives.

    What it is given is multiplied by zero, so that it stays computed and counted.
    """

    def __init__(self, stride: int = 1) -> None:
        super().__init__()
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        """Zeros."""
        return x * 0.0 if self.stride == 1 else x[:, :, :: self.stride, :: self.stride] * 0.0


class ReLUConvNorm(nn.Sequential):
    """ReLU, a convolution, and normalization."""

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int = 1, stride: int = 1, affine: bool = True
    ) -> None:
        super().__init__(
            nn.ReLU(),
            nn.Conv2d(in_channels, out_channels, kernel_size, stride, kernel_size // 2, bias=False),
            nn.BatchNorm2d(out_channels, affine=affine),
        )


class ConvNorm(nn.Sequential):
    """A convolution that keeps the size up to its stride, normalization, and an activation unless that is None."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int = 1,
        stride: int = 1,
        groups: int = 1,
        activation: type[nn.Module] | None = nn.ReLU,
        affine: bool = True,
        eps: float = 1e-5,
    ) -> None:
        layers: list[nn.Module] = [
            nn.Conv2d(in_channels, out_channels, kernel_size, stride, kernel_size // 2, groups=groups, bias=False),
            nn.BatchNorm2d(out_channels, eps, affine=affine),
        ]
        if activation is not None:
            layers.append(activation())
        super().__init__(*layers)


class InvertedBottleneck(nn.Module):
    """Channels are widened, convolved one by one and narrowed; around it a shortcut where the shape stays.

    Without widening, `expansion` 1, the first convolution is left out.

    Reference: Sandler et al. 2018, arXiv:1801.04381.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        expansion: int,
        stride: int = 1,
        activation: type[nn.Module] = nn.ReLU6,
        affine: bool = True,
        eps: float = 1e-5,
    ) -> None:
        super().__init__()
        self.residual = stride == 1 and in_channels == out_channels
        width = in_channels * expansion
        layers = [
            ConvNorm(width, width, kernel_size, stride, width, activation, affine, eps),
            ConvNorm(width, out_channels, activation=None, affine=affine, eps=eps),
        ]
        if expansion != 1:
            layers.insert(0, ConvNorm(in_channels, width, activation=activation, affine=affine, eps=eps))
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """What the convolutions make of it, and itself where the shape stays."""
        made: Tensor = self.layers(x)
        return x + made if self.residual else made
