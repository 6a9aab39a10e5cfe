"""The networks that the laws of tracing and generated code are checked on, and how two networks are compared."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from graphnas.ir.targets import RANDOM
from tests.models.bert import bert_base
from tests.models.convnext import convnext_tiny
from tests.models.densenet import densenet121
from tests.models.efficientnet import efficientnet_b0
from tests.models.googlenet import googlenet
from tests.models.gpt import GPT
from tests.models.mixer import mixer_b_16
from tests.models.mobilenet_v3 import mobilenet_v3_small
from tests.models.regnet import regnet_y_400mf
from tests.models.resnet import resnet18, resnet50
from tests.models.unet import UNet
from tests.models.vgg import vgg16
from tests.models.vit import VisionTransformer


@dataclass(frozen=True)
class Network:
    """A network small enough for a test.

    Attributes:
        name: for messages.
        factory: builds it.
        example: its input of a given size: the batch, or of a language model the batch and the length.
        traced: the size that is traced.
        untraced: sizes that are not traced and that its guards admit.
    """

    name: str
    factory: Callable[[], nn.Module]
    example: Callable[..., Tensor]
    traced: tuple[int, ...]
    untraced: tuple[tuple[int, ...], ...]

    def model(self) -> nn.Module:
        """The network with weights that are the same every time, and with running statistics that are not trivial."""
        torch.manual_seed(0)
        model = self.factory()
        with torch.no_grad():
            for name, buffer in model.named_buffers():
                if name.endswith("running_mean"):
                    buffer.normal_()
                elif name.endswith("running_var"):
                    buffer.uniform_(0.5, 2)
        return model

    def __repr__(self) -> str:
        return self.name


def _image(batch: int) -> Tensor:
    return torch.randn(batch, 3, 32, 32, generator=torch.Generator().manual_seed(batch))


def _tokens(batch: int, length: int) -> Tensor:
    return torch.randint(0, 65, (batch, length), generator=torch.Generator().manual_seed(batch + length))


RESNET_18 = Network("resnet18", lambda: resnet18(8, 10), _image, (2,), ((3,), (5,)))
RESNET_50 = Network("resnet50", lambda: resnet50(4, 10), _image, (2,), ((3,),))
MOBILENET = Network("mobilenet_v3", lambda: mobilenet_v3_small(0.25, 10), _image, (2,), ((3,), (5,)))
VIT = Network("vit", lambda: VisionTransformer(depth=2), _image, (2,), ((3,), (1,)))
GPT_SMALL = Network("gpt", lambda: GPT(depth=2), _tokens, (2, 7), ((3, 7), (2, 12), (1, 32)))
NETWORKS = (RESNET_18, RESNET_50, MOBILENET, VIT, GPT_SMALL)
# Further topologies, with narrow layers.
NARROW = (
    Network("vgg16", lambda: vgg16(4, 16, 10), _image, (2,), ((3,),)),
    Network("densenet121", lambda: densenet121(4, 10), _image, (2,), ((3,),)),
    Network("convnext_tiny", lambda: convnext_tiny(8, 10), _image, (2,), ((3,),)),
    Network("efficientnet_b0", lambda: efficientnet_b0(4, 10), _image, (2,), ((3,),)),
    Network("regnet_y_400mf", lambda: regnet_y_400mf(4, 10), _image, (2,), ((3,),)),
    Network("googlenet", lambda: googlenet(8, 10), _image, (2,), ((3,),)),
    Network("unet", lambda: UNet(4), _image, (2,), ((3,),)),
    Network("mixer_b_16", lambda: mixer_b_16(32, 24, 10), _image, (2,), ((3,),)),
    Network("bert_base", lambda: bert_base(24, 70), _tokens, (2, 7), ((3, 7), (2, 12))),
)


@dataclass(frozen=True)
class Run:
    """What a network does with an input: result, state afterwards, gradients of the inputs' and parameters' use."""

    output: Any
    state: Mapping[str, Tensor]
    gradients: Mapping[str, Tensor | None]


class SteadyDraws(TorchFunctionMode):
    """Lets random functions depend on their arguments alone, not on how often or in which order they are called."""

    NAMES = frozenset(target.rpartition(".")[2] for target in RANDOM)

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if getattr(func, "__name__", "") in self.NAMES:
            content = [tensor.detach().numpy().tobytes() for tensor in args if isinstance(tensor, Tensor)]
            torch.manual_seed(zlib.crc32(b"".join((func.__name__.encode(), *content))))
        return func(*args, **(kwargs or {}))


def run(
    network: nn.Module,
    weights: Mapping[str, Tensor],
    *inputs: Any,
    training: bool,
    differentiate: bool = True,
    seed: int = 7,
    **kwargs: Any,
) -> Run:
    """Runs a network from given weights, with the same seed every time, and differentiates its result."""
    network.load_state_dict({name: weights[name].clone() for name in network.state_dict()})
    network.train(training)
    network.zero_grad(set_to_none=True)
    torch.manual_seed(seed)
    given = (item.clone() if isinstance(item, Tensor) else item for item in inputs)
    output = network(*given, **kwargs)
    differentiable = [tensor for tensor in tensors(output) if tensor.requires_grad]
    if differentiable and differentiate:
        torch.stack([tensor.square().sum() for tensor in differentiable]).sum().backward()
    gradients = {name: parameter.grad for name, parameter in network.named_parameters()}
    state = {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}
    return Run(output, state, gradients)


def tensors(tree: Any) -> Iterator[Tensor]:
    """The tensors in a result."""
    if isinstance(tree, Tensor):
        yield tree
    elif isinstance(tree, Mapping):
        for item in tree.values():
            yield from tensors(item)
    elif isinstance(tree, (list, tuple)):
        for item in tree:
            yield from tensors(item)


def same(first: Any, second: Any) -> bool:
    """Whether two results are equal bit for bit, structure included; NaN equals NaN."""
    if isinstance(first, Tensor):
        return isinstance(second, Tensor) and first.dtype == second.dtype and _equal(first, second)
    if isinstance(first, Mapping):
        return (
            isinstance(second, Mapping)
            and list(first) == list(second)
            and all(same(first[key], second[key]) for key in first)
        )
    if isinstance(first, (list, tuple)):
        return isinstance(second, type(first)) and len(first) == len(second) and all(map(same, first, second))
    return bool(first == second)


def _equal(first: Tensor, second: Tensor) -> bool:
    if first.shape != second.shape:
        return False
    return torch.equal(first, second) or torch.equal(torch.nan_to_num(first, 0.5), torch.nan_to_num(second, 0.5))


def assert_same(first: Run, second: Run) -> None:
    """Fails unless two runs are equal bit for bit."""
    assert same(first.output, second.output), "the outputs differ"
    for name in second.state:
        assert same(first.state[name], second.state[name]), f"{name} differs afterwards"
    assert list(second.gradients) == [name for name in first.gradients if name in second.gradients]
    for name, gradient in second.gradients.items():
        assert same(first.gradients[name], gradient), f"the gradient of {name} differs"
