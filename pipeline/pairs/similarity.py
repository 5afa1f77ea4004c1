"""Every pair of texts whose word n-grams are alike: an exact set-similarity join, none missed, none invented.

Two sets with a Jaccard similarity of t or more share at least t * |x| members. So if each set's members are
sorted by one order that holds for all sets, the two must already share a member among their first |x| -
ceil(t * |x|) + 1. Sorted from the rarest to the most frequent, few sets have these first members in common:
they give few candidates, whose similarity is then computed in full. Members are 64-bit hashes of n-grams;
that two n-grams of one data set share a hash is left out of account.
"""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

JOIN_ROWS = 4_000_000
"""Rows a join of candidates may grow to; it is cut into blocks to keep memory bounded."""

CHECK_ROWS = 50_000
"""Candidates whose sets are compared at once."""

_SLACK = 1e-9  # Float error may lengthen a prefix, which costs time, but never shorten it, which would miss.

_EDGES = {"left": pl.UInt32, "right": pl.UInt32, "similarity": pl.Float64}


def similar_pairs(texts: pl.DataFrame, ngram: int, threshold: float) -> pl.DataFrame:
    """All pairs of texts with a Jaccard similarity of at least ``threshold``.

    Args:
        texts: ``doc`` (UInt32, each once) and ``text``, folded: words are what lies between single spaces.
        ngram: Words per n-gram. A text of fewer words has one member, the whole text.
        threshold: The least similarity, above 0 and at most 1.

    Returns:
        ``left`` and ``right`` (docs, left below right) and ``similarity``, sorted.
    """
    members = word_ngrams(texts, ngram)
    sets = members.group_by("doc").agg(pl.col("gram"), size=pl.len())
    prefixes = _prefixes(members, threshold)
    found = [pl.DataFrame(schema=_EDGES)]
    for block in _blocks(prefixes):
        candidates = _candidates(block, prefixes, threshold)
        found += [_compared(part, sets, threshold) for part in candidates.iter_slices(CHECK_ROWS)]
    return pl.concat(found).sort("left", "right")


def word_ngrams(texts: pl.DataFrame, ngram: int) -> pl.DataFrame:
    """Each text's set of word n-grams.

    Args:
        texts: As for :func:`similar_pairs`.
        ngram: Words per n-gram.

    Returns:
        ``doc`` and ``gram`` (UInt64), each combination once.
    """
    counted = texts.select("doc", "text", words=pl.col("text").str.split(" "))
    is_short = pl.col("words").list.len() < ngram
    words = counted.filter(~is_short).select("doc", "words").explode("words")
    words = words.select("doc", word=pl.col("words").hash())
    gram = pl.struct(pl.col("word").shift(-step).alias(str(step)) for step in range(ngram)).hash()
    # The last n - 1 words of a text begin no n-gram: theirs would reach into the next text.
    grams = words.select("doc", last=pl.col("doc").shift(1 - ngram), gram=gram).filter(
        pl.col("doc") == pl.col("last")
    )
    whole = counted.filter(is_short).select("doc", gram=pl.col("text").hash(seed=ngram))
    return pl.concat([grams.select("doc", "gram"), whole]).unique(maintain_order=True)


def _prefixes(members: pl.DataFrame, threshold: float) -> pl.DataFrame:
    """The first members of each set, rarest first, as many as similar sets need to meet; only shared ones."""
    sized = members.with_columns(
        frequency=pl.len().over("gram"), size=pl.len().over("doc").cast(pl.Int64)
    ).sort("doc", "frequency", "gram")
    needed = (pl.col("size") * threshold - _SLACK).ceil().cast(pl.Int64)
    place = pl.int_range(pl.len()).over("doc")
    placed = sized.with_columns(rest=pl.col("size") - place)
    shared = placed.filter(pl.col("rest") >= needed).filter(pl.col("frequency") > 1)
    return shared.select("doc", "gram", "size", "rest")


def _blocks(prefixes: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """The prefixes in parts, whole sets each, by how many rows their join will have."""
    costs = prefixes.select("doc", cost=pl.len().over("gram")).group_by("doc").agg(pl.col("cost").sum())
    blocks = costs.sort("doc").select("doc", block=pl.col("cost").cum_sum() // JOIN_ROWS)
    for part in prefixes.join(blocks, on="doc", how="left").partition_by("block", maintain_order=True):
        yield part.drop("block")


def _candidates(block: pl.DataFrame, prefixes: pl.DataFrame, threshold: float) -> pl.DataFrame:
    """Pairs of sets that share a member of their prefixes, with members enough from there on to be similar.

    The members before the first one shared are not shared, so what two similar sets have in common lies in
    the rest of both. A pair that meets more than once is let through by its first meeting at the latest.
    """
    joined = block.lazy().join(prefixes.lazy(), on="gram", suffix="_right")
    common = threshold / (1 + threshold) * (pl.col("size") + pl.col("size_right"))
    enough = pl.min_horizontal("rest", "rest_right") >= common - _SLACK
    met = joined.filter(pl.col("doc") < pl.col("doc_right"), enough)
    return met.select(left="doc", right="doc_right").unique().collect()


def _compared(candidates: pl.DataFrame, sets: pl.DataFrame, threshold: float) -> pl.DataFrame:
    """The candidates whose similarity reaches the threshold."""
    both = candidates.join(sets, left_on="left", right_on="doc").join(
        sets, left_on="right", right_on="doc", suffix="_right"
    )
    common = pl.col("gram").list.set_intersection("gram_right").list.len().cast(pl.Int64)
    measured = both.select("left", "right", "size", "size_right", common=common)
    similarity = pl.col("common") / (pl.col("size").cast(pl.Int64) + pl.col("size_right") - pl.col("common"))
    return measured.select("left", "right", similarity=similarity).filter(pl.col("similarity") >= threshold)
