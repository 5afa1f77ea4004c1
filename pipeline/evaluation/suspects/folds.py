"""Folds for cross-fitting: whole clusters of near-duplicate prompts, and folds of nearly equal size."""

from __future__ import annotations

import polars as pl

from pipeline.texts import content_ids


def assign_folds(pairs: pl.DataFrame, folds: int, seed: int) -> pl.DataFrame:
    """The fold of each pair; near-duplicates share one, so that no fold is scored by a model that saw them.

    Clusters are dealt in the order of a hash of their id, each to the fold with the fewest pairs so far. The
    order of the rows has no say.

    Args:
        pairs: pair_id and cluster_id.
        folds: How many, at least 2.
        seed: Salt of the hash.

    Returns:
        pair_id and fold (int, from 0), in the order of the rows. With fewer clusters than folds the last
        ones are empty.
    """
    clusters = pairs.group_by("cluster_id").len().sort("cluster_id")
    salt = pl.Series([f"fold {seed}"], dtype=pl.String).new_from_index(0, clusters.height)
    clusters = clusters.with_columns(draw=content_ids(salt, clusters["cluster_id"])).sort("draw")
    loads = [0] * folds
    dealt = []
    for size in clusters["len"].to_list():
        fold = loads.index(min(loads))
        loads[fold] += size
        dealt.append(fold)
    folded = clusters.with_columns(fold=pl.Series(dealt, dtype=pl.Int64))
    joined = pairs.join(folded, on="cluster_id", how="left", maintain_order="left")
    return joined.select("pair_id", "fold")
