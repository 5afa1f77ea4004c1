"""Intervals of a model's metrics, the paired difference of two models, and what length alone would score."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from pipeline.evaluation.preference import MEASURES
from pipeline.evaluation.statistics import (
    Clustered,
    Resampling,
    bootstrap_intervals,
    by_cluster,
    share_interval,
    sign_flip_p_value,
)
from pipeline.intervals import Interval
from pipeline.schema import GENERATIONS, GREEDY

Measures = Mapping[str, pl.Expr]

SHARES = ("accuracy", "instruction_success", "choose_longer", "choose_shorter")
"""Measures that are means of 0 and 1, but for ties of length."""

INSTRUCTION_SUCCESS: Measures = {"instruction_success": pl.col("success").cast(pl.Float64)}
"""What is measured of each checked answer."""

_LONGER = (pl.col("chosen_tokens") - pl.col("rejected_tokens")).sign()
LENGTH_CHOICES: Measures = {
    "choose_longer": 0.5 + 0.5 * _LONGER,
    "choose_shorter": 0.5 - 0.5 * _LONGER,
}
"""Whether choosing by length alone is right about a pair; a tie counts half, as a coin would score."""


def intervals(rows: pl.DataFrame, measures: Measures, resampling: Resampling) -> dict[str, dict[str, float]]:
    """95 % intervals of the means of measures, by the bootstrap over prompts.

    A share that is 0 or 1 takes Wilson's interval: resampling cannot show what the rows do not hold.

    Args:
        rows: With prompt_id and what the measures read, in an order of their own ids.
        measures: Name to expression, one number per row.
        resampling: Draws and seed.

    Returns:
        By measure, low and high. Empty for fewer than two prompts, which show no spread.
    """
    data = _clustered(rows, measures)
    if len(data) < 2:
        return {}
    lows, highs = bootstrap_intervals(data, resampling)
    found = {}
    for place, name in enumerate(measures):
        interval = Interval(float(lows[place]), float(highs[place]))
        if name in SHARES and data.means[place] in (0.0, 1.0):
            interval = share_interval(Clustered(data.sums[:, [place]], data.sizes))
        found[name] = interval._asdict()
    return found


def differences(
    first: pl.DataFrame, second: pl.DataFrame, key: list[str], measures: Measures, resampling: Resampling
) -> dict[str, dict[str, float | None]]:
    """How far the means of ``first`` lie above those of ``second`` on the same rows.

    Args:
        first: One model's rows, with prompt_id, the key and what the measures read.
        second: The other's, of the same keys.
        key: Columns that name a row of either.
        measures: Name to expression, one number per row.
        resampling: Draws and seed.

    Returns:
        By measure, difference, low and high (95 %, bootstrap over prompts; None for fewer than two prompts)
        and p_value (:func:`~pipeline.evaluation.statistics.sign_flip_p_value`). Empty without rows.
    """
    both = _measured(first, key, measures).join(
        _measured(second, key, measures), on=["prompt_id", *key], suffix="_second", maintain_order="left"
    )
    if not both.height:
        return {}
    changes = {name: pl.col(name) - pl.col(f"{name}_second") for name in measures}
    data = _clustered(both, changes)
    ends = bootstrap_intervals(data, resampling) if len(data) > 1 else None
    return {
        name: {
            "difference": float(data.means[place]),
            "low": None if ends is None else float(ends[0][place]),
            "high": None if ends is None else float(ends[1][place]),
            "p_value": sign_flip_p_value(data.sums[:, place], resampling),
        }
        for place, name in enumerate(measures)
    }


def compare(
    scored: Mapping[str, pl.DataFrame], answers: Mapping[str, pl.DataFrame], resampling: Resampling
) -> dict[str, dict[str, dict[str, float | None]]]:
    """Every pair of models, each against those before it.

    Args:
        scored: By model, its evaluated pairs.
        answers: By model, its answers to the held-out prompts.
        resampling: Draws and seed.

    Returns:
        ``<model>_vs_<earlier model>`` to :func:`differences` of the pair measures and, where answers were
        checked, of instruction_success; positive where the later model has more.
    """
    key = [name for name in GENERATIONS.key if name not in ("model", "prompt_id")]
    names = list(scored)
    found = {}
    for place, name in enumerate(names):
        for earlier in names[:place]:
            found[f"{name}_vs_{earlier}"] = {
                **differences(scored[name], scored[earlier], ["pair_id"], MEASURES, resampling),
                **differences(
                    checked(answers[name]), checked(answers[earlier]), key, INSTRUCTION_SUCCESS, resampling
                ),
            }
    return found


def checked(answers: pl.DataFrame) -> pl.DataFrame:
    """The greedy answers that code could judge."""
    return answers.filter(pl.col("decoding") == GREEDY, pl.col("success").is_not_null())


def length_baseline(scored: pl.DataFrame, resampling: Resampling) -> dict[str, Any]:
    """What choosing by length alone would score on the same pairs: 0.5 each where length tells nothing.

    Args:
        scored: Any one model's evaluated pairs; lengths are tokens, EOS included.
        resampling: Draws and seed.

    Returns:
        choose_longer and choose_shorter, shares that add up to 1, and their intervals.
    """
    means = scored.select(choice.mean().alias(name) for name, choice in LENGTH_CHOICES.items())
    return {**means.row(0, named=True), "intervals": intervals(scored, LENGTH_CHOICES, resampling)}


def _measured(rows: pl.DataFrame, key: list[str], measures: Measures) -> pl.DataFrame:
    return rows.select("prompt_id", *key, **measures)


def _clustered(rows: pl.DataFrame, measures: Measures) -> Clustered:
    """The measures added up by prompt."""
    values = rows.select(**measures).to_numpy()
    return by_cluster(values, rows["prompt_id"].to_list())
