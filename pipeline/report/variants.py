"""Variants of the training side by side: their scores with intervals, and how their curves part."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from pipeline.errors import PipelineError
from pipeline.report import charts, words
from pipeline.report.evaluation import LABELS, Values, metric_cell
from pipeline.report.grid import Cell, Grid, Head
from pipeline.results import read_metrics

_REDO = "Run `python -m pipeline compare` again"
_COST = {"seconds": words.duration, "peak_memory_bytes": words.size}
_SIDES = {"chosen_logp": "chosen", "rejected_logp": "rejected"}


@dataclass(frozen=True)
class Comparison:
    """What ``python -m pipeline compare`` wrote.

    Attributes:
        variants: Metrics by variant, laid out as a model's in metrics/evaluate.json.
        curves: Columns variant, step, and one for each curve.
    """

    variants: Mapping[str, Values]
    curves: pl.DataFrame


def read_comparison(folder: Path) -> Comparison | None:
    """The comparison in a folder; None where none was made.

    Raises:
        PipelineError: If its files cannot be read.
    """
    summary, curves = folder / "summary.json", folder / "curves.parquet"
    if not summary.is_file():
        return None
    values = read_metrics(summary, "compare")
    found = values.get("variants", values)
    variants = {name: value for name, value in found.items() if isinstance(value, dict)}
    return Comparison(variants, _read_curves(curves) if curves.is_file() else pl.DataFrame())


def _read_curves(path: Path) -> pl.DataFrame:
    try:
        curves = pl.read_parquet(path)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise PipelineError("The variants' curves cannot be read", file=path, found=str(error), hint=_REDO) from error
    absent = [name for name in ("variant", "step") if name not in curves.columns]
    if absent:
        raise PipelineError(
            "The variants' curves lack a column",
            file=path,
            column=absent[0],
            found=", ".join(curves.columns),
            hint=_REDO,
        )
    return curves.sort("variant", "step", maintain_order=True)


def variant_grid(variants: Mapping[str, Values]) -> Grid:
    """One row per variant, its metrics with their intervals in the columns, and what it cost."""
    metrics = [name for name in LABELS if any(name in values for values in variants.values())]
    costs = [name for name in _COST if any(name in values for values in variants.values())]
    columns = [Head("Variant"), *(Head(LABELS[name], True) for name in metrics)]
    columns += [Head(words.title(name).capitalize(), True) for name in costs]
    rows = [
        [
            Cell(name, float(place)),
            *(metric_cell(values, metric) for metric in metrics),
            *(_cost_cell(values.get(cost), cost) for cost in costs),
        ]
        for place, (name, values) in enumerate(variants.items())
    ]
    return Grid(columns, rows)


def _cost_cell(value: Any, cost: str) -> Cell:
    return Cell(words.DASH) if value is None else Cell(_COST[cost](float(value)), float(value))


def variant_charts(curves: pl.DataFrame) -> list[charts.Chart]:
    """For each variant the log-probability of chosen and rejected over its steps, on one scale (paper, fig. 3)."""
    if not {"variant", "step", *_SIDES} <= set(curves.columns):
        return []
    values = pl.concat([curves[name] for name in _SIDES]).drop_nulls()
    limits = (float(str(values.min())), float(str(values.max()))) if values.len() else None
    drawn = []
    for name in curves["variant"].unique(maintain_order=True):
        rows = curves.filter(pl.col("variant") == name)
        lines = {label: _series(rows, column) for column, label in _SIDES.items()}
        title = f"Log-probability under {name}"
        drawn.append(charts.curves(title, lines, {}, "Mean per token, on the scale of its neighbours.", limits))
    return [chart for chart in drawn if chart is not None]


def _series(rows: pl.DataFrame, column: str) -> tuple[list[int], list[float]]:
    points = rows.select("step", column).drop_nulls()
    return points["step"].to_list(), points[column].to_list()

