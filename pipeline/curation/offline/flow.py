"""Importing a file and reviewing at a terminal, from the queue to the decisions file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from pipeline.curation.annotations import Recorded, read_annotations, record_annotations
from pipeline.curation.blind_pairs import blind_pairs, sent_lines
from pipeline.curation.offline.answers import PLACE, Answers
from pipeline.curation.offline.editor import edit_text
from pipeline.curation.offline.keys import TerminalKeys
from pipeline.curation.offline.review import Review, Reviewed
from pipeline.curation.offline.screen import Screen
from pipeline.curation.offline.sheet_import import import_sheet
from pipeline.curation.sent import append_sent, read_sent, record_path
from pipeline.params import CurateParams
from pipeline.schema import ANNOTATIONS


@dataclass(frozen=True)
class Imported:
    """What came of a file.

    Attributes:
        annotations: What the file says, in its order.
        new: How many of these say something that was not known before.
        recorded: What all annotations come to.
    """

    annotations: pl.DataFrame
    new: int
    recorded: Recorded


def import_file(
    path: Path, params: CurateParams, root: Path = Path(), annotator: str = "", partial: bool = False
) -> Imported:
    """Read an annotated file and write the decisions it comes to; importing it again changes nothing.

    Args:
        path: A .csv or .jsonl file of ``curate export``, filled in.
        params: Section ``curate``.
        root: The project's top folder.
        annotator: Who filled in the rows that name nobody.
        partial: Whether rows of the export may be missing.

    Raises:
        PipelineError: As :func:`~pipeline.curation.offline.sheet_import.import_sheet`, and if a table or the
            decisions file is not valid; nothing is changed then.
        OSError: If a file cannot be written.
    """
    said = import_sheet(path, read_sent(record_path(params, root)), annotator, partial)
    new = news(said, read_annotations(root))
    return Imported(said, new.height, record_annotations(new, params, root))


def news(said: pl.DataFrame, earlier: pl.DataFrame) -> pl.DataFrame:
    """The annotations that are not among the earlier ones, apart from when they were given.

    A file does not tell when a row was filled in; so what it says again keeps its earlier time.

    Args:
        said: The table ANNOTATIONS.
        earlier: Likewise.
    """
    columns = [name for name in ANNOTATIONS.columns if name != "when"]
    return said.join(earlier, on=columns, how="anti", nulls_equal=True, maintain_order="left")


def review_queue(
    queue: pl.DataFrame,
    params: CurateParams,
    keys: TerminalKeys,
    screen: Screen,
    annotator: str,
    root: Path = Path(),
    skipped: bool = False,
) -> tuple[Reviewed, Recorded]:
    """Let one annotator go through the queue at a terminal, and write the decisions it comes to.

    Args:
        queue: A frame with the columns of :data:`~pipeline.schema.QUEUE`.
        params: Section ``curate``.
        keys: The terminal's keys.
        screen: The terminal's screen.
        annotator: Who sits there.
        root: The project's top folder.
        skipped: Whether pairs that were skipped before are asked again.

    Raises:
        PipelineError: If a table, the record of what was sent or the decisions file is not valid.
        OSError: If a file cannot be written.
    """

    def edit(text: str) -> str:
        with keys.lent(), screen.lent():
            return edit_text(text)

    append_sent(record_path(params, root), sent_lines(queue, PLACE))
    answers = Answers(queue, annotator, root)
    review = Review(list(blind_pairs(queue)), answers, screen, keys, edit, skipped)
    with keys.opened(), screen.opened():
        reviewed = review.run()
    return reviewed, record_annotations(ANNOTATIONS.empty(), params, root)
