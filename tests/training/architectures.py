"""Tiny random models of the architectures people train, by transformers' name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM

VOCABULARY = 259

WINDOW = 6
"""Sliding window of the models that have one: shorter than most pairs."""

_COMMON: Mapping[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 128,
    "attention_dropout": 0.1,
}
_GPT: Mapping[str, Any] = {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 128}

PACKED: Mapping[str, Mapping[str, Any]] = {
    "llama": _COMMON,
    "qwen2": _COMMON,
    "qwen3": _COMMON,
    "mistral": {**_COMMON, "sliding_window": WINDOW},
    "phi": {**_COMMON, "num_key_value_heads": 4, "resid_pdrop": 0.1, "embd_pdrop": 0.1},
    "phi3": {**_COMMON, "pad_token_id": 0},
    "gemma": _COMMON,
    "gemma3_text": {
        **_COMMON,
        "sliding_window": WINDOW,
        "layer_types": ["sliding_attention", "full_attention"],
    },
    "opt": {**_COMMON, "ffn_dim": 48, "word_embed_proj_dim": 32, "dropout": 0.1},
    "gpt2": {**_GPT, "resid_pdrop": 0.1},
}
"""Those that take packed pairs, with dropout where they have it."""

PADDED: Mapping[str, tuple[Mapping[str, Any], str]] = {
    "bloom": ({"hidden_size": 32, "n_layer": 2, "n_head": 4}, "2 of its 2 layers do not use transformers'"),
    "gptj": ({**_GPT, "rotary_dim": 4}, "2 of its 2 layers do not use transformers'"),
    "mpt": ({"d_model": 32, "n_heads": 4, "n_layers": 2}, "2 of its 2 layers do not use transformers'"),
    "lfm2": (
        {**_COMMON, "layer_types": ["conv", "full_attention"], "block_ff_dim": 48},
        "1 of its 2 layers do not use transformers'",
    ),
    "gemma2": ({**_COMMON, "final_logit_softcapping": None}, "attention with softcap"),
    "gpt_oss": ({**_COMMON, "num_local_experts": 2, "num_experts_per_tok": 1}, "attention with s_aux"),
    "stablelm": (_COMMON, "without spans"),
    "phimoe": ({**_COMMON, "num_local_experts": 2, "sliding_window": WINDOW}, "sliding window"),
}
"""Those that do not, and why."""


WITHOUT_DECODER: Mapping[str, Any] = {
    "llama4_text": {**_COMMON, "intermediate_size_mlp": 48, "num_local_experts": 2, "pad_token_id": 0},
}
"""Those whose hidden states cannot be had apart from their logits."""


def tiny(name: str, dtype: torch.dtype = torch.float32, **changes: Any) -> Any:
    """A model whose weights are large enough for a wrong attention or position to show in its logits."""
    known = {**PACKED, **WITHOUT_DECODER, **{other: values for other, (values, _) in PADDED.items()}}
    config = AutoConfig.for_model(name, **{"vocab_size": VOCABULARY, **known[name], **changes})
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.normal_(0, 0.2)
    return model.to(dtype)
