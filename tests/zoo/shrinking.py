"""Small configs of transformers: common settings made small wherever a config has them, also in the parts of one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Settings = Mapping[str, Any]

_WIDTH, _HEADS, _LAYERS, _INNER = 32, 4, 2, 40
# Names of settings → what they become. Grouped products of experts want strides of 16 bytes, hence 40 and not 37.
_SMALL: Settings = {
    "vocab_size": 99,
    **dict.fromkeys(("hidden_size", "d_model", "n_embd", "dim", "emb_dim", "projection_dim"), _WIDTH),
    **dict.fromkeys(("embedding_size", "word_embed_proj_dim", "attention_hidden_size", "rnn_hidden_size"), _WIDTH),
    **dict.fromkeys(("num_hidden_layers", "n_layer", "n_layers", "num_layers", "encoder_layers"), _LAYERS),
    **dict.fromkeys(("decoder_layers", "num_decoder_layers", "num_hidden_groups"), _LAYERS),
    **dict.fromkeys(("num_attention_heads", "n_head", "n_heads", "num_heads"), _HEADS),
    **dict.fromkeys(("encoder_attention_heads", "decoder_attention_heads"), _HEADS),
    **dict.fromkeys(("intermediate_size", "ffn_dim", "encoder_ffn_dim", "decoder_ffn_dim", "d_ff"), _INNER),
    **dict.fromkeys(("ffn_hidden_size", "hidden_dim", "n_inner", "moe_intermediate_size", "dim_ff"), _INNER),
    **dict.fromkeys(("num_key_value_heads", "num_experts_per_tok", "num_kv_heads"), 2),
    **dict.fromkeys(("num_local_experts", "num_experts", "n_routed_experts"), 4),
    **dict.fromkeys(("head_dim", "d_kv", "rotary_dim"), _WIDTH // _HEADS),
    **dict.fromkeys(("image_size", "window_size"), 32),
    **dict.fromkeys(("pad_token_id", "bos_token_id", "eos_token_id"), 0) | {"bos_token_id": 1, "eos_token_id": 2},
    "patch_size": 8,
    "use_cache": False,
}


_LISTS = ("hidden_sizes", "embed_dims", "conv_dim")  # a quarter of each


def shrink(config: type, **settings: Any) -> Any:
    """A small config of a class.

    Args:
        config: its class.
        settings: what is wanted otherwise than by the rule.
    """
    usual = vars(config())
    found: dict[str, Any] = {name: value for name, value in _SMALL.items() if type(usual.get(name)) is type(value)}
    found |= {
        name: [size // 4 for size in usual[name]] for name in _LISTS if isinstance(usual.get(name), (list, tuple))
    }
    if isinstance(usual.get("depths"), (list, tuple)):
        found["depths"] = [min(depth, 2) for depth in usual["depths"]]
    parts = {name: usual.get(name) for name in getattr(config, "sub_configs", {})}
    parts = {name: part for name, part in parts.items() if getattr(part, "backbone", None) is None}  # one of timm's
    small = {name: shrink(type(part)).to_dict() for name, part in parts.items() if hasattr(part, "to_dict")}
    return config(**found | small | settings)
