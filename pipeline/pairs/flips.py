"""Label noise put in on purpose: chosen and rejected change places in a share of the training pairs.

After the split, so that what is measured on held-out pairs is measured against the labels as they were. A
share of 0.5 makes the labels say nothing (shuffled labels); smaller ones are noise experiments.
"""

from __future__ import annotations

import polars as pl

from pipeline.labels import swap_labels
from pipeline.params import SplitParams
from pipeline.schema import FLIPPED_PAIRS
from pipeline.texts import content_ids, unit_interval


def flip_labels(params: SplitParams, pairs: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The pairs with the labels of some training pairs swapped, and which those are.

    What is drawn for a pair depends on ``split.seed`` and its pair_id alone, so that a smaller share swaps a
    part of what a larger one swaps, and other rows change nothing.

    Args:
        params: The section ``split``.
        pairs: Some or all of the split pairs.

    Returns:
        The pairs in their order, and rows of :data:`~pipeline.schema.FLIPPED_PAIRS`.
    """
    if params.flip_train == 0.0:
        return pairs, FLIPPED_PAIRS.empty()
    salt = pl.Series([f"flip {params.seed}"], dtype=pl.String).new_from_index(0, pairs.height)
    drawn = pairs.with_columns(content_ids(salt, pairs["pair_id"]).alias("draw"))
    drawn = drawn.with_columns(unit_interval(pl.col("draw")).alias("draw"))
    is_flipped = (pl.col("split") == "train") & (pl.col("draw") < params.flip_train)
    flipped = drawn.filter(is_flipped).select(list(FLIPPED_PAIRS.columns))
    return swap_labels(drawn, is_flipped).select(pairs.columns), flipped
