"""Models of a given shape with random weights, and pairs of tokens with the lengths of real ones.

Speed and memory depend on shapes and lengths, not on what the weights or the tokens are.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Tokenizer, models
from transformers import LlamaConfig, PreTrainedTokenizerFast

from benchmarks.language import log_normal
from benchmarks.training_job import SEED, SPLIT
from pipeline.tokens.manifest import write_manifest
from pipeline.tokens.shard_writer import write_shards

SHAPES: dict[str, dict[str, Any]] = {
    "tiny": {
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "vocab_size": 512,
        "tie_word_embeddings": True,
    },
    "1b": {
        "hidden_size": 2048,
        "intermediate_size": 8192,
        "num_hidden_layers": 16,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "vocab_size": 128256,
        "tie_word_embeddings": True,
    },
    "3b": {
        "hidden_size": 3072,
        "intermediate_size": 8192,
        "num_hidden_layers": 28,
        "num_attention_heads": 24,
        "num_key_value_heads": 8,
        "vocab_size": 128256,
        "tie_word_embeddings": True,
    },
    "8b": {
        "hidden_size": 4096,
        "intermediate_size": 14336,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "vocab_size": 128256,
        "tie_word_embeddings": False,
    },
}
"""Sizes of Llama 3.2 1B and 3B and of Llama 3.1 8B, as their configs have them; and one for a trial run."""

ON_CPU = ("tiny",)
"""Shapes that a CPU gets through."""

PROMPT_TOKENS, RESPONSE_TOKENS = (209, 1.13), (273, 0.76)
"""Mean, and deviation of the logarithm, with which log-normal lengths have the means (209 and 273) and the
medians (111 and 205) of 1,000 pairs of ultrafeedback_binarized under SmolLM2's tokenizer."""

_SPECIAL = ("<unk>", "<s>", "</s>")


def write_shape(name: str, folder: Path) -> int:
    """Write a config without weights, and a tokenizer that has special tokens only.

    Returns:
        The id of the padding token.
    """
    LlamaConfig(**SHAPES[name], bos_token_id=1, eos_token_id=2, pad_token_id=2).save_pretrained(folder)
    words = Tokenizer(models.WordLevel({token: i for i, token in enumerate(_SPECIAL)}, unk_token=_SPECIAL[0]))
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=words, bos_token=_SPECIAL[1], eos_token=_SPECIAL[2], pad_token=_SPECIAL[2]
    )
    tokenizer.save_pretrained(folder)
    return 2


def write_pairs(name: str, folder: Path, pairs: int, max_length: int) -> None:
    """Write a shard set of random tokens; lengths are drawn again until both sequences of a pair fit."""
    rng = np.random.default_rng(SEED)
    prompts, chosen, rejected = _lengths(rng, pairs, max_length)
    vocabulary = SHAPES[name]["vocab_size"]
    rows = []
    for number, sizes in enumerate(zip(prompts, chosen, rejected, strict=True)):
        row: dict[str, Any] = {"pair_id": f"{number:08}"}
        for part, size in zip(("prompt", "chosen", "rejected"), sizes, strict=True):
            row[f"{part}_ids"] = rng.integers(len(_SPECIAL), vocabulary, size)
            row[f"{part}_mask"] = np.full(size, part != "prompt")
        rows.append(row)
    write_manifest(folder, {"splits": {SPLIT: {"shards": write_shards(rows, folder / SPLIT, pairs)}}})


def _lengths(rng: np.random.Generator, pairs: int, max_length: int) -> list[list[int]]:
    """Tokens of prompts, chosen and rejected responses."""
    drawn = np.zeros((3, 0), dtype=np.int64)
    while drawn.shape[1] < pairs:
        means = (PROMPT_TOKENS, RESPONSE_TOKENS, RESPONSE_TOKENS)
        more = np.stack([log_normal(rng, pairs, *mean, 1, max_length) for mean in means])
        drawn = np.hstack([drawn, more[:, more[0] + np.maximum(more[1], more[2]) <= max_length]])
    lengths: list[list[int]] = drawn[:, :pairs].tolist()
    return lengths
