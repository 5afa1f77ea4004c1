"""The queue in words: what was chosen, and why."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl
from rich.table import Table
from rich.text import Text

from pipeline.errors import shorten
from pipeline.texts import conversation

PROMPT_CHARS = 60


def shares_table(rows: pl.DataFrame, wished: Mapping[str, int], weights: Mapping[str, float]) -> Table:
    """How many pairs each strategy chose, of how many it had to offer.

    Args:
        rows: Of :data:`~pipeline.schema.QUEUE`.
        wished: Pairs each strategy had to offer.
        weights: Of the strategies that were asked.
    """
    table = Table(title=f"{rows.height} pairs in the queue")
    for heading in ("strategy", "weight", "had", "chose", "alone"):
        table.add_column(heading, justify="left" if heading == "strategy" else "right")
    for name, had in wished.items():
        chose = pl.col("reasons").list.contains(name)
        alone = chose & (pl.col("reasons").list.len() == 1)
        counts = rows.select(chose.sum().alias("chose"), alone.sum().alias("alone")).row(0)
        table.add_row(name, f"{weights[name]:g}", f"{had:,}", *(f"{count:,}" for count in counts))
    return table


def pairs_table(rows: pl.DataFrame) -> Table:
    """The pairs with the reasons for which they were chosen."""
    table = Table(title="First in the queue")
    for heading in ("pair_id", "why", "margin", "suspicion", "prompt"):
        table.add_column(heading, justify="right" if heading in {"margin", "suspicion"} else "left")
    told = rows.with_columns(asked=conversation(pl.col("prompt")))
    for row in told.iter_rows(named=True):
        numbers = ["-" if row[name] is None else f"{row[name]:.2f}" for name in ("margin", "suspicion")]
        # Text, so that brackets in a prompt are not read as markup.
        prompt = Text(shorten(row["asked"], PROMPT_CHARS))
        table.add_row(row["pair_id"], ", ".join(row["reasons"]), *numbers, prompt)
    return table
