"""What this machine does in a second, and how large the base model is: read and measured, nothing loaded."""

from __future__ import annotations

import json
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.params import TrainParams

HEAD = "lm_head.weight"
"""What the tensor is called that makes logits, where it is not the embedding itself."""

_REPEATS = 20
_MOST_TOKENS = 2048
_HALF = {"bf16", "bf16_autocast"}


@dataclass(frozen=True)
class ModelSize:
    """What of a model decides time and memory.

    Attributes:
        weights: All of its parameters.
        matmul_weights: Those that every token is multiplied by: without an embedding that is only looked up.
        layers: Transformer layers.
        hidden: Width of their states.
        vocabulary: Rows of the embedding.
        longest: Tokens it takes at most; None: its config does not say.
    """

    weights: int
    matmul_weights: int
    layers: int
    hidden: int
    vocabulary: int
    longest: int | None


def model_size(folder: Path) -> ModelSize | None:
    """The size of a model directory, by its config and its weights' headers; None where they do not tell.

    Args:
        folder: With ``config.json`` and ``*.safetensors``.
    """
    from safetensors import SafetensorError, safe_open

    weights, has_head = 0, False
    try:
        config = _text_config(json.loads((folder / "config.json").read_text(encoding="utf-8")))
        for file in sorted(folder.glob("*.safetensors")):
            with safe_open(file, framework="np") as tensors:
                for name in tensors.keys():  # noqa: SIM118 (no mapping)
                    weights += math.prod(tensors.get_slice(name).get_shape())
                    # A model without a head of its own multiplies by the embedding once more.
                    has_head |= name.endswith(HEAD)
        vocabulary, hidden = int(config["vocab_size"]), int(config["hidden_size"])
        layers = int(config["num_hidden_layers"])
    except (OSError, ValueError, KeyError, TypeError, SafetensorError):
        return None
    if not weights:
        return None
    looked_up = vocabulary * hidden if has_head else 0
    longest = config.get("max_position_embeddings")
    return ModelSize(
        weights,
        weights - looked_up,
        layers,
        hidden,
        vocabulary,
        longest if isinstance(longest, int) else None,
    )


def _text_config(config: dict[str, Any]) -> dict[str, Any]:
    inner = config.get("text_config")
    return {**config, **inner} if isinstance(inner, dict) else config


def matmul_rate(size: ModelSize, params: TrainParams) -> tuple[float, str]:
    """FLOPs a second of a bare matmul as the model's layers do it, the best of a few, and on what.

    Args:
        size: The model's.
        params: Its dtype and the tokens of a forward pass.
    """
    import torch

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    dtype = torch.bfloat16 if params.dtype in _HALF else torch.float32
    tokens = min(params.micro_batch_tokens, _MOST_TOKENS)
    states = torch.ones(tokens, size.hidden, dtype=dtype, device=device)
    weight = torch.ones(size.hidden, 4 * size.hidden, dtype=dtype, device=device)
    seconds = []
    for _ in range(_REPEATS):
        began = time.perf_counter()
        torch.mm(states, weight)
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        seconds.append(time.perf_counter() - began)
    where = (
        torch.cuda.get_device_name(device) if device.type == "cuda" else f"{torch.get_num_threads()} threads"
    )
    return 2 * tokens * size.hidden * 4 * size.hidden / min(seconds), where
