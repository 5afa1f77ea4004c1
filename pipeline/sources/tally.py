"""What pull counts while rows go by: little is kept of a row, its id."""

from __future__ import annotations

from dataclasses import dataclass, field

import polars as pl

from pipeline.errors import PipelineError
from pipeline.ledger import Ledger, conserve
from pipeline.schema import ASPECTS
from pipeline.sources.faults import BadRow
from pipeline.sources.reading import BlockRecords
from pipeline.sources.row_ids import Repeats
from pipeline.texts import is_blank

FIRST_PER_REASON = 3
"""Bad rows that an error names for each reason."""

_NO_IDS = pl.Series("row_id", [], dtype=pl.String)


@dataclass
class Tally:
    """Counts and ids of raw rows.

    Attributes:
        ledger: The rows that have no completions to give.
        completions: Completions kept.
        na_ratings: Aspect ratings that are null among them.
        empty_responses: Responses among them that are null or blank.
        named_scores: Named scores among them that are not null.
        read_singly: Rows that were read by the strict way.
        bad: Rows that cannot be read, by reason; they are in the ledger.
        groups: Where rows of one response are brought together by their prompts, how many prompts have two
            or more; None elsewhere.
    """

    ledger: Ledger = field(default_factory=lambda: Ledger("pull"))
    completions: int = 0
    na_ratings: int = 0
    empty_responses: int = 0
    named_scores: int = 0
    read_singly: int = 0
    bad: dict[str, int] = field(default_factory=dict)
    _first_bad: dict[str, list[str]] = field(default_factory=dict)
    groups: int | None = None
    _repeats: Repeats = field(default_factory=Repeats)
    _rows: list[pl.Series] = field(default_factory=list)
    _kept: list[pl.Series] = field(default_factory=list)

    @property
    def row_ids(self) -> pl.Series:
        """The ids of all rows, in their order."""
        return pl.concat([_NO_IDS, *self._rows])

    @property
    def rows_kept(self) -> int:
        """How many rows have completions."""
        return sum(ids.len() for ids in self._kept)

    def identified(self, block: BlockRecords, file: str) -> pl.DataFrame:
        """The next block's records that have a completion, with ``row_id`` and ``line``.

        The others go to the ledger. What is kept of these has to be counted (:meth:`count`).

        Args:
            block: The block.
            file: What tables call its file.
        """
        rows = pl.DataFrame({"row_id": self._repeats.row_ids(block.hashes), "line": block.lines})
        self._rows.append(rows["row_id"])
        self.read_singly += block.read_singly
        # Records of one row lie together: the n-th run of equal places is the n-th row.
        records = block.records.hstack(rows[block.records["row"].rle_id()])
        dropped = records.filter(pl.col("reason").is_not_null()).unique("row", maintain_order=True)
        if block.bad:
            dropped = _explained(dropped, block.bad, file)
            self._count_bad(block.bad, file)
        for (reason,), entries in dropped.group_by("reason", maintain_order=True):
            self.ledger.add(str(reason), entries.select("row_id", "detail"))
        if dropped.height:
            records = records.filter(pl.col("reason").is_null())
        return records

    def count(self, records: pl.DataFrame) -> None:
        """Count completions that are kept; their ``row_id`` is still that of the raw row."""
        self._kept.append(records["row_id"].unique(maintain_order=True))
        self.completions += records.height
        self.na_ratings += sum(records[aspect].null_count() for aspect in ASPECTS)
        self.empty_responses += int(records.select(is_blank(pl.col("completion")).sum()).item())
        self.named_scores += records.height - records["named_score"].null_count()

    def _count_bad(self, rows: tuple[BadRow, ...], file: str) -> None:
        for row in rows:
            self.bad[row.reason] = self.bad.get(row.reason, 0) + 1
            first = self._first_bad.setdefault(row.reason, [])
            if len(first) < FIRST_PER_REASON:
                first.append(f"{file} row {row.number}")

    def counts(self) -> dict[str, int]:
        """The counts of the funnel that are pull's own."""
        return {
            "completions": self.completions,
            "na_ratings": self.na_ratings,
            "empty_responses": self.empty_responses,
            "rows_read_singly": self.read_singly,
            **({} if self.groups is None else {"groups": self.groups}),
        }

    def check(self) -> None:
        """Check that every row was kept or dropped, once.

        Raises:
            PipelineError: If not; a fault in the pipeline.
        """
        kept = pl.concat([_NO_IDS, *self._kept])
        conserve("pull", self.row_ids, kept, self.ledger.frame()["row_id"])

    def check_bad_share(self, most: float) -> None:
        """Check that no more rows than allowed could not be read.

        Args:
            most: The largest share of all rows.

        Raises:
            PipelineError: If there are more, with their counts and the first of them by reason.
        """
        rows, bad = self.row_ids.len(), sum(self.bad.values())
        if bad <= most * rows:
            return
        counts = ", ".join(f"{reason} {self.bad[reason]:,}" for reason in sorted(self.bad))
        first = "; ".join(f"{reason}: {', '.join(self._first_bad[reason])}" for reason in sorted(self.bad))
        raise PipelineError(
            "Too many rows cannot be read",
            key="source.max_bad_share",
            found=f"{bad:,} of {rows:,} rows ({bad / rows:.3%}): {counts}",
            expected=f"a share of {most:g} at most",
            hint=f"The first are {first}. Correct them, or source.kind and source.columns, or raise "
            "source.max_bad_share",
        )


def _explained(dropped: pl.DataFrame, rows: tuple[BadRow, ...], file: str) -> pl.DataFrame:
    """Dropped rows with the evidence of those that cannot be read."""
    details = pl.DataFrame(
        {"line": [row.number for row in rows], "evidence": [row.detail(file) for row in rows]},
        schema={"line": pl.Int64, "evidence": pl.String},
    )
    joined = dropped.join(details, on="line", how="left", maintain_order="left")
    return joined.with_columns(pl.coalesce("detail", "evidence").alias("detail")).drop("evidence")
