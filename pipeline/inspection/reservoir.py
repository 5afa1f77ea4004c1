"""A sample of rows from a source of any size, held in bounded memory."""

from __future__ import annotations

import polars as pl

from pipeline.schema import COMPLETIONS
from pipeline.texts import content_ids, prompt_keys

_RANK = "_rank"


class Reservoir:
    """The rows whose prompts have the smallest hashes: the sample depends on neither order nor blocks.

    Rows of one prompt have one hash and stay together: responses that are rated in rows of their own can be
    paired, and duplicates are seen, as in the whole.

    Args:
        rows: How many rows are held at most.
    """

    def __init__(self, rows: int) -> None:
        self._most = rows
        self._held = COMPLETIONS.empty().with_columns(pl.lit(None, pl.String).alias(_RANK))
        self._limit: str | None = None
        self.seen = 0
        """Rows that went by."""

    def add(self, completions: pl.DataFrame) -> None:
        """Look at the next rows.

        Args:
            completions: A completions table, each row's completions together.
        """
        self.seen += completions["row_id"].n_unique()
        coming = completions.with_columns(content_ids(prompt_keys(completions["prompt"])).alias(_RANK))
        if self._limit is not None:
            coming = coming.filter(pl.col(_RANK) <= self._limit)
        if coming.height:
            self._held = self._smallest(pl.concat([self._held, coming]))

    def _smallest(self, completions: pl.DataFrame) -> pl.DataFrame:
        rows = completions.select(_RANK, "row_id").unique().sort(_RANK, "row_id")
        if rows.height <= self._most:
            return completions
        kept = rows.head(self._most)
        self._limit = kept[_RANK].item(-1)
        return completions.join(kept.select("row_id"), on="row_id", how="semi", maintain_order="left")

    @property
    def rows(self) -> int:
        """How many rows are held."""
        return self._held["row_id"].n_unique()

    def completions(self) -> pl.DataFrame:
        """The completions of the rows that are held, by the hash of the prompt, then row and place."""
        return self._held.sort(_RANK, "row_id", "completion_index").drop(_RANK)
