"""What the sample says of scores, margins and lengths: numbers that decide whether params fit."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from pipeline.pairs.presets import resolve
from pipeline.pairs.scoring import score_completions
from pipeline.params import BinarizeParams
from pipeline.schema import ASPECTS


@dataclass(frozen=True)
class PairFacts:
    """Shares between 0 and 1; None where there is nothing to share.

    Attributes:
        chosen_longer: Of the pairs whose responses differ in length, those whose chosen is the longer.
        responses_chars: Mean characters of chosen and of rejected.
        margins: How many candidate pairs have a margin that is not 0.
        short_margins: Of these, how many are below ``binarize.min_margin``.
        fitting_margin: The largest round minimum that three in four of them reach.
        commonest_score: The score most completions have.
        commonest_share: How many of the scored completions have it.
        has_aspects: Whether half of the completions or more have aspect ratings.
    """

    chosen_longer: float | None
    responses_chars: tuple[float, float] | None
    margins: int
    short_margins: int
    fitting_margin: float | None
    commonest_score: float | None
    commonest_share: float
    has_aspects: bool


def pair_facts(
    params: BinarizeParams, completions: pl.DataFrame, pairs: pl.DataFrame, margins: pl.Series
) -> PairFacts:
    """Look at a sample.

    Args:
        params: The section ``binarize``.
        completions: The completions table of the sample.
        pairs: The pairs that binarize makes of it.
        margins: Of all candidates; see :attr:`~pipeline.inspection.trial.Trial.margins`.
    """
    resolved = resolve(params).params
    chars = pairs.select(pl.col("chosen", "rejected").str.len_chars())
    differ = chars.filter(pl.col("chosen") != pl.col("rejected"))
    apart = margins.filter(margins != 0).abs()
    score, share = _commonest(resolved, completions)
    rated = completions.select(pl.any_horizontal(pl.col(name).is_not_null() for name in ASPECTS))
    return PairFacts(
        chosen_longer=(
            float((differ["chosen"] > differ["rejected"]).sum()) / differ.height if differ.height else None
        ),
        responses_chars=_means(chars),
        margins=apart.len(),
        short_margins=int((apart < resolved.min_margin).sum()),
        fitting_margin=_round_down(apart.quantile(0.25, "lower")),
        commonest_score=score,
        commonest_share=share,
        has_aspects=2 * int(rated.to_series().sum()) >= max(1, completions.height),
    )


def _means(chars: pl.DataFrame) -> tuple[float, float] | None:
    if chars.is_empty():
        return None
    chosen, rejected = chars.mean().row(0)
    return float(chosen), float(rejected)


def _commonest(params: BinarizeParams, completions: pl.DataFrame) -> tuple[float | None, float]:
    scores = score_completions(params, completions)["score"].drop_nulls()
    if scores.is_empty():
        return None, 0.0
    counted = scores.value_counts().sort("count", "score", descending=[True, False])
    return float(counted["score"].item(0)), int(counted["count"].item(0)) / scores.len()


def _round_down(value: float | None) -> float | None:
    """A number with two digits that is not larger; None for none."""
    if value is None:
        return None
    digits = f"{value:.1e}"
    rounded = float(digits)
    if rounded > value:
        step = float(f"1e{int(digits.partition('e')[2]) - 1}")
        rounded = float(f"{rounded - step:.1e}")
    return rounded
