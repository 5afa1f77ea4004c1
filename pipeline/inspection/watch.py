"""Rows while they go by: what is counted for pull, and beside it which rows are at fault."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import polars as pl

from pipeline.inspection.findings import MOST_ERRORS, Defect, RowError
from pipeline.ledger import Ledger
from pipeline.sources.faults import BadRow
from pipeline.sources.reading import BlockRecords
from pipeline.sources.tally import Tally

FIRST = 5
"""Rows that are named of each defect."""

_AT_LABEL = "Name that value under source.labels (first, second or tie), or correct the row"
_AT_ROW = (
    "Correct or take out the row; source.on_bad_row: drop leaves such rows out, source.max_bad_share of them"
)


@dataclass
class _PlacedLedger(Ledger):
    """A ledger that remembers where the first entries of each reason stand, where they say so."""

    places: dict[str, list[tuple[str, int]]] = field(default_factory=dict)

    def add(self, reason: str, dropped: pl.DataFrame) -> None:
        """As :meth:`~pipeline.ledger.Ledger.add`."""
        super().add(reason, dropped)
        if {"file", "line"} <= set(dropped.columns):
            self.note(reason, list(dropped.select("file", "line").head(FIRST).iter_rows()))

    def note(self, reason: str, places: Sequence[tuple[str, int]]) -> None:
        """Remember places, until there are enough of them."""
        first = self.places.setdefault(reason, [])
        first += places[: FIRST - len(first)]


@dataclass
class Watch(Tally):
    """As pull's own tally, with the places of the rows that it would drop.

    Attributes:
        errors: Rows that cannot be read, the first :data:`~pipeline.inspection.findings.MOST_ERRORS`.
        labels: The fields that are read as the label, if any: what to do about their values is told.
    """

    ledger: _PlacedLedger = field(default_factory=lambda: _PlacedLedger("pull"))
    errors: list[RowError] = field(default_factory=list)
    labels: frozenset[str] = frozenset()
    _rows_of: dict[str, int] = field(default_factory=dict)

    def identified(self, block: BlockRecords, file: str) -> pl.DataFrame:
        """As :meth:`~pipeline.sources.tally.Tally.identified`."""
        self._rows_of[file] = self._rows_of.get(file, 0) + block.lines.len()
        for bad in block.bad[: max(0, MOST_ERRORS - len(self.errors))]:
            self.errors.append(self._error(bad, file))
        rows = block.records.select("row", "reason").unique("row", maintain_order=True)
        dropped = rows.with_columns(block.lines.alias("line")).filter(pl.col("reason").is_not_null())
        for (reason,), at in dropped.group_by("reason", maintain_order=True):
            self.ledger.note(str(reason), [(file, line) for line in at["line"].head(FIRST).to_list()])
        return super().identified(block, file)

    def rows_of(self, file: str) -> int:
        """How many rows of a file went by."""
        return self._rows_of.get(file, 0)

    def defects(self) -> list[Defect]:
        """What was dropped, by reason; the most first."""
        counts = sorted(self.ledger.counts().items(), key=lambda item: (-item[1], item[0]))
        return [Defect(reason, rows, tuple(self.ledger.places.get(reason, ()))) for reason, rows in counts]

    def _error(self, bad: BadRow, file: str) -> RowError:
        hint = _AT_LABEL if bad.column in self.labels else _AT_ROW
        return RowError(bad.reason, bad.problem, file, bad.number, bad.column, bad.found, bad.expected, hint)
