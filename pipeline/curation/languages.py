"""The language of a pair, for annotators to filter by: a guess that is only made where it is sure."""

from __future__ import annotations

import polars as pl
from lingua import LanguageDetectorBuilder

from pipeline.texts import conversation

EXCERPT_CHARS = 600
"""Characters of each of a pair's texts that are looked at."""

MIN_LETTERS = 40
"""Letters below which no language is named."""

MIN_CONFIDENCE = 0.9
"""Confidence from which a language is named."""


def pair_languages(pairs: pl.DataFrame) -> pl.Series:
    """The language that prompt and responses are in together, by lingua's small models.

    Args:
        pairs: prompt, chosen and rejected; a few hundred, as each takes some milliseconds.

    Returns:
        ISO 639-1 codes in lower case, named ``language``; null where it is in doubt or the texts are short.
    """
    detector = LanguageDetectorBuilder.from_all_spoken_languages().with_low_accuracy_mode().build()
    parts = [conversation(pl.col("prompt")), pl.col("chosen"), pl.col("rejected")]
    looked_at = pl.concat_str([part.str.head(EXCERPT_CHARS) for part in parts], separator="\n")
    texts = pairs.select(looked_at).to_series()
    long_enough = texts.str.count_matches(r"\p{L}") >= MIN_LETTERS
    values = detector.compute_language_confidence_values_in_parallel(texts.to_list())
    names = [
        found[0].language.iso_code_639_1.name.lower()
        if enough and found and found[0].value >= MIN_CONFIDENCE
        else None
        for found, enough in zip(values, long_enough.to_list(), strict=True)
    ]
    return pl.Series("language", names, dtype=pl.String)
