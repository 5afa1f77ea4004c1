"""Base and trained model side by side on the same held-out pairs and prompts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import torch

from pipeline.errors import PipelineError
from pipeline.evaluation.embedding import load_similarity
from pipeline.evaluation.generation import generate_answers, held_out_prompts, summarise_generations
from pipeline.evaluation.outcomes import compare_outcomes
from pipeline.evaluation.preference import score_pairs, summarise_pairs
from pipeline.params import EvaluateParams
from pipeline.schema import EVALUATED_PAIRS, GENERATIONS
from pipeline.tokens.manifest import check_fingerprints
from pipeline.tokens.shards import ShardSet
from pipeline.tokens.tokenizer import load_tokenizer, template_fingerprint, tokenizer_fingerprint
from pipeline.training.model import load_model


@dataclass(frozen=True)
class Evaluation:
    """Metrics by model, and the tables they are taken from."""

    metrics: dict[str, Any]
    pairs: pl.DataFrame
    generations: pl.DataFrame


def evaluate(
    models: Mapping[str, Path],
    shards: ShardSet,
    pairs: pl.DataFrame,
    params: EvaluateParams,
    trust_remote_code: bool = False,
) -> Evaluation:
    """Measure each model on the same pairs and prompts.

    Args:
        models: Name to model directory, e.g. base and trained.
        shards: The held-out split's tokens.
        pairs: The same split's pairs table.
        params: The ``evaluate`` section.
        trust_remote_code: As in params.

    Returns:
        ``metrics`` has the split and, per model, accuracy, instruction_success, log_odds_margin, chosen_nll,
        rejected_nll, pairs, prompts and generation; and ``comparison``, with the outcomes against base.

    Raises:
        PipelineError: If there are no pairs, a model, tokenizer or embedding model cannot be loaded, or the
            shards were made with another tokenizer or template than a model's.
    """
    if not len(shards):
        raise PipelineError(
            f"Split {params.split} has no pairs to evaluate",
            key=f"split.{params.split}",
            found="0 pairs",
            expected="at least one held-out pair",
            hint=f"Raise split.{params.split} in params.yaml",
        )
    prompts = held_out_prompts(pairs.filter(pl.col("pair_id").is_in(shards.pair_ids)), params.max_prompts)
    facts = pairs.select("pair_id", "prompt_id", "source", "margin")
    similarity = load_similarity(params.embedding_model)
    metrics: dict[str, Any] = {"split": params.split}
    scored: list[pl.DataFrame] = []
    answered: list[pl.DataFrame] = []
    for name, folder in models.items():
        tokenizer = load_tokenizer(folder, trust_remote_code)
        check_fingerprints(
            shards.manifest, folder, tokenizer_fingerprint(tokenizer), template_fingerprint(tokenizer)
        )
        model = load_model(folder, trust_remote_code)
        scores = score_pairs(
            model, name, shards, int(tokenizer.pad_token_id), params.batch_pairs, params.score_dtype
        ).join(facts, on="pair_id", how="left", maintain_order="left")
        if params.generate_dtype == "bf16":
            # Weights in bf16, not autocast: decoding reads every weight for each token, and would cast each.
            model.to(torch.bfloat16)  # type: ignore[arg-type]
        answers = generate_answers(model, name, tokenizer, prompts, params)
        metrics[name] = {**summarise_pairs(scores), **summarise_generations(answers, similarity)}
        scored.append(scores.select(list(EVALUATED_PAIRS.columns)))
        answered.append(answers)
        del model
    generations = pl.concat(answered).select(list(GENERATIONS.columns))
    metrics["comparison"] = compare_outcomes(generations)
    return Evaluation(metrics, pl.concat(scored), generations)
