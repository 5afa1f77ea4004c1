"""What the report reads: every artifact checked for being there before anything is drawn."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from pipeline.errors import PipelineError
from pipeline.files import read_json
from pipeline.lookup import find_rows
from pipeline.report.charts import Series
from pipeline.report.distributions import Stage, read_distributions
from pipeline.report.dropped import borderline
from pipeline.report.examples import extreme_pairs
from pipeline.report.lineage import Commit, Output, read_commit, read_lock
from pipeline.report.token_stats import Lengths, read_lengths
from pipeline.report.variants import Comparison, read_comparison
from pipeline.results import FUNNEL_STAGES, Funnel, Scores, missing, read_funnels, read_metrics, read_scores
from pipeline.runs import Run, read_runs
from pipeline.schema import (
    COMPLETIONS,
    EVALUATED_PAIRS,
    EVALUATED_SLICES,
    GENERATIONS,
    GREEDY,
    LEDGER,
    PAIRS,
    SPLIT_PAIRS,
    SPLITS,
    Table,
)
from pipeline.tables import read_blocks, read_lineage, read_table

_DRAWN = ("source", "margin", "cluster_id", "chosen_model", "rejected_model")


@dataclass(frozen=True)
class Artifacts:
    """Everything the report shows, read once.

    Attributes:
        funnels: Counts of the stages that keep and drop, in the order of the flow.
        scores: Base against trained.
        ledger: Dropped rows of all stages.
        shown: Those of them that are shown.
        splits: Pairs by split, in the columns that are drawn.
        evaluated: One row per held-out pair and model.
        generations: One row per held-out prompt and model.
        completions: The raw completions of the rows that ``shown`` names.
        pairs: The pairs that it names or that these matched, as they were before any was dropped.
        held_out: Held-out pairs with the best and worst margins, with their texts.
        distributions: Scores, margins and lengths by stage.
        response_chars: Lengths of the training pairs' chosen and rejected responses.
        made_margins: Score margins of all pairs that binarize made.
        lengths: Tokens of each training pair, and the longest allowed.
        evaluation: metrics/evaluate.json as it is.
        slices: The evaluation in slices.
        benchmarks: metrics/benchmark.json; empty where no benchmark was run.
        comparison: Variants side by side; None where none were compared.
        training: The last values of the training log.
        curves: Training curves by name; those of validation begin with ``validation/``.
        lineage: Facts about each model, by its name.
        dataset: Where the raw rows came from.
        runs: What each stage's last run cost.
        commit: The project's commit.
        outputs: What dvc.lock says of the artifacts.
    """

    funnels: list[Funnel]
    scores: Scores
    ledger: pl.DataFrame
    shown: pl.DataFrame
    splits: Mapping[str, pl.DataFrame]
    evaluated: pl.DataFrame
    generations: pl.DataFrame
    completions: pl.DataFrame
    pairs: pl.DataFrame
    held_out: pl.DataFrame
    distributions: list[Stage]
    response_chars: Mapping[str, list[int]]
    made_margins: list[float]
    lengths: tuple[Lengths, int]
    evaluation: Mapping[str, Any]
    slices: pl.DataFrame
    benchmarks: Mapping[str, Any]
    comparison: Comparison | None
    training: Mapping[str, Any]
    curves: Mapping[str, Series]
    lineage: Mapping[str, Mapping[str, Any]]
    dataset: Mapping[str, Any]
    runs: Mapping[str, Run]
    commit: Commit
    outputs: list[Output]


def read_artifacts(root: Path) -> Artifacts:
    """Read what the stages wrote under ``root``.

    Raises:
        PipelineError: If an artifact is missing or broken, naming the stage that makes it.
    """
    data, metrics, models = root / "data", root / "metrics", root / "models"
    ledger = pl.concat([_table(data / stage / "ledger.parquet", LEDGER, stage) for stage in FUNNEL_STAGES])
    shown = borderline(ledger)
    scores = read_scores(root)
    evaluated = _table(data / "evaluate" / "pairs.parquet", EVALUATED_PAIRS, "evaluate")
    made = data / "binarize" / "pairs.parquet"
    return Artifacts(
        funnels=read_funnels(root),
        scores=scores,
        ledger=ledger,
        shown=shown,
        splits={
            name: _table(data / "split" / f"{name}.parquet", SPLIT_PAIRS, "split", _DRAWN) for name in SPLITS
        },
        evaluated=evaluated,
        generations=_table(data / "evaluate" / "generations.parquet", GENERATIONS, "evaluate").filter(
            pl.col("decoding") == GREEDY
        ),
        completions=_rows(
            data / "pull" / "completions.parquet", COMPLETIONS, "pull", "row_id", [shown["row_id"]]
        ),
        pairs=_rows(
            made,
            PAIRS,
            "binarize",
            "pair_id",
            [shown["pair_id"], shown["match_id"]],
        ),
        held_out=_rows(
            data / "split" / f"{scores.split}.parquet",
            SPLIT_PAIRS,
            "split",
            "pair_id",
            [extreme_pairs(evaluated)["pair_id"]],
        ),
        distributions=read_distributions(root),
        response_chars=_response_chars(data / "split" / "train.parquet"),
        made_margins=_table(made, PAIRS, "binarize", ("margin",))["margin"].drop_nulls().to_list(),
        lengths=read_lengths(data / "tokenize", "train"),
        evaluation=read_metrics(metrics / "evaluate.json", "evaluate"),
        slices=_table(data / "evaluate" / "slices.parquet", EVALUATED_SLICES, "evaluate"),
        benchmarks=_benchmarks(metrics / "benchmark.json"),
        comparison=read_comparison(data / "compare"),
        training=read_metrics(metrics / "train" / "metrics.json", "train"),
        curves=read_curves(metrics / "train" / "plots" / "metrics"),
        lineage={
            "base": _lineage(models / "base" / "lineage.json", "pull_model"),
            "trained": _lineage(models / "trained" / "lineage.json", "train"),
        },
        dataset=read_lineage(data / "pull" / "completions.parquet"),
        runs=read_runs(data / "runs"),
        commit=read_commit(root),
        outputs=read_lock(root / "dvc.lock"),
    )


def _table(path: Path, table: Table, stage: str, columns: Sequence[str] | None = None) -> pl.DataFrame:
    if not path.is_file():
        raise missing(path, stage)
    return read_table(path, table, columns)


def _response_chars(path: Path) -> dict[str, list[int]]:
    """Characters of each training pair's responses; the texts themselves are not held."""
    if not path.is_file():
        raise missing(path, "split")
    sides = ("chosen", "rejected")
    chars: dict[str, list[int]] = {side: [] for side in sides}
    for block in read_blocks(path, SPLIT_PAIRS, sides):
        for side, counts in chars.items():
            counts += block[side].str.len_chars().to_list()
    return chars


def _benchmarks(path: Path) -> dict[str, Any]:
    """The benchmarks' scores; none where that stage has not run."""
    return read_metrics(path, "benchmark") if path.is_file() else {}


def _rows(path: Path, table: Table, stage: str, column: str, ids: Iterable[pl.Series]) -> pl.DataFrame:
    """The few rows of a large table that hold one of the ids."""
    if not path.is_file():
        raise missing(path, stage)
    wanted = {value for series in ids for value in series.drop_nulls()}
    return find_rows(path, table, column, wanted)


def _lineage(path: Path, stage: str) -> dict[str, Any]:
    try:
        value = read_json(path)
    except FileNotFoundError as error:
        raise missing(path, stage) from error
    except (OSError, json.JSONDecodeError, UnicodeDecodeError) as error:
        raise PipelineError(
            "A lineage file cannot be read",
            file=path,
            found=str(error),
            expected="JSON",
            hint=f"Run `dvc repro --force --single-item {stage}`",
        ) from error
    return value if isinstance(value, dict) else {"lineage": value}


def read_curves(folder: Path) -> dict[str, Series]:
    """Every curve that training logged, by its path under ``folder`` without the suffix.

    Raises:
        PipelineError: If there is no curve at all, or one is not a step and a number per line.
    """
    files = sorted(folder.rglob("*.tsv"))
    if not files:
        raise missing(folder, "train")
    return {file.relative_to(folder).with_suffix("").as_posix(): _curve(file) for file in files}


def _curve(file: Path) -> Series:
    try:
        frame = pl.read_csv(file, separator="\t", infer_schema_length=None)
        (name,) = [column for column in frame.columns if column not in ("step", "timestamp")]
        points = frame.select(pl.col("step").cast(pl.Int64), pl.col(name).cast(pl.Float64)).drop_nulls()
    except (pl.exceptions.PolarsError, ValueError, OSError) as error:
        raise PipelineError(
            "A training curve cannot be read",
            file=file,
            found=str(error),
            expected="a column step and one of numbers, separated by tabs",
            hint="Run `dvc repro --force --single-item train`",
        ) from error
    return points["step"].to_list(), points[name].to_list()
