"""Which response of a pair is the chosen one, turned round."""

from __future__ import annotations

import polars as pl

MARGINS = ("margin", "aspect_margin")
"""Columns whose sign says which response is the better one."""

_SIDES = (("chosen", "rejected"), ("rejected", "chosen"))


def swap_labels(pairs: pl.DataFrame, where: pl.Expr) -> pl.DataFrame:
    """The pairs with chosen and rejected exchanged on some rows: texts, scores, models, and margins turned.

    The pair_id, which is of the unordered two responses, stays. So does ``conflict``: a swap turns the order
    of the overall scores and that of the aspect ratings round alike.

    Args:
        pairs: A pairs table, further columns allowed.
        where: Which rows; must not be null.
    """
    exchanged = [
        pl.when(where)
        .then(pl.col(f"{other}{part}"))
        .otherwise(pl.col(f"{side}{part}"))
        .alias(f"{side}{part}")
        for side, other in _SIDES
        for part in ("", "_score", "_model")
    ]
    turned = [pl.when(where).then(-pl.col(name)).otherwise(pl.col(name)).alias(name) for name in MARGINS]
    return pairs.with_columns(*exchanged, *turned)
