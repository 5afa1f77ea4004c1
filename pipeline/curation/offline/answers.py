"""One annotator's answers at the terminal: kept in the audit table, written anew after every key."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl

from pipeline.curation.annotations import AUDIT, read_annotations
from pipeline.curation.blinding import unblind
from pipeline.curation.json_lines import changing
from pipeline.schema import ANNOTATIONS
from pipeline.tables import write_table

PLACE = "review"
"""What annotations and the record of what was sent call the terminal."""

Row = dict[str, Any]


class Answers:
    """What one annotator said, and what they have been asked already.

    Args:
        queue: A frame with the columns of :data:`~pipeline.schema.QUEUE`, in whose order A and B are shown.
        annotator: Who sits at the terminal.
        root: The project's top folder.
    """

    def __init__(self, queue: pl.DataFrame, annotator: str, root: Path = Path()) -> None:
        shown = queue.select("pair_id", "texts_sha256", "first").iter_rows(named=True)
        self._shown = {row["pair_id"]: row for row in shown}
        self._annotator, self._root = annotator, root

    def open_pairs(self, skipped: bool = False) -> list[str]:
        """Pairs of the queue that the annotator has not answered, here or elsewhere, in the queue's order.

        Args:
            skipped: Whether those they skipped are open again.
        """
        done = ["submitted"] if skipped else ["submitted", "discarded"]
        answered = self._own().filter(pl.col("status").is_in(done)).select("pair_id", "texts_sha256")
        pairs = set(answered.iter_rows())
        return [id for id, row in self._shown.items() if (id, row["texts_sha256"]) not in pairs]

    def corrections(self) -> dict[str, str]:
        """Corrections that were written at the terminal and wait for a choice, by pair_id."""
        drafts = self._own().filter((pl.col("status") == "draft") & (pl.col("where") == PLACE))
        texts = drafts.select("pair_id", "texts_sha256", "correction").drop_nulls().iter_rows()
        return {
            id: correction
            for id, texts_sha256, correction in texts
            if id in self._shown and self._shown[id]["texts_sha256"] == texts_sha256
        }

    def save(self, pair_id: str, status: str, choice: str | None, correction: str | None) -> Row | None:
        """Write an answer, in place of an earlier one on the same pair.

        Args:
            pair_id: A pair of the queue.
            status: submitted, draft, or discarded for a pair that is skipped.
            choice: A, B, tie or both_bad; None unless submitted.
            correction: A better response, or None.

        Returns:
            The answer there was before, for :meth:`put_back`; None where there was none.

        Raises:
            PipelineError: If the audit table breaks the schema.
            OSError: If it cannot be written; it is then as it was.
        """
        shown = self._shown[pair_id]
        row = {
            **self._key(pair_id),
            "status": status,
            "choice": choice,
            "preferred": None if choice is None else unblind(choice, shown["first"]),
            "correction": correction,
            "when": datetime.now(UTC),
        }
        return self._replace(self._key(pair_id), row)

    def put_back(self, pair_id: str, before: Row | None) -> None:
        """Make the answer on a pair what it was before, or none."""
        self._replace(self._key(pair_id), before)

    def _key(self, pair_id: str) -> Row:
        return {
            "pair_id": pair_id,
            "texts_sha256": self._shown[pair_id]["texts_sha256"],
            "annotator": self._annotator,
            "where": PLACE,
        }

    def _own(self) -> pl.DataFrame:
        return read_annotations(self._root).filter(pl.col("annotator") == self._annotator)

    def _replace(self, key: Mapping[str, str], row: Row | None) -> Row | None:
        path = self._root / AUDIT
        with changing(path):
            # Read anew each time: an import, or another's review, may have added to the table meanwhile.
            table = read_annotations(self._root)
            is_it = pl.all_horizontal(pl.col(name) == value for name, value in key.items())
            before = table.filter(is_it).to_dicts()
            new = pl.DataFrame([] if row is None else [row], schema=ANNOTATIONS.schema())
            after = pl.concat([table.remove(is_it), new]).sort(list(ANNOTATIONS.key))
            write_table(after, path, ANNOTATIONS)
        return before[0] if before else None
