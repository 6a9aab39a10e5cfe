"""Architectures of transformers, from small configs; what takes a mask is given one of rows padded differently."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from tests.zoo.model import Inputs, Model, image, noise, words
from tests.zoo.shrinking import shrink

LENGTH = 11


def _model(name: str, inputs: Inputs, variant: str = "", **settings: Any) -> Model:
    def make() -> nn.Module:
        kind = getattr(importlib.import_module("transformers"), name)
        network: nn.Module = kind(shrink(kind.config_class, **settings))
        return network

    return Model(f"transformers/{name} {variant}".strip(), make, inputs)


def _models(inputs: Inputs, names: Mapping[str, Mapping[str, Any]]) -> tuple[Model, ...]:
    return tuple(_model(name, inputs, **settings) for name, settings in names.items())


def padded(batch: int, length: int = LENGTH) -> Tensor:
    """A mask of rows of which each has one word fewer than the one before."""
    return (torch.arange(length) < length - torch.arange(batch)[:, None]).long()


def _inputs(**makes: Callable[[int], Tensor]) -> Inputs:
    return lambda batch: {name: make(batch) for name, make in makes.items()}


def _text(length: int) -> Inputs:
    return _inputs(input_ids=lambda batch: words(batch, length), attention_mask=lambda batch: padded(batch, length))


_WORDS: dict[str, Callable[[int], Tensor]] = {"input_ids": lambda batch: words(batch, LENGTH)}
_MASKED = _WORDS | {"attention_mask": padded}
_ANSWER: dict[str, Callable[[int], Tensor]] = {"decoder_input_ids": lambda batch: words(batch, 5)}
_IMAGE: dict[str, Callable[[int], Tensor]] = {"pixel_values": lambda batch: noise(batch, 3, 32, 32)}
_LARGER_IMAGE: dict[str, Callable[[int], Tensor]] = {"pixel_values": lambda batch: noise(batch, 3, 64, 64)}
_SOUND = image("input_values", 2000)
_GEMMA = {"query_pre_attn_scalar": 8}
_SOUNDS = {"num_conv_pos_embeddings": 16, "num_conv_pos_embedding_groups": 2, "layerdrop": 0.0}

_DECODERS: dict[str, dict[str, Any]] = {
    "BloomForCausalLM": {},
    "CodeGenForCausalLM": {},
    "CohereForCausalLM": {},
    "FalconForCausalLM": {},
    "GPT2LMHeadModel": {},
    "GPTJForCausalLM": {},
    "GPTNeoForCausalLM": {"attention_types": [[["global", "local"], 1]], "window_size": 4},
    "GPTNeoXForCausalLM": {},
    "Gemma2ForCausalLM": {"sliding_window": 4, **_GEMMA},
    "Gemma3ForCausalLM": {"sliding_window": 4, "layer_types": ["sliding_attention", "full_attention"], **_GEMMA},
    "GemmaForCausalLM": {},
    "GraniteForCausalLM": {},
    "LlamaForCausalLM": {},
    "Mamba2ForCausalLM": {"num_heads": 8, "state_size": 16, "n_groups": 2, "chunk_size": 4},
    "MambaForCausalLM": {},
    "MistralForCausalLM": {"sliding_window": 4},
    "MixtralForCausalLM": {},
    "OPTForCausalLM": {},
    "OlmoForCausalLM": {},
    "Phi3ForCausalLM": {},
    "PhiForCausalLM": {},
    "Qwen2ForCausalLM": {},
    "Qwen3ForCausalLM": {},
    "RwkvForCausalLM": {"attention_hidden_size": 32},
    "StableLmForCausalLM": {},
    "Starcoder2ForCausalLM": {},
}
_ENCODERS: dict[str, dict[str, Any]] = {
    "AlbertModel": {},
    "BertForSequenceClassification": {},
    "BigBirdModel": {"attention_type": "original_full"},
    "CanineModel": {},
    "ConvBertModel": {},
    "DebertaModel": {"relative_attention": True, "pos_att_type": ["c2p", "p2c"]},
    "DebertaV2Model": {"relative_attention": True, "pos_att_type": ["c2p", "p2c"]},
    "DistilBertModel": {},
    "ElectraModel": {},
    "FunnelModel": {"block_sizes": [1, 1, 1], "d_head": 8, "d_inner": 40},
    "LongformerModel": {"attention_window": 4},
    "MPNetModel": {},
    "ModernBertModel": {"local_attention": 4},
    "NystromformerModel": {"num_landmarks": 4, "segment_means_seq_len": 4},
    "RobertaModel": {},
    "SqueezeBertModel": {},
    "T5EncoderModel": {},
    "XLMModel": {},
}
_TRANSLATORS: dict[str, dict[str, Any]] = {
    "BartForConditionalGeneration": {},
    "LEDForConditionalGeneration": {"attention_window": 4},
    "M2M100ForConditionalGeneration": {"encoder_layerdrop": 0.0, "decoder_layerdrop": 0.0},
    "MBartForConditionalGeneration": {},
    "MarianMTModel": {},
    "PegasusForConditionalGeneration": {},
    "T5ForConditionalGeneration": {},
}
_FOR_IMAGES: dict[str, dict[str, Any]] = {
    "BeitForImageClassification": {},
    "ConvNextForImageClassification": {"patch_size": 2},
    "ConvNextV2ForImageClassification": {"patch_size": 2},
    "DeiTForImageClassification": {},
    "Dinov2ForImageClassification": {},
    "PoolFormerForImageClassification": {},
    "RegNetForImageClassification": {"groups_width": 8},
    "ResNetForImageClassification": {},
    "SwinForImageClassification": {"patch_size": 4, "window_size": 4, "depths": [2, 1], "num_heads": [3, 6]},
    "Swinv2ForImageClassification": {"patch_size": 4, "window_size": 4, "depths": [2, 1], "num_heads": [3, 6]},
    "ViTForImageClassification": {},
    "YolosForObjectDetection": {},
}
# Halved five times, a smaller image is a single pixel, which these treat as a case of its own.
_FOR_LARGER_IMAGES: dict[str, dict[str, Any]] = {
    "DetrForObjectDetection": {},
    "MobileViTForImageClassification": {"patch_size": 2, "initializer_range": 0.2},
    "SegformerForSemanticSegmentation": {},
}
_FOR_SOUNDS: dict[str, dict[str, Any]] = {
    "HubertModel": {"apply_spec_augment": False, **_SOUNDS},
    "Wav2Vec2Model": {"apply_spec_augment": False, **_SOUNDS},
}
_FOR_BOTH: dict[str, dict[str, Any]] = {"BlipModel": {}, "CLIPModel": {}, "SiglipModel": {}, "ViltModel": {}}

MODELS = (
    *_models(_inputs(**_MASKED), _DECODERS | _ENCODERS),
    _model("FNetModel", _inputs(**_WORDS)),
    _model("GPT2LMHeadModel", _inputs(**_WORDS), "with cache", use_cache=True),
    _model("BigBirdModel", _text(64), "sparse", block_size=2),
    *_models(_inputs(**_MASKED, **_ANSWER), _TRANSLATORS),
    _model("M2M100ForConditionalGeneration", _inputs(**_MASKED, **_ANSWER), "with layers dropped"),
    *_models(_inputs(**_IMAGE), _FOR_IMAGES),
    *_models(_inputs(**_LARGER_IMAGE), _FOR_LARGER_IMAGES),
    *_models(_SOUND, _FOR_SOUNDS),
    _model("Wav2Vec2Model", _SOUND, "with masks", mask_time_length=2, **_SOUNDS),
    _model("ASTModel", image("input_values", 40, 16), max_length=40, num_mel_bins=16),
    _model(
        "WhisperModel",
        _inputs(input_features=lambda batch: noise(batch, 16, 40), **_ANSWER),
        num_mel_bins=16,
        max_source_positions=20,
        decoder_start_token_id=1,
    ),
    *_models(_inputs(**_MASKED, **_IMAGE), _FOR_BOTH),
)
