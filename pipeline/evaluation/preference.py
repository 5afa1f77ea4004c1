"""Preference metrics of a model on held-out pairs, pair by pair and as means."""

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
from pipeline.training.objective import log_odds_margin, odds_ratio_loss

MEASURES: dict[str, pl.Expr] = {
    "accuracy": pl.col("correct").cast(pl.Float64),
    "log_odds_margin": pl.col("log_odds_margin"),
    "chosen_nll": -pl.col("chosen_logp"),
    "rejected_nll": -pl.col("rejected_logp"),
    "odds_ratio_term": pl.col("odds_ratio_term"),
}
"""What is measured of each pair; a model's metric is its mean over pairs."""

_SCORES = (
    "pair_id",
    "chosen_logp",
    "rejected_logp",
    "log_odds_margin",
    "odds_ratio_term",
    "correct",
    "prompt_tokens",
    "chosen_tokens",
    "rejected_tokens",
)


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
        pair_id, model, chosen_logp, rejected_logp (mean nats per token), log_odds_margin, odds_ratio_term,
        correct, and the token counts, in pair_id order.
    """
    model.eval()
    pairs = sorted(shards, key=lambda pair: (-pair.longest, pair.pair_id))
    batches = [pairs[start : start + batch_pairs] for start in range(0, len(pairs), batch_pairs)]
    rows: list[dict[str, object]] = []
    with packed_attention(model) as fault:
        for part in track(batches, f"score pairs ({name})", total=len(batches), unit="batches"):
            batch = pack(part) if fault is None else pad(part, pad_id)
            rows += _score_batch(model, part, batch, dtype)
    columns = {column: EVALUATED_PAIRS.columns[column].dtype for column in _SCORES}
    return pl.DataFrame(rows, schema=columns).with_columns(model=pl.lit(name)).sort("pair_id")


def _score_batch(
    model: PreTrainedModel, pairs: list[TokenPair], batch: Batch, dtype: str
) -> list[dict[str, object]]:
    with autocast(model.device, "bf16_autocast" if dtype == "bf16" else dtype):
        logps = pair_logps(model, batch.to(model.device))
    margins = log_odds_margin(logps.chosen, logps.rejected)
    terms = odds_ratio_loss(logps.chosen, logps.rejected)
    values = zip(
        pairs, *(each.tolist() for each in (logps.chosen, logps.rejected, margins, terms)), strict=True
    )
    return [
        {
            "pair_id": pair.pair_id,
            "chosen_logp": chosen,
            "rejected_logp": rejected,
            "log_odds_margin": margin,
            "odds_ratio_term": term,
            "correct": margin > 0,
            "prompt_tokens": len(pair.prompt_ids),
            "chosen_tokens": len(pair.chosen_ids),
            "rejected_tokens": len(pair.rejected_ids),
        }
        for pair, chosen, rejected, margin, term in values
    ]


def pair_facts(pairs: pl.DataFrame) -> pl.DataFrame:
    """What slices need to know of each pair beside its scores.

    Args:
        pairs: A split's pairs table.

    Returns:
        pair_id, prompt_id, source, chosen_model, rejected_model, margin, turns (messages of the user).
    """
    users = pl.col("prompt").list.eval(pl.element().struct.field("role") == "user")
    return pairs.select(
        "pair_id",
        "prompt_id",
        "source",
        "chosen_model",
        "rejected_model",
        "margin",
        turns=users.list.sum().cast(pl.Int64),
    )


def summarise_pairs(scored: pl.DataFrame) -> dict[str, float | int]:
    """Means over the pairs of one model.

    Returns:
        Each of :data:`MEASURES` (accuracy: share with a positive margin; NLLs: nats per token, mean over
        pairs; odds_ratio_term: eq. 7), pairs, prompts.
    """
    row = scored.select(
        **{name: measure.mean() for name, measure in MEASURES.items()},
        pairs=pl.len(),
        prompts=pl.col("prompt_id").n_unique(),
    )
    return row.row(0, named=True)
