"""The texts that annotators saw, for those of their pairs that still have them."""

from __future__ import annotations

import polars as pl

from pipeline.curation.texts_hash import texts_hashes
from pipeline.tables import Blocks

SEEN_TEXTS = pl.Schema(dict.fromkeys(("pair_id", "texts_sha256", "chosen", "rejected"), pl.String()))
"""Columns of the texts that annotators saw, as :func:`~pipeline.curation.aggregate.aggregate` takes them."""


def annotated_texts(pair_ids: pl.Series, pairs: Blocks) -> pl.DataFrame:
    """The texts of some pairs as they stand now, with their hash; pairs that are gone are not among them.

    An answer about other texts could only make a stale decision, so the texts there are now will do.

    Args:
        pair_ids: The pairs, repeated or not.
        pairs: A table with the columns pair_id, prompt, chosen and rejected.

    Returns:
        The columns of :data:`SEEN_TEXTS`.
    """
    wanted = pair_ids.unique().implode()
    found = [SEEN_TEXTS.to_frame()]
    for block in pairs.blocks(["pair_id", "prompt", "chosen", "rejected"]):
        some = block.filter(pl.col("pair_id").is_in(wanted))
        found.append(some.with_columns(texts_hashes(some)).select(list(SEEN_TEXTS)))
    return pl.concat(found)
