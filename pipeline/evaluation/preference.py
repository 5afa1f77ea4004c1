"""Preference metrics of a model on held-out pairs: accuracy, log-odds margin, NLL, pair by pair."""

from __future__ import annotations

import polars as pl
import torch
from transformers import PreTrainedModel

from pipeline.progress import track
from pipeline.schema import EVALUATED_PAIRS
from pipeline.tokens.shards import ShardSet, TokenPair
from pipeline.training.batch import Batch, pack, pad
from pipeline.training.forward import packed_attention, pair_logps
from pipeline.training.model import autocast
from pipeline.training.objective import log_odds_margin


@torch.no_grad()
def score_pairs(
    model: PreTrainedModel, name: str, shards: ShardSet, pad_id: int, batch_pairs: int, dtype: str
) -> pl.DataFrame:
    """Score every pair of a shard set.

    Args:
        model: The model to measure.
        name: What to call it in the ``model`` column.
        shards: The held-out pairs.
        pad_id: Padding token; padding is masked, so any id does.
        batch_pairs: Pairs per forward pass; the scores do not depend on it.
        dtype: bf16 (autocast) or float32.

    Returns:
        pair_id, model, chosen_logp, rejected_logp (mean nats per token), log_odds_margin, correct, and the
        token counts, in pair_id order.
    """
    model.eval()
    pairs = sorted(shards, key=lambda pair: (-pair.longest, pair.pair_id))
    batches = [pairs[start : start + batch_pairs] for start in range(0, len(pairs), batch_pairs)]
    rows: list[dict[str, object]] = []
    with packed_attention(model) as fault:
        for part in track(batches, f"score pairs ({name})", total=len(batches), unit="batches"):
            batch = pack(part) if fault is None else pad(part, pad_id)
            rows += _score_batch(model, part, batch, dtype)
    columns = {
        column: EVALUATED_PAIRS.columns[column].dtype
        for column in EVALUATED_PAIRS.columns
        if column not in {"model", "prompt_id", "source", "margin"}
    }
    return pl.DataFrame(rows, schema=columns).with_columns(model=pl.lit(name)).sort("pair_id")


def _score_batch(
    model: PreTrainedModel, pairs: list[TokenPair], batch: Batch, dtype: str
) -> list[dict[str, object]]:
    with autocast(model.device, "bf16_autocast" if dtype == "bf16" else dtype):
        logps = pair_logps(model, batch.to(model.device))
    margins = log_odds_margin(logps.chosen, logps.rejected)
    values = zip(pairs, logps.chosen.tolist(), logps.rejected.tolist(), margins.tolist(), strict=True)
    return [
        {
            "pair_id": pair.pair_id,
            "chosen_logp": chosen,
            "rejected_logp": rejected,
            "log_odds_margin": margin,
            "correct": margin > 0,
            "prompt_tokens": len(pair.prompt_ids),
            "chosen_tokens": len(pair.chosen_ids),
            "rejected_tokens": len(pair.rejected_ids),
        }
        for pair, chosen, rejected, margin in values
    ]


def summarise_pairs(scored: pl.DataFrame) -> dict[str, float | int]:
    """Means over the pairs of one model.

    Returns:
        accuracy (share with a positive margin), log_odds_margin, chosen_nll and rejected_nll (mean over pairs
        of nats per token), pairs, prompts.
    """
    row = scored.select(
        accuracy=pl.col("correct").mean(),
        log_odds_margin=pl.col("log_odds_margin").mean(),
        chosen_nll=-pl.col("chosen_logp").mean(),
        rejected_nll=-pl.col("rejected_logp").mean(),
        pairs=pl.len(),
        prompts=pl.col("prompt_id").n_unique(),
    )
    return row.row(0, named=True)
