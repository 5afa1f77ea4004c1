"""Models side by side on the same held-out pairs and prompts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import torch
from transformers import PreTrainedTokenizerFast

from pipeline.errors import PipelineError
from pipeline.evaluation.comparison import (
    INSTRUCTION_SUCCESS,
    checked,
    compare,
    intervals,
    length_baseline,
)
from pipeline.evaluation.diversity import Similarity
from pipeline.evaluation.embedding import load_similarity
from pipeline.evaluation.generation import generate_answers, held_out_prompts, summarise_generations
from pipeline.evaluation.outcomes import compare_outcomes
from pipeline.evaluation.preference import MEASURES, pair_facts, score_pairs, summarise_pairs
from pipeline.evaluation.slices import slice_pairs
from pipeline.evaluation.statistics import Resampling
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
    slices: pl.DataFrame
    generations: pl.DataFrame


def evaluate(
    models: Mapping[str, Path],
    shards: ShardSet,
    pairs: pl.DataFrame,
    params: EvaluateParams,
    trust_remote_code: bool = False,
) -> Evaluation:
    """Measure each model on the same pairs and prompts, and compare them.

    Args:
        models: Name to model directory, e.g. base and trained; each is compared with those before it.
        shards: The held-out split's tokens.
        pairs: The same split's pairs table.
        params: The ``evaluate`` section; its ``models`` are not read: they are in ``models`` or left out.
        trust_remote_code: As in params.

    Returns:
        ``metrics`` has the split; per model accuracy, log_odds_margin, chosen_nll, rejected_nll,
        odds_ratio_term, pairs, prompts, instruction_success, generation and intervals; comparison and
        length_baseline (:mod:`pipeline.evaluation.comparison`).

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
    # All of them before any model runs: a fault in the last should not cost the time of the others.
    tokenizers = {
        name: _fitting_tokenizer(folder, shards, trust_remote_code) for name, folder in models.items()
    }
    similarity = load_similarity(params.embedding_model)
    prompts = held_out_prompts(pairs.filter(pl.col("pair_id").is_in(shards.pair_ids)), params.max_prompts)
    facts = pair_facts(pairs)
    scored: dict[str, pl.DataFrame] = {}
    answered: dict[str, pl.DataFrame] = {}
    for name, folder in models.items():
        scores, answered[name] = _run(
            name, folder, tokenizers[name], shards, prompts, params, trust_remote_code
        )
        joined = scores.join(facts, on="pair_id", how="left", maintain_order="left")
        scored[name] = joined.select(list(EVALUATED_PAIRS.columns))
    metrics = _metrics(scored, answered, similarity, params)
    generations = pl.concat(answered.values()).select(list(GENERATIONS.columns))
    for versus, outcomes in compare_outcomes(generations).items():
        metrics["comparison"][versus] |= outcomes
    return Evaluation(
        metrics,
        pl.concat(scored.values()),
        pl.concat(slice_pairs(rows) for rows in scored.values()),
        generations,
    )


def _fitting_tokenizer(folder: Path, shards: ShardSet, trust_remote_code: bool) -> PreTrainedTokenizerFast:
    """A model's tokenizer, checked against the one that made the shards."""
    tokenizer = load_tokenizer(folder, trust_remote_code)
    check_fingerprints(
        shards.manifest, folder, tokenizer_fingerprint(tokenizer), template_fingerprint(tokenizer)
    )
    return tokenizer


def _run(
    name: str,
    folder: Path,
    tokenizer: PreTrainedTokenizerFast,
    shards: ShardSet,
    prompts: pl.DataFrame,
    params: EvaluateParams,
    trust_remote_code: bool,
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """A model's scores of the pairs and its answers to the prompts; it is in memory no longer than that."""
    model = load_model(folder, trust_remote_code)
    scores = score_pairs(
        model, name, shards, int(tokenizer.pad_token_id), params.batch_pairs, params.score_dtype
    )
    if params.generate_dtype == "bf16":
        # Weights in bf16, not autocast: decoding reads every weight for each token, and would cast each.
        model.to(torch.bfloat16)  # type: ignore[arg-type]
    in_text = shards.manifest["special_tokens_in_text"]
    return scores, generate_answers(model, name, tokenizer, prompts, params, in_text)


def _metrics(
    scored: Mapping[str, pl.DataFrame],
    answered: Mapping[str, pl.DataFrame],
    similarity: Similarity,
    params: EvaluateParams,
) -> dict[str, Any]:
    """What ``metrics/evaluate.json`` holds."""
    resampling = Resampling(params.intervals.resamples, params.intervals.seed)
    metrics: dict[str, Any] = {"split": params.split}
    for name, pairs in scored.items():
        answers = answered[name]
        metrics[name] = {
            **summarise_pairs(pairs),
            **summarise_generations(answers, similarity),
            "intervals": {
                **intervals(pairs, MEASURES, resampling),
                **intervals(checked(answers), INSTRUCTION_SUCCESS, resampling),
            },
        }
    metrics["comparison"] = compare(scored, answered, resampling)
    metrics["length_baseline"] = length_baseline(next(iter(scored.values())), resampling)
    return metrics
