"""What annotators filled in, checked, un-blinded and made annotations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl

from pipeline.curation.offline.sheet import export_place
from pipeline.curation.offline.sheet_checks import SAID, Record, check_rows, is_blank
from pipeline.curation.offline.sheet_rows import SheetRow, read_sheet
from pipeline.curation.sent import Sent, latest_sent
from pipeline.schema import ANNOTATIONS


def import_sheet(
    path: Path,
    record: Sequence[Sent],
    annotator: str = "",
    partial: bool = False,
    when: datetime | None = None,
) -> pl.DataFrame:
    """The annotations in a file of ``curate export``, un-blinded by the record of what was sent.

    A row without a choice, in which something else is filled in, is a draft; one in which nothing is filled
    in gives no annotation.

    Args:
        path: A .csv or .jsonl file, filled in by one or more annotators.
        record: The lines of ``curation/sent.jsonl``.
        annotator: Who filled in the rows that name nobody.
        partial: Whether rows of the export may be missing.
        when: The time of the annotations; None: now.

    Returns:
        The columns of :data:`~pipeline.schema.ANNOTATIONS`, in the order of the file.

    Raises:
        PipelineError: If the file cannot be read or a row has a fault; nothing is imported then.
    """
    rows = [replace(row, annotator=row.annotator.strip() or annotator) for row in read_sheet(path)]
    sent = {place: latest_sent(record, place) for place in {line.where for line in record}}
    check_rows(path, rows, sent, partial)
    moment = when or datetime.now(UTC)
    found = [_annotation(row, sent, moment) for row in rows if not is_blank(row)]
    return pl.DataFrame(found, schema=ANNOTATIONS.schema())


def _annotation(row: SheetRow, record: Record, when: datetime) -> dict[str, Any]:
    place = export_place(row.export)
    sent = record[place][row.pair_id]
    choice = SAID.get(row.choice.strip().casefold())
    return {
        "pair_id": row.pair_id,
        "texts_sha256": sent.texts_sha256,
        "annotator": row.annotator,
        "status": "draft" if choice is None else "submitted",
        "choice": choice,
        "preferred": None if choice is None else sent.unblind(choice),
        "correction": row.correction if row.correction.strip() else None,
        "rating": int(row.rating) if row.rating.strip() else None,
        "note": row.note if row.note.strip() else None,
        "when": when,
        "where": place,
    }
