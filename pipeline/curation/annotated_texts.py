"""The texts that annotators saw, for those of their pairs that still have them."""

from __future__ import annotations

import polars as pl

from pipeline.curation.texts_hash import texts_hashes
from pipeline.tables import Blocks

_TEXTS = ["pair_id", "prompt", "chosen", "rejected"]


def annotated_texts(pair_ids: pl.Series, pairs: Blocks) -> pl.DataFrame:
    """The texts of some pairs as they stand now, with their hash; pairs that are gone are not among them.

    An answer about other texts makes a stale decision, so the texts there are now are all that is needed.

    Args:
        pair_ids: The pairs, repeated or not.
        pairs: A table with the columns pair_id, prompt, chosen and rejected.

    Returns:
        pair_id, texts_sha256, chosen and rejected, as :func:`~pipeline.curation.aggregate.aggregate` takes
        them.
    """
    wanted = pair_ids.unique().implode()
    found = [block.filter(pl.col("pair_id").is_in(wanted)) for block in pairs.blocks(_TEXTS)]
    frame = pl.concat(found)
    return frame.with_columns(texts_hashes(frame)).select("pair_id", "texts_sha256", "chosen", "rejected")
