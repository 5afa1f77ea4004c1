"""Scores, margins and lengths before and after each stage, as quantiles of what it kept and dropped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from pipeline.results import missing
from pipeline.schema import CLUSTERED_PAIRS, COMPLETIONS, PAIRS, SPLIT_PAIRS, SPLITS, Table
from pipeline.validation import check_columns

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
"""The quantiles of a :class:`Spread`."""

MEASURES = {
    "score": "score of a response",
    "margin": "score of chosen minus score of rejected",
    "response_chars": "characters of a response",
    "prompt_chars": "characters of a prompt, all turns",
}
"""What is measured, and in what unit."""

PAIR_STAGES: Mapping[str, tuple[Table, tuple[str, ...]]] = {
    "binarize": (PAIRS, ("pairs",)),
    "filter": (PAIRS, ("pairs",)),
    "decontaminate": (PAIRS, ("pairs",)),
    "dedupe": (CLUSTERED_PAIRS, ("pairs",)),
    "curate": (CLUSTERED_PAIRS, ("pairs",)),
    "split": (SPLIT_PAIRS, SPLITS),
}
"""Stages that write pairs, with their table and its files' names, in the order of the flow."""

_MARGIN_COLUMNS = ("pair_id", "margin", "chosen_score", "rejected_score")


@dataclass(frozen=True)
class Spread:
    """How values lie: their number, their mean, and the values at :data:`QUANTILES` (nearest rank)."""

    count: int
    mean: float
    quantiles: tuple[float, ...]


@dataclass(frozen=True)
class Stage:
    """One stage's rows by measure: those it kept, and those of its input that it did not."""

    stage: str
    kept: Mapping[str, Spread]
    dropped: Mapping[str, Spread]


def read_distributions(root: Path) -> list[Stage]:
    """The measures of every stage that writes completions or pairs, in the order of the flow.

    Texts are measured where they lie and never held; two stages' measures at a time are in memory.

    Raises:
        PipelineError: If a stage's table is missing or has other columns, naming the stage to run.
    """
    stages = [_completions(root)]
    before: pl.DataFrame | None = None
    for stage, (table, names) in PAIR_STAGES.items():
        files = [root / "data" / stage / f"{name}.parquet" for name in names]
        after = pl.concat([_measured_pairs(file, table, stage) for file in files])
        gone = {} if before is None else _spreads(before.join(after, on="pair_id", how="anti"))
        stages.append(Stage(stage, _spreads(after), gone))
        before = after
    return stages


def _completions(root: Path) -> Stage:
    columns = {
        "score": pl.coalesce("overall_score", "fine_grained_score", "named_score"),
        "response_chars": pl.col("completion").str.len_chars().cast(pl.Float64),
        "prompt_chars": _prompt_chars(),
    }
    path = root / "data" / "pull" / "completions.parquet"
    measured = _scan(path, COMPLETIONS, "pull").select(**columns).collect(engine="streaming")
    kept = {name: _spread(measured[name]) for name in columns}
    return Stage("pull", {name: spread for name, spread in kept.items() if spread is not None}, {})


def _measured_pairs(path: Path, table: Table, stage: str) -> pl.DataFrame:
    lengths = {
        f"{side}_chars": pl.col(side).str.len_chars().cast(pl.Float64) for side in ("chosen", "rejected")
    }
    scan = _scan(path, table, stage)
    return scan.select(*_MARGIN_COLUMNS, **lengths, prompt_chars=_prompt_chars()).collect(engine="streaming")


def _prompt_chars() -> pl.Expr:
    content = pl.element().struct.field("content").str.len_chars()
    return pl.col("prompt").list.eval(content).list.sum().cast(pl.Float64)


def _scan(path: Path, table: Table, stage: str) -> pl.LazyFrame:
    if not path.is_file():
        raise missing(path, stage)
    scan = pl.scan_parquet(path, glob=False)
    check_columns(pl.DataFrame(schema=scan.collect_schema()), table, list(table.columns), path)
    return scan


def _spreads(pairs: pl.DataFrame) -> dict[str, Spread]:
    values = {
        "score": pl.concat([pairs["chosen_score"], pairs["rejected_score"]]),
        "margin": pairs["margin"],
        "response_chars": pl.concat([pairs["chosen_chars"], pairs["rejected_chars"]]),
        "prompt_chars": pairs["prompt_chars"],
    }
    spreads = {name: _spread(series) for name, series in values.items()}
    return {name: spread for name, spread in spreads.items() if spread is not None}


def _spread(values: pl.Series) -> Spread | None:
    """How the values lie, null left out; None where there are none."""
    present = values.drop_nulls()
    if present.len() == 0:
        return None
    return Spread(present.len(), float(present.mean()), _quantiles(present))  # type: ignore[arg-type]


def _quantiles(values: pl.Series) -> tuple[float, ...]:
    found: Sequence[float | None] = [values.quantile(share, "nearest") for share in QUANTILES]
    return tuple(float(value) for value in found if value is not None)
