"""Variants of the training side by side: their scores with intervals, and how their curves part.

It reads data/compare as ``python -m pipeline compare`` writes it: summary.json with a list of variants,
curves.parquet with a row for each variant, metric and step.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from pipeline.errors import PipelineError
from pipeline.report import charts, words
from pipeline.report.evaluation import LABELS, Values, difference_cell, metric_cell
from pipeline.report.grid import Cell, Grid, Head, number
from pipeline.results import read_metrics

CURVE_COLUMNS = ("variant", "metric", "step", "value")
"""Columns of curves.parquet."""

_REDO = "Run `python -m pipeline compare` again"
_COSTS = {
    "train_seconds": ("Training", words.duration),
    "reference_seconds": ("Reference", words.duration),
    "peak_memory_bytes": ("Peak memory", words.size),
}
_SIDES = {"chosen_logp": "chosen", "rejected_logp": "rejected"}


@dataclass(frozen=True)
class Comparison:
    """What ``python -m pipeline compare`` wrote.

    Attributes:
        summary: summary.json as it is.
        curves: Columns :data:`CURVE_COLUMNS`.
    """

    summary: Values
    curves: pl.DataFrame

    @property
    def variants(self) -> list[Values]:
        """The variants in the order they are shown, each with its name, metrics, difference and cost."""
        return list(self.summary["variants"])

    @property
    def against(self) -> str:
        """The variant that the others are compared with."""
        return str(self.summary["against"])


def read_comparison(folder: Path) -> Comparison | None:
    """The comparison in a folder; None where none was made.

    Raises:
        PipelineError: If its files cannot be read.
    """
    summary = folder / "summary.json"
    if not summary.is_file():
        return None
    values = read_metrics(summary, "compare")
    for key, kind in (("variants", list), ("against", str)):
        if not isinstance(values.get(key), kind):
            raise PipelineError(
                "The comparison of variants cannot be read",
                file=summary,
                key=key,
                found=", ".join(values),
                hint=_REDO,
            )
    return Comparison(values, _read_curves(folder / "curves.parquet"))


def _read_curves(path: Path) -> pl.DataFrame:
    try:
        curves = pl.read_parquet(path, columns=list(CURVE_COLUMNS))
    except (OSError, pl.exceptions.PolarsError) as error:
        raise PipelineError(
            "The variants' curves cannot be read",
            file=path,
            found=str(error),
            expected=f"the columns {', '.join(CURVE_COLUMNS)}",
            hint=_REDO,
        ) from error
    return curves


def variant_grid(comparison: Comparison) -> Grid:
    """One row per variant: its metrics with their intervals, the difference in accuracy, and what it cost."""
    variants = comparison.variants
    metrics = [name for name in LABELS if any(name in variant["metrics"] for variant in variants)]
    costs = [name for name in _COSTS if any(_cost(variant, name) is not None for variant in variants)]
    columns = [Head("Variant"), *(Head(LABELS[name], True) for name in metrics)]
    columns.append(Head(f"Accuracy less {comparison.against}'s", True))
    columns += [Head(_COSTS[name][0], True) for name in costs] + [Head("Tokens/s", True)]
    rows = []
    for place, variant in enumerate(variants):
        settings = ", ".join(f"{key}={value}" for key, value in (variant.get("set") or {}).items())
        rows.append(
            [
                Cell(str(variant["name"]), float(place), settings or str(variant.get("model") or "")),
                *(metric_cell(as_model(variant), metric) for metric in metrics),
                difference_cell((variant.get("difference") or {}).get("accuracy"), "accuracy"),
                *(_cost_cell(_cost(variant, cost), cost) for cost in costs),
                number(_cost(variant, "tokens_per_second"), 0),
            ]
        )
    return Grid(columns, rows)


def as_model(variant: Values) -> dict[str, Any]:
    """A variant's metrics laid out as a model's in metrics/evaluate.json: the intervals apart."""
    metrics: Mapping[str, Values] = variant["metrics"]
    return {**{name: found["value"] for name, found in metrics.items()}, "intervals": dict(metrics)}


def _cost(variant: Values, name: str) -> float | None:
    value = (variant.get("cost") or {}).get(name)
    return None if value is None else float(value)


def _cost_cell(value: float | None, name: str) -> Cell:
    return Cell(words.DASH) if value is None else Cell(_COSTS[name][1](value), value)


def variant_charts(curves: pl.DataFrame) -> list[charts.Chart]:
    """For each variant the log-probability of chosen and rejected, on one scale (paper, figure 3)."""
    shown = curves.filter(pl.col("metric").is_in(list(_SIDES))).drop_nulls().sort("step", maintain_order=True)
    if shown.height == 0:
        return []
    limits = (float(str(shown["value"].min())), float(str(shown["value"].max())))
    drawn = []
    for name in curves["variant"].unique(maintain_order=True):
        rows = shown.filter(pl.col("variant") == name)
        lines = {label: _series(rows.filter(pl.col("metric") == metric)) for metric, label in _SIDES.items()}
        title = f"Log-probability under {name}"
        drawn.append(
            charts.curves(title, lines, {}, "Mean per token, on one scale for all variants.", limits)
        )
    return [chart for chart in drawn if chart is not None]


def _series(rows: pl.DataFrame) -> charts.Series:
    return rows["step"].to_list(), rows["value"].to_list()
