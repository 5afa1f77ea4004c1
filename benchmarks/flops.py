"""How much arithmetic a training step needs, and how much of it a machine can do in a second.

A matmul of (m, k) by (k, n) is 2 m k n floating-point operations (FLOPs); its backward pass is two of the
same size, so a step takes three times what its forward pass does. With every prompt run once for both
responses a step needs at least::

    body       6 * weights * tokens               weights of the linear layers, the head apart
    head       6 * hidden * vocabulary * targets  targets: tokens whose log-probability is asked for
    attention  12 * layers * width * attended     width: heads * head size; attended: pairs of query and key

where a pair with a prompt of p tokens and responses of c and r has p + c + r tokens, and attends to
p (p + 1) / 2 + c p + c (c + 1) / 2 + r p + r (r + 1) / 2 keys. What a pass computes more than that (padding,
a prompt twice, both halves of a causal square, an activation again in the backward pass) is not counted, and
norms, rotary embeddings, the softmax and the optimizer are not either: they are no matmuls.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import nn
from transformers import PretrainedConfig, PreTrainedModel

from pipeline.tokens.shards import TokenPair

MATMUL_REPEATS = 5
DTYPES = {"bf16": torch.bfloat16, "float32": torch.float32}


@dataclass(frozen=True)
class ModelSize:
    """What of a model decides how much arithmetic it takes.

    Attributes:
        weights: Weights of the linear layers, the head apart.
        hidden: Width of the states that go into the head.
        vocabulary: Width of the logits.
        layers: Layers with attention.
        attention_width: Query heads times their size.
    """

    weights: int
    hidden: int
    vocabulary: int
    layers: int
    attention_width: int


@dataclass(frozen=True)
class StepFlops:
    """FLOPs of a step's forward and backward pass, by part; see the module."""

    body: int
    head: int
    attention: int

    @property
    def total(self) -> int:
        """All parts together."""
        return self.body + self.head + self.attention


def model_size(model: PreTrainedModel) -> ModelSize:
    """The size of a causal language model with layers all alike; its weights may be on the meta device."""
    config: PretrainedConfig = model.config.get_text_config()
    head = model.get_output_embeddings()
    linear = [module for module in model.modules() if isinstance(module, nn.Linear) and module is not head]
    heads = int(config.num_attention_heads)
    head_size = int(getattr(config, "head_dim", None) or config.hidden_size // heads)
    return ModelSize(
        weights=sum(module.weight.numel() for module in linear),
        hidden=int(head.weight.shape[1]),
        vocabulary=int(head.weight.shape[0]),
        layers=int(config.num_hidden_layers),
        attention_width=heads * head_size,
    )


def step_flops(size: ModelSize, pairs: Sequence[TokenPair], with_prompt: bool) -> StepFlops:
    """What a step over these pairs needs.

    Args:
        size: The model's.
        pairs: The step's.
        with_prompt: Whether the prompt's tokens are targets too (nll_scope full).
    """
    tokens = sum(pair.tokens for pair in pairs)
    return StepFlops(
        body=6 * size.weights * tokens,
        head=6 * size.hidden * size.vocabulary * sum(_targets(pair, with_prompt) for pair in pairs),
        attention=12 * size.layers * size.attention_width * sum(_attended(pair) for pair in pairs),
    )


def _targets(pair: TokenPair, with_prompt: bool) -> int:
    """Tokens whose log-probability is asked for; nothing predicts the first token."""
    in_prompt = len(pair.prompt_ids) - 1 if with_prompt else int(pair.prompt_mask[1:].sum())
    return in_prompt + int(pair.chosen_mask.sum()) + int(pair.rejected_mask.sum())


def _attended(pair: TokenPair) -> int:
    """Pairs of query and key: each token sees itself and what comes before it, not the other response."""
    prompt = len(pair.prompt_ids)
    responses = (len(pair.chosen_ids), len(pair.rejected_ids))
    return _triangle(prompt) + sum(prompt * length + _triangle(length) for length in responses)


def _triangle(length: int) -> int:
    return length * (length + 1) // 2


def matmul_seconds(dtype: str, size: int, device: torch.device) -> float:
    """The best time of several for ``torch.mm`` of two square matrices, which is 2 * size**3 FLOPs."""
    left, right = (torch.randn(size, size, device=device).to(DTYPES[dtype]) for _ in range(2))
    out = torch.mm(left, right)
    return min(_seconds(lambda: torch.mm(left, right, out=out), device) for _ in range(MATMUL_REPEATS))


def _seconds(work: Callable[[], object], device: torch.device) -> float:
    synchronize(device)
    begun = time.perf_counter()
    work()
    synchronize(device)
    return time.perf_counter() - begun


def synchronize(device: torch.device) -> None:
    """Wait until a GPU has done what it was given; nothing on a CPU, which never runs ahead."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
