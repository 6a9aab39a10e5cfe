"""The published networks, with random weights, and what is known not to work yet."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

Inputs = Callable[[int], Mapping[str, Any]]


@dataclass(frozen=True)
class Model:
    """A network of a library.

    Attributes:
        name: library and network.
        make: builds it, with random weights.
        inputs: batch size → its inputs by name.
        batches: the one that is traced, and others.
        exact: traced without telling libraries that they are compiled.
    """

    name: str
    make: Callable[[], nn.Module]
    inputs: Inputs
    batches: tuple[int, ...] = (2, 3)
    exact: bool = False


def image(name: str, size: int) -> Inputs:
    """Inputs of a network for square images."""
    return lambda batch: {name: _noise(batch, 3, size, size)}


def words(length: int = 11, **others: Callable[[int], Tensor]) -> Inputs:
    """Inputs of a network for texts: numbers of words, and by name what else it takes."""
    return lambda batch: {"input_ids": _words(batch, length), **{name: make(batch) for name, make in others.items()}}


def _noise(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(shape[0]))


def _words(batch: int, length: int) -> Tensor:
    return torch.randint(1, 90, (batch, length), generator=torch.Generator().manual_seed(batch))


def _padded(batch: int) -> Tensor:
    return (torch.arange(11) < 11 - torch.arange(batch)[:, None]).long()


def _torchvision(
    name: str, size: int = 224, module: str = "torchvision.models", takes: str = "x", **settings: Any
) -> Model:
    def make() -> nn.Module:
        builder: Callable[..., nn.Module] = getattr(importlib.import_module(module), name)
        return builder(weights=None, **settings)

    return Model(f"torchvision/{name}", make, image(takes, size))


def _detector(name: str) -> Model:
    models = "torchvision.models.detection"

    def make() -> nn.Module:
        builder: Callable[..., nn.Module] = getattr(importlib.import_module(models), name)
        return builder(weights=None, weights_backbone=None)

    # The loop over images is unrolled: another number of them is refused.
    return Model(f"torchvision/{name}", make, lambda batch: {"images": [*_noise(batch, 3, 96, 96)]}, batches=(2,))


def _timm(name: str, size: int = 224, **settings: Any) -> Model:
    def make() -> nn.Module:
        network: nn.Module = importlib.import_module("timm").create_model(name, **settings)
        return network

    return Model(f"timm/{name}", make, image("x", size))


def _transformers(name: str, config: str, inputs: Inputs, variant: str = "", **settings: Any) -> Model:
    def make() -> nn.Module:
        library = importlib.import_module("transformers")
        network: nn.Module = getattr(library, name)(getattr(library, config)(**settings))
        return network

    return Model(f"transformers/{name} {variant}".strip(), make, inputs, exact=variant == "exact")


Settings = dict[str, Any]
_ENCODER: Settings = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 37}
_BERT: Settings = {"vocab_size": 99, **_ENCODER}
_LLAMA: Settings = {**_BERT, "num_key_value_heads": 2, "use_cache": False}
_EVEN: Settings = {"intermediate_size": 40}
_VIT: Settings = {"image_size": 32, "patch_size": 8, **_ENCODER}
_GPT2: Settings = {"vocab_size": 99, "n_embd": 32, "n_layer": 2, "n_head": 4}
_DISTILBERT: Settings = {"vocab_size": 99, "dim": 32, "n_layers": 2, "n_heads": 4, "hidden_dim": 37}
_T5: Settings = {"vocab_size": 99, "d_model": 32, "d_kv": 8, "d_ff": 37, "num_layers": 2, "num_heads": 4}

MODELS = (
    *map(_torchvision, ("alexnet", "vgg11_bn", "resnet18", "resnet50", "resnext50_32x4d", "densenet121")),
    *map(_torchvision, ("squeezenet1_1", "shufflenet_v2_x0_5", "mobilenet_v2", "mobilenet_v3_small", "mnasnet0_5")),
    *map(_torchvision, ("regnet_y_400mf", "efficientnet_b0", "efficientnet_v2_s", "convnext_tiny")),
    *map(_torchvision, ("vit_b_32", "swin_t", "maxvit_t")),
    _torchvision("googlenet", init_weights=False),
    _torchvision("inception_v3", 299, init_weights=False),
    _torchvision("fcn_resnet50", 64, "torchvision.models.segmentation", weights_backbone=None),
    _torchvision("deeplabv3_mobilenet_v3_large", 64, "torchvision.models.segmentation", weights_backbone=None),
    _torchvision("lraspp_mobilenet_v3_large", 64, "torchvision.models.segmentation", "input", weights_backbone=None),
    _detector("fasterrcnn_mobilenet_v3_large_320_fpn"),
    _detector("retinanet_resnet50_fpn"),
    *map(_timm, ("resnet26d", "vit_tiny_patch16_224", "mixer_s32_224", "convnext_atto", "mobilenetv4_conv_small")),
    *map(_timm, ("efficientnet_lite0", "ghostnet_100", "repvgg_a0", "levit_128s", "swin_tiny_patch4_window7_224")),
    *map(_timm, ("poolformer_s12", "coat_lite_tiny", "coat_mini")),
    _timm("vit_small_patch32_224", drop_path_rate=0.2),
    _transformers("BertForSequenceClassification", "BertConfig", words(attention_mask=_padded), **_BERT),
    _transformers("RobertaModel", "RobertaConfig", words(), **_BERT),
    _transformers("DistilBertModel", "DistilBertConfig", words(attention_mask=_padded), **_DISTILBERT),
    _transformers("GPT2LMHeadModel", "GPT2Config", words(), use_cache=False, **_GPT2),
    _transformers("GPT2LMHeadModel", "GPT2Config", words(), "with cache", **_GPT2),
    _transformers("LlamaForCausalLM", "LlamaConfig", words(), **_LLAMA),
    _transformers("LlamaForCausalLM", "LlamaConfig", words(), "exact", **_LLAMA),
    _transformers("Qwen2ForCausalLM", "Qwen2Config", words(attention_mask=_padded), **_LLAMA),
    # Its grouped products want strides of 16 bytes.
    _transformers("MixtralForCausalLM", "MixtralConfig", words(), num_local_experts=4, **_LLAMA | _EVEN),
    _transformers(
        "MambaModel", "MambaConfig", words(), vocab_size=99, hidden_size=32, num_hidden_layers=2, use_cache=False
    ),
    _transformers("T5EncoderModel", "T5Config", words(attention_mask=_padded), use_cache=False, **_T5),
    _transformers(
        "T5ForConditionalGeneration",
        "T5Config",
        words(decoder_input_ids=lambda batch: _words(batch, 5)),
        use_cache=False,
        **_T5,
    ),
    _transformers("ViTForImageClassification", "ViTConfig", image("pixel_values", 32), **_VIT),
)
