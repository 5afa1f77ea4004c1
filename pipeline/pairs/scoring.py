"""The score that ranks a completion, and UltraFeedback's 10s that were meant to be 1s.

UltraFeedback records some overall scores of 1 as 10. The mean of the aspect ratings tells them apart: nobody
who rates a response 2 or less on every aspect gives it a 10. A 10 whose mean lies between 2 and 4 could be
either.
"""

from __future__ import annotations

import polars as pl

from pipeline.params import BinarizeParams
from pipeline.schema import ASPECTS
from pipeline.texts import is_blank

SUSPECT = 10.0
"""The overall score that may be a 1."""

CERTAINLY_ONE = 2.0
"""At and below this mean of ratings, a 10 was a 1."""

CERTAINLY_TEN = 4.0
"""At and above this mean of ratings, a 10 is a 10."""


def score_completions(params: BinarizeParams, completions: pl.DataFrame) -> pl.DataFrame:
    """Completions with the columns that pairing asks for.

    ``score`` is what ranks the completion, null where there is none. On a row the source itself paired
    (``label``) it is the given score as it stands: repair and choice of score are for completions that are
    still to be ranked. ``repaired`` marks a 10 taken as a 1, ``undecidable`` a 10 set aside, ``blank`` a
    response of nothing but whitespace, ``usable`` a completion that has a score and a response.
    """
    overall = pl.col("overall_score")
    by_name = {
        "overall": overall,
        "fine_grained": pl.col("fine_grained_score"),
        "aspect_mean": pl.mean_horizontal(ASPECTS),
    }
    labelled = pl.col("label").is_not_null()
    repaired, undecidable = _repair(params)
    repairs = (params.score == "overall") & labelled.not_()
    marked = completions.with_columns(
        repaired=(repairs & repaired).fill_null(False),
        undecidable=(repairs & undecidable).fill_null(False),
        blank=is_blank(pl.col("completion")),
    )
    ranked = (
        pl.when("repaired")
        .then(1.0)
        .when("undecidable")
        .then(None)
        .when(labelled)
        .then(overall)
        .otherwise(by_name[params.score])
    )
    scored = marked.with_columns(score=ranked)
    return scored.with_columns(usable=pl.col("score").is_not_null() & pl.col("blank").not_())


def _repair(params: BinarizeParams) -> tuple[pl.Expr, pl.Expr]:
    """Which completions' overall scores are a 1, and which are set aside; null where there are no ratings."""
    fine = pl.col("fine_grained_score")
    suspect = pl.col("overall_score") == SUSPECT
    one, doubtful = suspect & (fine <= CERTAINLY_ONE), suspect & (fine < CERTAINLY_TEN)
    if params.overall_repair == "by_fine_grained":
        return one, doubtful & one.not_()
    return pl.lit(False), doubtful if params.overall_repair == "drop" else pl.lit(False)


def count_scores(params: BinarizeParams, completions: pl.DataFrame) -> dict[str, int]:
    """How many completions pairing could not use as they stand, for the stage's metrics.

    ``unscored_completions`` have no score in the source, ``repaired_scores`` were taken as 1,
    ``undecidable_scores`` were set aside, ``blank_completions`` have no response.
    """
    scored = score_completions(params, completions)
    counted = scored.select(
        completions=pl.len(),
        unscored_completions=(pl.col("score").is_null() & pl.col("undecidable").not_()).sum(),
        repaired_scores=pl.col("repaired").sum(),
        undecidable_scores=pl.col("undecidable").sum(),
        blank_completions=pl.col("blank").sum(),
    )
    return {name: int(count) for name, count in counted.row(0, named=True).items()}
