"""The queue as a file for annotators, and the record of having sent it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from pipeline.curation.blind_pairs import blind_pairs, sent_lines
from pipeline.curation.offline.sheet import export_id, export_place, fits_cells, sheet_format, write_sheet
from pipeline.curation.sent import append_sent
from pipeline.errors import PipelineError


@dataclass(frozen=True)
class Exported:
    """What became of a queue.

    Attributes:
        export: The export's id, as each row of the file names it.
        pairs: How many pairs the file holds.
        too_long: Pairs left out of a CSV file because a spreadsheet would cut a text of theirs, by pair_id.
    """

    export: str
    pairs: int
    too_long: tuple[str, ...]


def export_queue(queue: pl.DataFrame, path: Path, record: Path, annotator: str = "") -> Exported:
    """Write the queue to a .csv or .jsonl file, blind, and record in which order the responses stand.

    Exporting the same queue again gives the same file and adds nothing to the record.

    Args:
        queue: A frame with the columns of :data:`~pipeline.schema.QUEUE`.
        path: The file for the annotators.
        record: The record of what was sent, ``curation/sent.jsonl``.
        annotator: Who will fill it in; may be left to them.

    Raises:
        PipelineError: If the name says no format, no pair is left to export, or the record is not valid.
        OSError: If a file cannot be written.
    """
    in_cells = sheet_format(path) == ".csv"
    pairs = list(blind_pairs(queue))
    too_long = tuple(pair.pair_id for pair in pairs if in_cells and not fits_cells(pair))
    kept = [pair for pair in pairs if pair.pair_id not in set(too_long)]
    if not kept:
        raise PipelineError(
            "There is no pair to export",
            file=path,
            found=f"{len(pairs)} pairs in the queue, {len(too_long)} too long for a cell",
            hint="Export to .jsonl, or use `python -m pipeline curate review`"
            if too_long
            else "See the section curate.queue of params.yaml",
        )
    export = export_id(kept)
    sent = sent_lines(queue.filter(~pl.col("pair_id").is_in(too_long)), export_place(export))
    # Recorded first: an export that is not recorded could never be read back.
    append_sent(record, sent)
    write_sheet(path, kept, annotator)
    return Exported(export, len(kept), too_long)
