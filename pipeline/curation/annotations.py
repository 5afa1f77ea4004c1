"""Annotations kept and turned into decisions: what pulling, importing and reviewing all end with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from pipeline.curation.aggregate import Aggregated, aggregate
from pipeline.curation.annotated_texts import SEEN_TEXTS, annotated_texts
from pipeline.curation.decisions import append_decisions, read_decisions
from pipeline.curation.json_lines import changing
from pipeline.curation.queue_file import PAIRS_FILE
from pipeline.params import CurateParams, project_path
from pipeline.schema import ANNOTATIONS, CLUSTERED_PAIRS
from pipeline.tables import StoredTable, read_table, write_table
from pipeline.validation import validate

AUDIT = Path("data/annotations/annotations.parquet")
"""Every annotation there has been, under the project's top folder."""


@dataclass(frozen=True)
class Recorded:
    """What came of new annotations.

    Attributes:
        aggregated: What all annotations, earlier ones included, come to.
        annotations: How many annotations the audit table now holds.
        written: Lines written to the decisions file; those that stood there already are not written again.
    """

    aggregated: Aggregated
    annotations: int
    written: int


def record_annotations(
    new: pl.DataFrame, params: CurateParams, root: Path = Path(), seen: pl.DataFrame | None = None
) -> Recorded:
    """Add annotations to the audit table and write the decisions they come to.

    The same annotations recorded twice change nothing. Corrections are edits of the texts there are now, in
    the pairs that stage dedupe wrote, whenever and wherever they were written.

    Args:
        new: The table ANNOTATIONS; may be empty.
        params: Of ``curate``.
        root: The project's top folder.
        seen: Further texts that annotators saw, as :func:`~pipeline.curation.aggregate.aggregate` takes them.

    Raises:
        PipelineError: If ``new``, the audit table or the pairs break their schema, or the decisions file is
            not valid; nothing is written then.
        OSError: If one of the files cannot be written.
    """
    validate(new, ANNOTATIONS)
    with changing(root / AUDIT):
        annotations = merge_annotations(read_annotations(root), new)
        aggregated = aggregate(annotations, _texts(annotations["pair_id"], root, seen), params)
        decisions = root / project_path(params.decisions)
        if decisions.exists():
            read_decisions(decisions)  # One that is not valid stops it before the audit table is written.
        write_table(annotations, root / AUDIT, ANNOTATIONS)
        written = append_decisions(decisions, aggregated.decisions)
    return Recorded(aggregated, annotations.height, written)


def _texts(pair_ids: pl.Series, root: Path, seen: pl.DataFrame | None) -> pl.DataFrame:
    """What is known of the texts of annotated pairs; a pair may stand in it once for each wording."""
    known = [SEEN_TEXTS.to_frame()] if seen is None else [seen.select(list(SEEN_TEXTS))]
    path = root / PAIRS_FILE
    if path.is_file():
        known.append(annotated_texts(pair_ids, StoredTable(path, CLUSTERED_PAIRS)))
    return pl.concat(known)


def read_annotations(root: Path = Path()) -> pl.DataFrame:
    """The audit table; empty where nobody has annotated yet.

    Raises:
        PipelineError: If the file breaks the schema.
    """
    path = root / AUDIT
    return read_table(path, ANNOTATIONS) if path.is_file() else ANNOTATIONS.empty()


def merge_annotations(earlier: pl.DataFrame, new: pl.DataFrame) -> pl.DataFrame:
    """Both, sorted by key; of two with one key the later, and of equally late ones the new.

    Args:
        earlier: The table ANNOTATIONS.
        new: Likewise.
    """
    key = list(ANNOTATIONS.key)
    columns = list(ANNOTATIONS.columns)
    both = pl.concat([earlier.select(columns), new.select(columns)])
    return both.sort([*key, "when"], maintain_order=True).unique(key, keep="last", maintain_order=True)
