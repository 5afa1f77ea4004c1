"""From a batch to log-probabilities: the decoder over packed or padded pairs, logits only at targets."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint
from transformers import AttentionInterface, PreTrainedModel

from pipeline.tokens.shards import TokenPair
from pipeline.training import attention
from pipeline.training.batch import Batch, pack, pad
from pipeline.training.flex import BlockMasks
from pipeline.training.linear import OneDnnLinear
from pipeline.training.logps import PairLogps, reduce_logps

HEAD_CHUNK = 2048
"""Targets whose logits exist at once."""

_RECORDING = "packed_pairs_recording"
"""What transformers knows the attention of :func:`why_not_packed` by."""

_AGREE = 1e-3
"""How far packed and padded log-probabilities may differ in the dtype of the model: float32 rounding, and no
token that sees what it should not."""


def target_states(model: PreTrainedModel, batch: Batch) -> Tensor:
    """The decoder's last hidden states that predict the targets, shape (targets, hidden).

    Args:
        model: A causal language model; with packed attention where the batch is packed.
        batch: The pairs.

    Raises:
        RuntimeError: As the model's forward does (out of memory, say).
    """
    with OneDnnLinear():
        decoded = model.get_decoder()(input_ids=batch.input_ids, use_cache=False, **_layout(batch))
    hidden: Tensor = decoded.last_hidden_state
    return hidden.flatten(0, 1).index_select(0, batch.states)


def _layout(batch: Batch) -> dict[str, object]:
    """What tells the decoder which token sees which."""
    if batch.spans is None:
        return {"attention_mask": batch.attention_mask}
    layout: dict[str, object] = {"position_ids": batch.position_ids, "spans": batch.spans}
    if batch.input_ids.device.type == "cuda":
        layout["block_masks"] = BlockMasks(batch.spans, batch.position_ids)
    return layout


def target_logps(model: PreTrainedModel, batch: Batch) -> Tensor:
    """Log-probability of every target, shape (targets,), in the batch's order.

    Differentiable; logits are made in chunks, and again in the backward pass. float32, or float64 for a model
    in float64.

    Raises:
        RuntimeError: As :func:`target_states`.
    """
    return state_logps(model, target_states(model, batch), batch.labels)


def state_logps(model: PreTrainedModel, states: Tensor, labels: Tensor) -> Tensor:
    """Log-probability of every target from the state that predicts it; :func:`target_logps` without decoder.

    Args:
        model: A causal language model.
        states: Of :func:`target_states`, shape (targets, hidden).
        labels: The targets' tokens, int64, shape (targets,).
    """
    head = model.get_output_embeddings()
    chunks = zip(states.split(HEAD_CHUNK), labels.split(HEAD_CHUNK), strict=True)
    if len(states) <= HEAD_CHUNK or not torch.is_grad_enabled():
        return torch.cat([_chunk_logps(head, part, label) for part, label in chunks])
    return torch.cat(
        [checkpoint(_chunk_logps, head, part, label, use_reentrant=False) for part, label in chunks]
    )


def _chunk_logps(head: nn.Module, states: Tensor, labels: Tensor) -> Tensor:
    with OneDnnLinear():
        logits: Tensor = head(states)
    logits = logits if logits.dtype == torch.float64 else logits.float()
    picked = logits.gather(-1, labels.unsqueeze(-1)).squeeze(-1)
    return picked - torch.logsumexp(logits, dim=-1)


def pair_logps(model: PreTrainedModel, batch: Batch) -> PairLogps:
    """Run a batch through the model and reduce to what the objective and the evaluation need."""
    logps = target_logps(model, batch)
    return reduce_logps(logps, batch.sequences, batch.in_response, len(batch.pair_ids))


def check_head(model: PreTrainedModel) -> bool:
    """Whether decoder states through the output embeddings give the model's own logits.

    Some architectures scale or cap their logits after the head; for those :func:`target_logps` would be
    wrong. A few tokens are run both ways, once, before training or evaluation.
    """
    device = next(model.parameters()).device
    ids = torch.arange(1, 9, device=device).unsqueeze(0) % model.config.get_text_config().vocab_size
    with torch.no_grad():
        whole = model(input_ids=ids, use_cache=False).logits
        decoded = model.get_decoder()(input_ids=ids, use_cache=False)
        if not hasattr(decoded, "last_hidden_state"):  # a model that does not part its decoder from its head
            return False
        parts = model.get_output_embeddings()(decoded.last_hidden_state)
    return bool(torch.allclose(whole.float(), parts.float(), rtol=1e-4, atol=1e-4))


@contextlib.contextmanager
def packed_attention(model: PreTrainedModel) -> Iterator[str | None]:
    """Give a model packed attention for a while, where it can take it.

    Yields:
        None; or why it cannot, with the model's own attention left in place.
    """
    own = model.config._attn_implementation
    fault = why_not_packed(model)
    if fault is None:
        model.set_attn_implementation(attention.NAME)
    try:
        yield fault
    finally:
        if fault is None:
            model.set_attn_implementation(own)


def why_not_packed(model: PreTrainedModel) -> str | None:
    """Why a model cannot take packed pairs; None where it can.

    Two made-up pairs are run packed and padded. That shows a model whose layers mix tokens in another way
    than through transformers' interface, whose sliding window is known to its masks alone, or whose
    log-probabilities come out different, since its positions come from elsewhere, say.
    """
    windows: list[int | None] = []
    own = model.config._attn_implementation
    training = model.training
    pairs = _made_up_pairs(int(model.config.get_text_config().vocab_size))
    device = next(model.parameters()).device
    model.eval()
    try:
        with torch.no_grad():
            padded = target_logps(model, pad(pairs, 0, True).to(device))
            model.set_attn_implementation(_recording(windows))
            packed = target_logps(model, pack(pairs, True).to(device))
    except Exception as error:
        # What a foreign model does with arguments it was not written for is its own affair.
        return f"{type(error).__name__}: {error}"
    finally:
        model.set_attn_implementation(own)
        model.train(training)
    if (fault := _passed_over(model, windows)) is not None:
        return fault
    apart = float((padded - packed).abs().max())
    limit = _AGREE if padded.dtype == torch.float64 or _is_float32(model) else 1.0
    return None if apart <= limit else f"its log-probabilities differ by {apart:.2g}"


def _recording(windows: list[int | None]) -> str:
    """Register packed attention that notes the sliding window of each call; gives its name."""

    def attend(*args: Any, **others: Any) -> tuple[Tensor, None]:
        windows.append(others.get("sliding_window"))
        return attention.packed_attention(*args, **others)

    AttentionInterface.register(_RECORDING, attend)
    return _RECORDING


def _passed_over(model: PreTrainedModel, windows: Sequence[int | None]) -> str | None:
    """What of a model's attention never came to the packed one, by the windows of its calls, or None."""
    config = model.config.get_text_config()
    layers = int(getattr(config, "num_hidden_layers", 0))
    if len(windows) < layers:
        return f"{layers - len(windows)} of its {layers} layers do not use transformers' attention interface"
    kinds = getattr(config, "layer_types", None) or ["sliding_attention"]
    if "sliding_attention" in kinds and getattr(config, "sliding_window", None) and not any(windows):
        return "its sliding window does not reach the attention"
    return None


def _is_float32(model: PreTrainedModel) -> bool:
    return next(model.parameters()).dtype == torch.float32


def _made_up_pairs(vocabulary: int) -> Sequence[TokenPair]:
    random = np.random.default_rng(0)
    sizes = ((7, 5, 6), (4, 9, 3))
    pairs = []
    for place, lengths in enumerate(sizes):
        prompt, chosen, rejected = (
            random.integers(1, vocabulary, length).astype(np.int32) for length in lengths
        )
        masks = [np.ones(length, np.bool_) for length in lengths]
        pairs.append(TokenPair(str(place), prompt, chosen, rejected, *masks))
    return pairs
