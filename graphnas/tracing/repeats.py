"""Layers that repeat: where only the form of a result matters, a layer like one that has run is not run again.

A network of many equal blocks would otherwise cost a whole forward pass to trace. The graph holds no values, so that
zeros of the right form do as well, until something looks at what they are. Then, and after any error, the model is run
anew with every layer computed: what decides, and what is reported, comes from a real run alone.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from graphnas.ir import targets
from graphnas.ir.node import Layer
from graphnas.tracing.constructors import tensors_of
from graphnas.tracing.identity import tensors_in

# Layers worth leaving out. What they compute and draw is told by their arguments, never by values.
_COSTLY = frozenset(
    f"torch.nn.{name}"
    for name in ("Linear", "MultiheadAttention", *(f"Conv{kind}{n}d" for kind in ("", "Transpose") for n in (1, 2, 3)))
)
_MANY = 1 << 14  # with fewer weights a layer is computed sooner than looked up
# Layers that look at values: indices out of range, labels, masks that choose a path.
_LOOKING = {
    *("Embedding", "EmbeddingBag", "AdaptiveLogSoftmaxWithLoss", "Transformer", "TransformerDecoderLayer"),
    *("TransformerEncoderLayer", "MaxUnpool1d", "MaxUnpool2d", "MaxUnpool3d"),
}
_OBLIVIOUS_LAYERS = frozenset(
    name
    for name in targets.LAYERS
    if name.rpartition(".")[2] not in _LOOKING and not name.endswith(("Loss", "Loss2d", "RNN", "LSTM", "GRU"))
)
# Functions whose errors, and the forms of whose results, are the same whatever the values of their tensors.
_OBLIVIOUS_NAMES = """
    __add__ __radd__ __iadd__ __sub__ __rsub__ __isub__ __mul__ __rmul__ __imul__ __truediv__ __rtruediv__ __itruediv__
    __matmul__ __rmatmul__ __pow__ __rpow__ __neg__ __lt__ __le__ __gt__ __ge__ __eq__ __ne__ __and__ __or__ __invert__
    __len__ __hash__
    abs add add_ addmm baddbmm bmm clamp cos div div_ einsum exp expm1 log log1p matmul mean mm mul mul_ neg pow prod
    reciprocal rsqrt sin sqrt square sub sub_ sum var std var_mean std_mean amax amin cumsum logsumexp norm maximum
    minimum lerp fill_ zero_ copy_ eq ne lt le gt ge logical_and logical_or logical_not true_divide addcmul addcdiv
    linear bilinear conv1d conv2d conv3d conv_transpose1d conv_transpose2d conv_transpose3d
    relu relu_ relu6 gelu silu mish elu selu celu leaky_relu hardswish hardsigmoid hardtanh sigmoid tanh softplus
    softsign glu prelu logsigmoid softmax log_softmax softmin normalize dropout dropout1d dropout2d dropout3d
    alpha_dropout batch_norm layer_norm group_norm instance_norm rms_norm local_response_norm
    scaled_dot_product_attention avg_pool1d avg_pool2d avg_pool3d max_pool1d max_pool2d max_pool3d
    adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d adaptive_max_pool1d adaptive_max_pool2d
    adaptive_max_pool3d interpolate pad pixel_shuffle pixel_unshuffle channel_shuffle unfold fold
    view view_as reshape reshape_as flatten unflatten transpose swapaxes permute movedim contiguous unsqueeze squeeze
    expand expand_as broadcast_to repeat cat concat stack split chunk unbind narrow select roll flip tril triu t
    masked_fill masked_fill_ to type_as float half double bfloat16 long int bool detach clone
    zeros_like ones_like empty_like full_like rand_like randn_like new_zeros new_ones new_empty new_full
    size numel nelement dim ndimension stride storage_offset is_contiguous is_floating_point is_complex element_size
    get_device data_ptr untyped_storage requires_grad_ _set_grad_enabled
"""
_OBLIVIOUS = frozenset(_OBLIVIOUS_NAMES.split())
_PLAIN = frozenset((type(None), bool, int, float, str))

Look = tuple[Any, ...]


class DemandError(BaseException):
    """Values are looked at that have not been computed; no model is to catch it."""


@dataclass(frozen=True, slots=True)
class Form:
    """What a tensor is apart from its values."""

    shape: torch.Size
    stride: tuple[int, ...]
    dtype: torch.dtype
    requires_grad: bool

    def zeros(self) -> Tensor:
        """A tensor of that form."""
        made = torch.empty_strided(self.shape, self.stride, dtype=self.dtype).zero_()
        return _computed(made) if self.requires_grad else made


class Repeats:
    """What has been seen of layers in the runs of one trace."""

    def __init__(self) -> None:
        self.allowed = True  # to leave layers out
        self.used = False  # in this run
        self.demanded = False  # a value that was left out, in this run
        self._results: dict[Look, Any] = {}

    def begin(self) -> None:
        """A run begins."""
        self.used = self.demanded = False

    def forbid(self) -> None:
        """From here on everything is computed."""
        self.allowed = self.used = False

    def layer(
        self, op: Layer, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], run: Callable[[], Any]
    ) -> Any:
        """The result of a layer, computed or, where a layer like it has run, as zeros.

        Args:
            op: the layer.
            module: the same as a module.
            args: its positional arguments.
            kwargs: its keyword arguments.
            run: calls it.
        """
        if not self.allowed:
            return run()
        if self.used and op.type not in _OBLIVIOUS_LAYERS:
            self.demand()
        look = _look(op, module, args, kwargs) if op.type in _COSTLY else None
        if look is None:
            return run()
        if look not in self._results:
            result = run()
            form = _form(result)
            if form is not False:
                self._results[look] = form
            return result
        self.used = True
        return _zeros(self._results[look])

    def see(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """A torch function is about to be called.

        Args:
            name: of the function.
            args: its positional arguments.
            kwargs: its keyword arguments.
        """
        match name:
            case "__getitem__" | "__setitem__":
                looks = any(True for _ in tensors_in(args[1]))
            case "where":
                looks = len(args) + len(kwargs) < 3
            case _:
                looks = name not in _OBLIVIOUS and any(True for _ in tensors_in((args, kwargs)))
        if looks:
            self.demand()

    def demand(self) -> None:
        """Ends the run: somebody needs values.

        Raises:
            DemandError: always.
        """
        self.demanded = True
        raise DemandError


class _Computed(torch.autograd.Function):
    """Passes a tensor on as one that was computed from what wants gradients."""

    @staticmethod
    def forward(ctx: Any, anchor: Tensor, made: Tensor) -> Tensor:
        ctx.mark_dirty(made)
        return made

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        raise DemandError


_computed: Callable[[Tensor], Tensor] = functools.partial(_Computed.apply, torch.zeros((), requires_grad=True))


def _look(op: Layer, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Look | None:
    """All that the form of a layer's result is told by; None where that is not plain to see, or not worth it."""
    weights = [tensor for _, tensor in tensors_of(module)]
    if sum([tensor.numel() for tensor in weights]) < _MANY or (module.training and op.config.get("dropout")):
        return None  # cheap; or it draws, and later draws depend on how often
    look: list[Any] = [op.type, op.config, torch.is_grad_enabled(), torch.is_autocast_enabled("cpu"), *kwargs]
    places: dict[int, int] = {}
    for value in (*args, *kwargs.values(), *weights):
        kind = type(value)
        if kind is Tensor or kind is nn.Parameter:
            if not value.is_cpu or value.layout != torch.strided:
                return None
            place = places.setdefault(id(value), len(places))
            look += (place, value.shape, value.stride(), value.dtype, value.requires_grad)
        elif kind in _PLAIN:
            look += (kind, value)
        else:
            return None
    return tuple(look)


def _form(result: Any) -> Any:
    """The forms of a result's tensors, None for None; False where it holds anything but freshly computed tensors."""
    if type(result) is tuple:
        parts = tuple([part if part is None else _form(part) for part in result])
        return parts if all(part is not False for part in parts) else False
    if type(result) is not Tensor or result.storage_offset() or result.layout != torch.strided:
        return False
    return Form(result.shape, result.stride(), result.dtype, result.requires_grad)


def _zeros(form: Any) -> Any:
    return tuple([part and _zeros(part) for part in form]) if type(form) is tuple else form.zeros()
