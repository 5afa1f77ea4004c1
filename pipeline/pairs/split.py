"""Train, validation and test. A cluster of near-duplicate prompts lies on one side, whole."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from pipeline.errors import PipelineError
from pipeline.ledger import Ledger, conserve
from pipeline.params import SplitParams
from pipeline.schema import CLUSTERED_PAIRS, SPLIT_PAIRS, SPLITS
from pipeline.tables import Blocks, HeldTable
from pipeline.texts import content_ids, unit_interval

_THIN = ["pair_id", "row_id", "cluster_id"]
_HELD_OUT = ("test", "validation")


def split(params: SplitParams, pairs: pl.DataFrame) -> tuple[pl.DataFrame, Ledger]:
    """The split pairs, sorted by split and pair_id, and the ledger of the pairs over a split's limit.

    Args:
        params: The section ``split``.
        pairs: The clustered pairs table.

    Raises:
        PipelineError: As :func:`split_blocks`.
    """
    ledger = Ledger("split")
    placed = list(split_blocks(params, HeldTable(pairs), ledger))
    return pl.concat([SPLIT_PAIRS.empty(), *placed]).sort("split", "pair_id"), ledger


def split_blocks(params: SplitParams, source: Blocks, ledger: Ledger) -> Iterator[pl.DataFrame]:
    """Every pair with its split, block by block, in their order; placed by a hash of its cluster.

    A share (below 1) claims a range of hashes, so adding rows moves no pair that was there. A range that no
    cluster falls into, of few rows, takes the first cluster of train, if there are two. A count takes
    the clusters no share claims, in the order of their hashes, test before validation, until the next would
    make it too many: at most that many pairs. Adding rows then moves only the clusters at its edge.

    Args:
        params: The section ``split``.
        source: The clustered pairs table.
        ledger: Takes the pairs over a split's limit. The ones with the smallest hash stay, so a smaller
            limit keeps a part of what a larger one keeps.

    Raises:
        PipelineError: If a split that should have pairs has none, or a cluster lies in two splits.
    """
    thin = pl.concat([CLUSTERED_PAIRS.empty().select(_THIN), *source.blocks(_THIN)])
    placed = thin.with_columns(_places(params, thin["cluster_id"]).alias("split"))
    _check_apart(placed)
    _check_filled(params, placed)
    is_kept = _within_limits(params, placed, ledger)
    conserve("split", thin["pair_id"], thin["pair_id"].filter(is_kept), ledger.frame()["pair_id"])
    start = 0
    for block in source.blocks():
        here = slice(start, start + block.height)
        yield (
            block.with_columns(placed["split"][here]).filter(is_kept[here]).select(list(SPLIT_PAIRS.columns))
        )
        start += block.height


def _hashed(params: SplitParams, salt: str, ids: pl.Series) -> pl.Series:
    seeds = pl.Series([f"{salt} {params.seed}"], dtype=pl.String).new_from_index(0, ids.len())
    return content_ids(seeds, ids)


def _places(params: SplitParams, cluster_ids: pl.Series) -> pl.Series:
    """The split of each pair."""
    clusters = cluster_ids.value_counts(name="pairs")
    clusters = clusters.with_columns(_hashed(params, "cluster", clusters["cluster_id"]).alias("hash"))
    ordered = clusters.sort("hash", "cluster_id").with_columns(split=pl.lit("train"))
    drawn, claimed = unit_interval(pl.col("hash")), 0.0
    for name in _HELD_OUT:
        share = getattr(params, name)
        if share < 1:
            inside = (drawn >= claimed) & (drawn < claimed + share)
            ordered = ordered.with_columns(
                pl.when(inside).then(pl.lit(name)).otherwise("split").alias("split")
            )
            claimed += share
    for name in _HELD_OUT:
        count = getattr(params, name)
        if count >= 1:
            is_free = (drawn >= claimed) & (pl.col("split") == "train")
            so_far = pl.when(is_free).then("pairs").otherwise(0).cum_sum()
            inside = is_free & (so_far <= count)
            ordered = ordered.with_columns(
                pl.when(inside).then(pl.lit(name)).otherwise("split").alias("split")
            )
    ordered = _none_empty(params, ordered)
    placed = cluster_ids.to_frame().join(ordered, on="cluster_id", how="left", maintain_order="left")
    return placed["split"]


def _none_empty(params: SplitParams, clusters: pl.DataFrame) -> pl.DataFrame:
    """The clusters, in the order of their hashes, with one for each share that none fell to."""
    for name in _HELD_OUT:
        in_train = (clusters["split"] == "train").arg_true()
        if 0 < getattr(params, name) < 1 and name not in clusters["split"] and in_train.len() > 1:
            is_first = pl.int_range(pl.len()) == in_train[0]
            clusters = clusters.with_columns(
                pl.when(is_first).then(pl.lit(name)).otherwise("split").alias("split")
            )
    return clusters


def _within_limits(params: SplitParams, placed: pl.DataFrame, ledger: Ledger) -> pl.Series:
    """Whether each pair is within its split's limit; the others go to the ledger."""
    limits = {name: getattr(params, f"max_{name}") for name in SPLITS}
    limit = pl.col("split").replace_strict(limits, return_dtype=pl.Float64)
    ranked = placed.with_columns(_hashed(params, "pair", placed["pair_id"]).alias("draw")).with_columns(
        pl.col("draw").rank("ordinal").over("split").cast(pl.Float64).alias("value"),
        limit.alias("threshold"),
        pl.col("split").alias("detail"),
    )
    is_over = ranked.select((pl.col("value") > pl.col("threshold")).fill_null(False)).to_series()
    ledger.add("over_split_limit", ranked.filter(is_over))
    return ~is_over


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


def _check_apart(placed: pl.DataFrame) -> None:
    """Refuse a cluster on two sides."""
    crossing = placed.group_by("cluster_id").agg(pl.col("split").n_unique()).filter(pl.col("split") > 1)
    if crossing.height:
        raise PipelineError(
            "A cluster of near-duplicate prompts lies in two splits",
            found=str(crossing["cluster_id"].min()),
            expected="each cluster in one split",
            hint="This is a fault in the pipeline; please report it with your params.yaml",
        )
