"""What a judge's words say of a response, in the terms of the scores that such words usually come with.

Each word is worth the mean score of the critiques that have it, pulled towards the mean of all scores as if
:data:`PRIOR` more critiques of that score had it too; a critique is worth the mean of its words. A critique's
own score never counts for its own words, so that what its words say is said by the other critiques alone.
"""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from pipeline.tables import Blocks
from pipeline.texts import content_ids

PRIOR = 10.0
"""Critiques of the mean score that are added to those that have a word: rare words say little."""

_COLUMNS = ["row_id", "completion", "overall_score", "critique"]
_WORDS = {"word": pl.String, "total": pl.Float64, "count": pl.UInt32}
_ESTIMATES = {"text_id": pl.String, "said": pl.Float64}


def text_ids(row_ids: pl.Series, texts: pl.Series) -> pl.Series:
    """The id that a completion and a pair's response made of it share; strings without nulls."""
    return content_ids(row_ids, texts)


def critique_scores(completions: Blocks) -> pl.DataFrame:
    """The score that the words of each completion's critique stand for.

    Args:
        completions: The completions table; it is gone through twice.

    Returns:
        text_id (of :func:`text_ids`) and said (in units of the overall score); only completions that have an
        overall score and a critique with words. Empty where the source has no critiques.
    """
    words, total, count = pl.DataFrame(schema=_WORDS), 0.0, 0
    for block in _criticised(completions):
        total += float(block["overall_score"].sum())
        count += block.height
        added = _words(block).group_by("word").agg(total=pl.col("score").sum(), count=pl.len())
        words = pl.concat([words, added]).group_by("word").agg(pl.col("total", "count").sum())
    if not count:
        return pl.DataFrame(schema=_ESTIMATES)
    mean = total / count
    worth = (pl.col("total") - pl.col("score") + PRIOR * mean) / (pl.col("count") - 1 + PRIOR)
    parts = [
        _words(block)
        .join(words, on="word", how="left", maintain_order="left")
        .group_by("text_id", maintain_order=True)
        .agg(said=worth.mean())
        for block in _criticised(completions)
    ]
    # A row may hold the same response twice.
    return pl.concat(parts).unique("text_id", keep="first", maintain_order=True)


def _criticised(completions: Blocks) -> Iterator[pl.DataFrame]:
    """The completions that have text, score and critique, block by block."""
    for block in completions.blocks(_COLUMNS):
        yield block.drop_nulls()


def _words(block: pl.DataFrame) -> pl.DataFrame:
    """text_id, score and word: a row for each different word of each critique."""
    found = block.select(
        score="overall_score",
        text_id=text_ids(block["row_id"], block["completion"]),
        word=pl.col("critique").str.to_lowercase().str.extract_all(r"\p{L}+").list.unique().list.sort(),
    )
    return found.explode("word").drop_nulls("word")
