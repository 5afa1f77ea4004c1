"""Annotations kept and turned into decisions: what pulling, importing and reviewing all end with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from pipeline.curation.aggregate import Aggregated, aggregate
from pipeline.curation.decisions import append_decisions
from pipeline.params import CurateParams, project_path
from pipeline.schema import ANNOTATIONS
from pipeline.tables import read_table, write_table
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
    new: pl.DataFrame, texts: pl.DataFrame, params: CurateParams, root: Path = Path()
) -> Recorded:
    """Add annotations to the audit table and write the decisions they come to.

    The same annotations recorded twice change nothing.

    Args:
        new: The table ANNOTATIONS; may be empty.
        texts: As :func:`~pipeline.curation.aggregate.aggregate` takes them.
        params: Of ``curate``.
        root: The project's top folder.

    Raises:
        PipelineError: If ``new`` or the audit table breaks the schema, or the decisions file is not valid.
        OSError: If one of the files cannot be written.
    """
    validate(new, ANNOTATIONS)
    annotations = merge_annotations(read_annotations(root), new)
    aggregated = aggregate(annotations, texts, params)
    write_table(annotations, root / AUDIT, ANNOTATIONS)
    written = append_decisions(root / project_path(params.decisions), aggregated.decisions)
    return Recorded(aggregated, annotations.height, written)


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
