"""Tables of the evaluation that have changed their form, or may be absent."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from pipeline.errors import PipelineError

SLICE_COLUMNS = (
    "model",
    "slice",
    "value",
    "pairs",
    "accuracy",
    "accuracy_low",
    "accuracy_high",
    "log_odds_margin",
)
"""Columns of data/evaluate/slices.parquet that are shown."""


def greedy(generations: pl.DataFrame) -> pl.DataFrame:
    """The greedy answers: one per prompt and model."""
    return (
        generations.filter(pl.col("decoding") == "greedy")
        if "decoding" in generations.columns
        else generations
    )


def read_slices(path: Path) -> pl.DataFrame | None:
    """The evaluation in slices; None where evaluate cut none.

    Raises:
        PipelineError: If the file cannot be read or lacks a column.
    """
    if not path.is_file():
        return None
    try:
        return pl.read_parquet(path, columns=list(SLICE_COLUMNS))
    except (OSError, pl.exceptions.PolarsError) as error:
        raise PipelineError(
            "The slices of the evaluation cannot be read",
            file=path,
            found=str(error),
            expected=f"the columns {', '.join(SLICE_COLUMNS)}",
            hint="Run `dvc repro --force --single-item evaluate`",
        ) from error
