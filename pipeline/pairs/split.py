"""Train, validation and test. A cluster of near-duplicate prompts lies on one side, whole."""

from __future__ import annotations

import polars as pl

from pipeline.errors import PipelineError
from pipeline.ledger import Ledger, conserve
from pipeline.params import SplitParams
from pipeline.schema import SPLIT_PAIRS, SPLITS
from pipeline.texts import content_ids, unit_interval


def split(params: SplitParams, pairs: pl.DataFrame) -> tuple[pl.DataFrame, Ledger]:
    """Place every pair by a hash of its cluster, so that adding rows moves none that were there.

    Args:
        params: The section ``split``.
        pairs: The clustered pairs table.

    Returns:
        The split pairs table, sorted by split and pair_id, and the pairs over a split's limit. Of these, the
        ones with the smallest hash stay, so a smaller limit keeps a part of what a larger one keeps.

    Raises:
        PipelineError: If a split that should have pairs has none, or a cluster lies in two splits.
    """
    ledger = Ledger("split")
    placed = pairs.with_columns(_places(params, pairs).alias("split"))
    _check_filled(params, placed)
    kept = _limited(params, placed, ledger).select(list(SPLIT_PAIRS.columns)).sort("split", "pair_id")
    _check_apart(kept)
    conserve("split", pairs["pair_id"], kept["pair_id"], ledger.frame()["pair_id"])
    return kept, ledger


def _hashed(params: SplitParams, salt: str, ids: pl.Series) -> pl.Series:
    seeds = pl.Series([f"{salt} {params.seed}"], dtype=pl.String).new_from_index(0, ids.len())
    return content_ids(seeds, ids)


def _places(params: SplitParams, pairs: pl.DataFrame) -> pl.Series:
    drawn = unit_interval(pl.col("id"))
    place = (
        pl.when(drawn < params.test)
        .then(pl.lit("test"))
        .when(drawn < params.test + params.validation)
        .then(pl.lit("validation"))
        .otherwise(pl.lit("train"))
    )
    return pl.DataFrame({"id": _hashed(params, "cluster", pairs["cluster_id"])}).select(place).to_series()


def _limited(params: SplitParams, placed: pl.DataFrame, ledger: Ledger) -> pl.DataFrame:
    limits = {name: getattr(params, f"max_{name}") for name in SPLITS}
    limit = pl.col("split").replace_strict(limits, return_dtype=pl.Float64)
    ranked = placed.with_columns(_hashed(params, "pair", placed["pair_id"]).alias("draw")).with_columns(
        pl.col("draw").rank("ordinal").over("split").cast(pl.Float64).alias("value"),
        limit.alias("threshold"),
        pl.col("split").alias("detail"),
    )
    over = (pl.col("value") > pl.col("threshold")).fill_null(False)
    ledger.add("over_split_limit", ranked.filter(over))
    return ranked.filter(over.not_())


def _check_filled(params: SplitParams, placed: pl.DataFrame) -> None:
    counts = {name: int((placed["split"] == name).sum()) for name in SPLITS}
    for name in SPLITS:
        wanted = name == "train" or getattr(params, name) > 0
        if wanted and not counts[name]:
            others = "split.validation and split.test" if name == "train" else f"split.{name}"
            raise PipelineError(
                f"The {name} split is empty",
                key="split" if name == "train" else f"split.{name}",
                found=f"{placed.height} pairs in {placed['cluster_id'].n_unique()} clusters: "
                + ", ".join(f"{count} {split}" for split, count in counts.items()),
                expected=f"at least one pair for {name}",
                hint=f"Bring more rows, or change {others} or split.seed in params.yaml",
            )


def _check_apart(kept: pl.DataFrame) -> None:
    """Refuse a cluster on two sides."""
    crossing = kept.group_by("cluster_id").agg(pl.col("split").n_unique()).filter(pl.col("split") > 1)
    if crossing.height:
        raise PipelineError(
            "A cluster of near-duplicate prompts lies in two splits",
            found=str(crossing["cluster_id"].min()),
            expected="each cluster in one split",
            hint="This is a fault in the pipeline; please report it with your params.yaml",
        )
