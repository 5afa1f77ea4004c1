"""One pair per prompt: exact and near duplicates of a prompt leave; the rest is clustered for the split.

Pairs are taken from the largest margin down; a pair leaves if its prompt is a duplicate of one already kept.
So every dropped pair is similar to the pair it names, kept pairs are never similar to each other, and a
second run drops nothing. Clusters are wider: they join prompts through chains of duplicates, dropped ones
too, so that a chain never lies on both sides of a split.
"""

from __future__ import annotations

import polars as pl

from pipeline.ledger import Ledger, conserve
from pipeline.pairs.similarity import similar_pairs
from pipeline.params import DedupeParams
from pipeline.schema import CLUSTERED_PAIRS
from pipeline.texts import content_ids, conversation, fold


def dedupe(params: DedupeParams, pairs: pl.DataFrame) -> tuple[pl.DataFrame, Ledger]:
    """Keep one pair of each set of duplicate prompts.

    Prompts are compared by the texts of all their turns, folded (letter case, width, whitespace). Of
    duplicates the pair with the largest margin stays, one without a margin last, then the one with the
    smallest pair_id.

    Args:
        params: The section ``dedupe``.
        pairs: The pairs table.

    Returns:
        The clustered pairs table, sorted by pair_id, and the duplicates, each with the pair it duplicates and
        the similarity to it.
    """
    ranked = _ranked(pairs)
    texts = ranked.filter(pl.col("rank") == pl.col("doc")).select("doc", "text")
    edges = similar_pairs(texts, params.ngram, params.threshold)
    fates = ranked.join(duplicates(edges), on="doc", how="left", maintain_order="left")
    is_exact = pl.col("kept").is_null() & (pl.col("rank") != pl.col("doc"))
    judged = fates.with_columns(
        exact=is_exact,
        kept=pl.when(is_exact).then("doc").otherwise("kept"),
        value=pl.when(is_exact).then(1.0).otherwise("similarity"),
        cluster_id=_cluster_ids(ranked, edges),
    )
    names = ranked.select(pl.col("rank").alias("kept"), pl.col("pair_id").alias("match_id"))
    dropped = judged.join(names, on="kept", how="inner").with_columns(threshold=pl.lit(params.threshold))
    ledger = Ledger("dedupe")
    ledger.add("exact_duplicate_prompt", dropped.filter("exact"))
    ledger.add("near_duplicate_prompt", dropped.filter(pl.col("exact").not_()))
    kept = judged.filter(pl.col("kept").is_null()).select(list(CLUSTERED_PAIRS.columns)).sort("pair_id")
    conserve("dedupe", pairs["pair_id"], kept["pair_id"], ledger.frame()["pair_id"])
    return kept, ledger


def _ranked(pairs: pl.DataFrame) -> pl.DataFrame:
    """Pairs with their place in the order of preference, and as ``doc`` the best of the same text."""
    ordered = pairs.sort("margin", "pair_id", descending=[True, False], nulls_last=True)
    numbered = ordered.with_columns(
        pl.int_range(pl.len(), dtype=pl.UInt32).alias("rank"),
        fold(conversation(pl.col("prompt"))).alias("text"),
    )
    return numbered.with_columns(pl.col("rank").min().over("text").alias("doc"))


def duplicates(edges: pl.DataFrame) -> pl.DataFrame:
    """Which texts leave: from the smallest number up, a text leaves if it is similar to one already kept.

    Args:
        edges: ``left``, ``right`` and ``similarity`` of similar texts, left below right.

    Returns:
        ``doc`` of each text that leaves; ``kept``, of the kept texts before it the most similar one; and
        ``similarity`` between the two.
    """
    gone = pl.Series("right", [], dtype=pl.UInt32)
    undecided = edges.select("left", "right")
    while undecided.height:
        # A text that is no other's right has nothing left before it that could make it leave.
        heads = undecided["left"].filter(~undecided["left"].is_in(undecided["right"].implode()))
        leaving = undecided.filter(pl.col("left").is_in(heads.implode()))["right"].unique()
        gone = pl.concat([gone, leaving])
        decided = pl.concat([heads, leaving]).implode()
        undecided = undecided.filter(
            ~pl.col("left").is_in(decided), ~pl.col("right").is_in(leaving.implode())
        )
    found = edges.filter(pl.col("right").is_in(gone.implode()), ~pl.col("left").is_in(gone.implode()))
    best = found.sort("right", "similarity", "left", descending=[False, True, False])
    return best.unique("right", keep="first", maintain_order=True).select(
        "similarity", doc="right", kept="left"
    )


def components(edges: pl.DataFrame) -> pl.DataFrame:
    """Texts joined by chains of similarity.

    Args:
        edges: ``left`` and ``right``.

    Returns:
        ``doc`` of each text that has an edge, and ``root``, the smallest text it is joined to.
    """
    steps = pl.concat([edges.select("left", "right"), edges.select(left="right", right="left")])
    roots = steps.select(doc="left").unique().with_columns(root="doc")
    while True:
        near = steps.join(roots, left_on="right", right_on="doc").group_by("left").agg(pl.col("root").min())
        nearer = roots.join(near, left_on="doc", right_on="left", suffix="_near").select(
            "doc", root=pl.min_horizontal("root", "root_near")
        )
        # A root's own root is nearer still; taking it halves the length of every chain.
        nearer = nearer.join(nearer.rename({"doc": "root", "root": "far"}), on="root").select(
            "doc", root="far"
        )
        if nearer.sort("doc").equals(roots.sort("doc")):
            return roots
        roots = nearer


def _cluster_ids(ranked: pl.DataFrame, edges: pl.DataFrame) -> pl.Series:
    """An id per pair, the same for all pairs whose prompts are joined by a chain of duplicates.

    It is made of the smallest prompt_id, not of pairs: other responses to the same prompts stay in their
    split.
    """
    roots = ranked.join(components(edges), on="doc", how="left", maintain_order="left")
    least = roots.select(pl.col("prompt_id").min().over(pl.coalesce("root", "doc"))).to_series()
    return content_ids(least).alias("cluster_id")
