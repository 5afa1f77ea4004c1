"""Variants side by side, in data/compare: what the report and ``python -m pipeline compare`` show.

- ``pairs.parquet``: :data:`~pipeline.schema.EVALUATED_PAIRS`, one row per variant and held-out pair;
  ``model`` is the variant's name, and base for the base model.
- ``curves.parquet``: variant, metric, step, value. One row per training step and metric, as DVCLive logged
  it; validation passes are metrics named ``validation/<metric>``. Variants that were loaded have none.
- ``summary.json``::

    {"split": "test",              held-out split
     "pairs": 120, "prompts": 118, on which all are measured: those that every variant has
     "against": "sft",             the first variant, which the others are compared with
     "variants": [                 in the order they were named, the base model last
       {"name": "orpo",
        "set": {"train.objective": "orpo"},  what makes it what it is, beside what all share
        "model": null,             the model directory of a variant that was loaded
        "experiment": "orpo-1a2b3c4d",       DVC's name for it; null where it was not trained
        "metrics": {"accuracy": {"value": 0.7, "low": 0.6, "high": 0.8}, ...},
        "difference": {"accuracy": {"difference": 0.1, "low": 0.0, "high": 0.2, "p_value": 0.04}, ...},
        "cost": {"train_seconds": 812.0, "reference_seconds": null, "peak_memory_bytes": 5300000000,
                 "tokens_per_second": 310.0, "steps": 81}}]}

The metrics are accuracy, log_odds_margin, chosen_nll, rejected_nll, odds_ratio_term and, where answers were
checked, instruction_success. ``low`` and ``high`` are a 95 % interval over prompts, null where there are less
than two (:mod:`pipeline.evaluation.comparison`). ``difference`` is this variant minus ``against``, pair by
pair or prompt by prompt, with the p-value of a paired test; it is empty for ``against`` itself. In ``cost``
null is unknown; tokens_per_second is the median step's, train_seconds and peak_memory_bytes are those of
stage train.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl

from pipeline.errors import PipelineError
from pipeline.evaluation.comparison import INSTRUCTION_SUCCESS, Measures, checked, differences, intervals
from pipeline.evaluation.preference import MEASURES
from pipeline.evaluation.statistics import Resampling
from pipeline.evaluation.variant_results import VariantResult
from pipeline.files import atomic_folder, write_json
from pipeline.schema import EVALUATED_PAIRS, GENERATIONS
from pipeline.tables import write_table

_ANSWER_KEY = [name for name in GENERATIONS.key if name != "model"]


def write_comparison(
    folder: Path, results: Sequence[VariantResult], resampling: Resampling
) -> dict[str, Any]:
    """Write the variants side by side; gives what ``summary.json`` says (see the module).

    Args:
        folder: ``data/compare``; replaced whole.
        results: The variants; the first is what the others are compared with.
        resampling: How intervals and p-values are drawn.

    Raises:
        PipelineError: If no pair was scored by all of them.
    """
    results = _on_common_pairs(results)
    summary = summarise(results, resampling)
    with atomic_folder(folder) as new:
        write_table(pl.concat([each.pairs for each in results]), new / "pairs.parquet", EVALUATED_PAIRS)
        pl.concat([each.curves for each in results]).write_parquet(new / "curves.parquet")
        write_json(new / "summary.json", summary)
    return summary


def summarise(results: Sequence[VariantResult], resampling: Resampling) -> dict[str, Any]:
    """What ``summary.json`` says; see the module.

    Args:
        results: Variants measured on the same pairs.
        resampling: How intervals and p-values are drawn.
    """
    first = results[0]
    return {
        "split": first.split,
        "pairs": first.pairs.height,
        "prompts": first.pairs["prompt_id"].n_unique(),
        "against": first.name,
        "variants": [
            {
                "name": each.name,
                "set": dict(each.settings),
                "model": each.model,
                "experiment": each.experiment,
                "metrics": _metrics(each, resampling),
                "difference": {} if each is first else _differences(each, first, resampling),
                "cost": dict(each.cost),
            }
            for each in results
        ],
    }


def _on_common_pairs(results: Sequence[VariantResult]) -> list[VariantResult]:
    """The same results on the pairs and answers that all have: variants may keep other pairs."""
    pairs = _common([each.pairs for each in results], ["pair_id"])
    if not pairs.height:
        raise PipelineError(
            "The variants have no held-out pair in common",
            found=", ".join(f"{each.name}: {each.pairs.height} pairs" for each in results),
            expected="pairs that all were measured on",
            hint="Give all of them the same source and split",
        )
    answers = _common([each.answers for each in results], _ANSWER_KEY)
    return [
        VariantResult(
            **{
                **vars(each),
                "pairs": each.pairs.join(pairs, on="pair_id", how="semi").sort("pair_id"),
                "answers": each.answers.join(answers, on=_ANSWER_KEY, how="semi").sort(_ANSWER_KEY),
            }
        )
        for each in results
    ]


def _common(tables: Sequence[pl.DataFrame], key: list[str]) -> pl.DataFrame:
    """The keys that all tables have."""
    common = tables[0].select(key)
    for table in tables[1:]:
        common = common.join(table, on=key, how="semi")
    return common


def _metrics(each: VariantResult, resampling: Resampling) -> dict[str, dict[str, float | None]]:
    """Mean and interval of each metric that there are rows for."""
    found: dict[str, dict[str, float | None]] = {}
    for rows, measures in _measured(each):
        if rows.height:
            means = rows.select(measure.mean().alias(name) for name, measure in measures.items())
            ends = intervals(rows, measures, resampling)
            for name, value in means.row(0, named=True).items():
                found[name] = {"value": value, "low": None, "high": None, **ends.get(name, {})}
    return found


def _differences(
    each: VariantResult, first: VariantResult, resampling: Resampling
) -> dict[str, dict[str, float | None]]:
    """How far a variant's means lie above the first's, row by row."""
    found: dict[str, dict[str, float | None]] = {}
    keys = (["pair_id"], [name for name in _ANSWER_KEY if name != "prompt_id"])
    for (rows, measures), (others, _), key in zip(_measured(each), _measured(first), keys, strict=True):
        found |= differences(rows, others, key, measures, resampling)
    return found


def _measured(each: VariantResult) -> list[tuple[pl.DataFrame, Measures]]:
    """A variant's pairs and checked answers, each with what is measured on them."""
    return [(each.pairs, MEASURES), (checked(each.answers), INSTRUCTION_SUCCESS)]
