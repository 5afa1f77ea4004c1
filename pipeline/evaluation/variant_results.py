"""What came of a variant: its rows of the evaluation tables, its training curves, and what it cost."""

from __future__ import annotations

import csv
import statistics
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from pipeline.files import read_json
from pipeline.schema import EVALUATED_PAIRS, GENERATIONS
from pipeline.tables import read_table

CURVES = Path("metrics/train/plots/metrics")
CURVE_SCHEMA = pl.Schema({"variant": pl.String, "metric": pl.String, "step": pl.Int64, "value": pl.Float64})

COST = ("train_seconds", "reference_seconds", "peak_memory_bytes", "tokens_per_second", "steps")
"""What is told of a variant's cost; None where it is not known."""


@dataclass(frozen=True)
class VariantResult:
    """One variant on the held-out pairs and prompts.

    Attributes:
        name: What it is called.
        split: The held-out split it was measured on.
        pairs: Its rows of :data:`~pipeline.schema.EVALUATED_PAIRS`, ``model`` being its name.
        answers: Its rows of :data:`~pipeline.schema.GENERATIONS`, likewise.
        curves: Columns variant, metric, step, value; no rows for a model that was not trained here.
        settings: Dotted keys and values that make it what it is.
        model: The model directory it was loaded from; None if it was trained.
        experiment: The name of its DVC experiment; None if it was not trained.
        cost: By name of :data:`COST`.
        epochs: Passes over the training pairs; None if it was not trained.
    """

    name: str
    split: str
    pairs: pl.DataFrame
    answers: pl.DataFrame
    curves: pl.DataFrame
    settings: Mapping[str, Any] = field(default_factory=dict)
    model: str | None = None
    experiment: str | None = None
    cost: Mapping[str, float | None] = field(default_factory=lambda: dict.fromkeys(COST))
    epochs: int | None = None


def evaluated_rows(root: Path, model: str, name: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    """One model's rows of data/evaluate, under another name: pairs and answers.

    Raises:
        PipelineError: If a table is missing or broken.
    """
    folder = root / "data/evaluate"
    found = []
    for file, table in (("pairs.parquet", EVALUATED_PAIRS), ("generations.parquet", GENERATIONS)):
        rows = read_table(folder / file, table).filter(pl.col("model") == model)
        found.append(rows.with_columns(model=pl.lit(name)))
    return found[0], found[1]


def training_curves(root: Path, name: str) -> pl.DataFrame:
    """The metrics of every training step, and of validation passes as ``validation/<metric>``.

    Returns:
        Columns of :data:`CURVE_SCHEMA`, sorted by metric and step.
    """
    folder = root / CURVES
    rows = []
    for path in sorted(folder.rglob("*.tsv")):
        metric = path.relative_to(folder).with_suffix("").as_posix()
        with path.open(encoding="utf-8", newline="") as handle:
            for row in csv.DictReader(handle, delimiter="\t"):
                rows.append((name, metric, int(row["step"]), float(row[path.stem])))
    return pl.DataFrame(rows, schema=CURVE_SCHEMA, orient="row").sort("metric", "step")


def training_cost(root: Path, curves: pl.DataFrame) -> dict[str, float | None]:
    """What training took, by name of :data:`COST`: of the run that made the artifacts that are there.

    Args:
        root: The project's top folder.
        curves: Of :func:`training_curves`.
    """
    train, reference = (_run(root, stage) for stage in ("train", "reference"))
    speeds = curves.filter(metric="tokens_per_second")["value"].to_list()
    steps = curves.filter(metric="loss")["step"].to_list()
    return {
        "train_seconds": train.get("seconds"),
        "reference_seconds": reference.get("seconds"),
        "peak_memory_bytes": train.get("peak_memory_bytes"),
        # The first steps warm up, and another program may slow one down.
        "tokens_per_second": statistics.median(speeds) if speeds else None,
        "steps": max(steps) if steps else None,
    }


def _run(root: Path, stage: str) -> dict[str, Any]:
    """What was recorded of a stage's last run; empty where nothing was."""
    path = root / "data/runs" / f"{stage}.json"
    return dict(read_json(path)) if path.is_file() else {}
