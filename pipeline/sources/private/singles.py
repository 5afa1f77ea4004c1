"""Rows of one response each, brought together by their prompts: what pairs are made of later.

Bounded memory: rows wait in a :class:`~pipeline.spill.Spill` until all of one prompt are there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import polars as pl

from pipeline.schema import COMPLETIONS
from pipeline.sources.tally import Tally
from pipeline.spill import Spill
from pipeline.texts import content_ids, prompt_keys

ONE_ANSWER = "one_answer_to_its_prompt"
PROMPT_KEY = "prompt_key"
"""What the spill sorts by: a content id of the prompt."""


def grouped(records: Iterable[pl.DataFrame], tally: Tally, spilled: Spill) -> Iterator[pl.DataFrame]:
    """Rows that share a prompt as one row of the completions table each.

    Its ``row_id`` is a hash of its rows' ids, and its completions stand in the order of these: neither
    depends on the order of rows or files, but for which of equal rows is which. File and line stay those of
    each raw row. A prompt with one response only goes to the ledger.

    Args:
        records: Blocks as :meth:`~pipeline.sources.tally.Tally.identified` gives them, with ``file``.
        tally: Takes the counts, and the rows that are alone.
        spilled: An empty one, by :data:`PROMPT_KEY`.

    Yields:
        Completions, in ascending order of the prompts' ids.

    Raises:
        OSError: If the spilled rows cannot be written.
    """
    for block in records:
        spilled.add(block.with_columns(content_ids(prompt_keys(block["prompt"])).alias(PROMPT_KEY)))
    for part in spilled.parts():
        size = pl.len().over(PROMPT_KEY)
        alone = part.filter(size == 1)
        tally.ledger.add(ONE_ANSWER, alone.with_columns(value=pl.lit(1.0), threshold=pl.lit(2.0)))
        together = part.filter(size > 1).sort(PROMPT_KEY, "row_id", "file", "line")
        if together.height:
            tally.count(together)
            tally.groups = (tally.groups or 0) + together[PROMPT_KEY].n_unique()
            yield _as_rows(together).select(list(COMPLETIONS.columns))


def _as_rows(together: pl.DataFrame) -> pl.DataFrame:
    ids = together.group_by(PROMPT_KEY, maintain_order=True).agg(pl.col("row_id").str.join(",").alias("ids"))
    group = together[PROMPT_KEY].rle_id()
    place = pl.int_range(pl.len()).over(PROMPT_KEY).cast(pl.Int32)
    return together.with_columns(
        content_ids(ids["ids"]).gather(group).alias("row_id"), place.alias("completion_index")
    )
