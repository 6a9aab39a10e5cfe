"""Architectures of transformers, from small configs."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from tests.zoo.model import Inputs, Model, image, words

Settings = dict[str, Any]


def _model(name: str, config: str, inputs: Inputs, variant: str = "", **settings: Any) -> Model:
    def make() -> nn.Module:
        library = importlib.import_module("transformers")
        network: nn.Module = getattr(library, name)(getattr(library, config)(**settings))
        return network

    return Model(f"transformers/{name} {variant}".strip(), make, inputs)


def _text(length: int = 11, **others: Callable[[int], Tensor]) -> Inputs:
    """Numbers of words, and by name what else a network takes."""
    return lambda batch: {"input_ids": words(batch, length), **{name: make(batch) for name, make in others.items()}}


def _padded(batch: int) -> Tensor:
    return (torch.arange(11) < 11 - torch.arange(batch)[:, None]).long()


_ENCODER: Settings = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 37}
_BERT: Settings = {"vocab_size": 99, **_ENCODER}
_LLAMA: Settings = {**_BERT, "num_key_value_heads": 2, "use_cache": False}
_EVEN: Settings = {"intermediate_size": 40}
_VIT: Settings = {"image_size": 32, "patch_size": 8, **_ENCODER}
_GPT2: Settings = {"vocab_size": 99, "n_embd": 32, "n_layer": 2, "n_head": 4}
_DISTILBERT: Settings = {"vocab_size": 99, "dim": 32, "n_layers": 2, "n_heads": 4, "hidden_dim": 37}
_T5: Settings = {"vocab_size": 99, "d_model": 32, "d_kv": 8, "d_ff": 37, "num_layers": 2, "num_heads": 4}

MODELS = (
    _model("BertForSequenceClassification", "BertConfig", _text(attention_mask=_padded), **_BERT),
    _model("RobertaModel", "RobertaConfig", _text(), **_BERT),
    _model("DistilBertModel", "DistilBertConfig", _text(attention_mask=_padded), **_DISTILBERT),
    _model("GPT2LMHeadModel", "GPT2Config", _text(), use_cache=False, **_GPT2),
    _model("GPT2LMHeadModel", "GPT2Config", _text(), "with cache", **_GPT2),
    _model("LlamaForCausalLM", "LlamaConfig", _text(), **_LLAMA),
    _model("Qwen2ForCausalLM", "Qwen2Config", _text(attention_mask=_padded), **_LLAMA),
    # Its grouped products want strides of 16 bytes.
    _model("MixtralForCausalLM", "MixtralConfig", _text(), num_local_experts=4, **_LLAMA | _EVEN),
    _model("MambaModel", "MambaConfig", _text(), vocab_size=99, hidden_size=32, num_hidden_layers=2, use_cache=False),
    _model("T5EncoderModel", "T5Config", _text(attention_mask=_padded), use_cache=False, **_T5),
    _model(
        "T5ForConditionalGeneration",
        "T5Config",
        _text(decoder_input_ids=lambda batch: words(batch, 5)),
        use_cache=False,
        **_T5,
    ),
    _model("ViTForImageClassification", "ViTConfig", image("pixel_values", 3, 32, 32), **_VIT),
)
