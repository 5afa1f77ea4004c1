"""A look at the data itself: its kind, its columns, and what its rows say."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from pipeline.authoring.suggestions import Completions, RowFacts, row_facts
from pipeline.errors import PipelineError
from pipeline.files import canonical_json
from pipeline.params import PRIVATE_KINDS, ColumnsParams, SourceParams
from pipeline.sources.fields import Place
from pipeline.sources.jsonl import Row
from pipeline.sources.layout import FIRST_ROWS, Layout, detect_layout, layout_adapter
from pipeline.sources.locate import locate
from pipeline.sources.reading import Adapter, read_rows


@dataclass(frozen=True)
class Findings:
    """What the data is.

    Attributes:
        kind: For ``source.kind``.
        columns: For ``source.columns``, by role; those that were given where others would change the meaning.
        why: The reason for each role's column, in words.
        notes: What else a person should know, a sentence each.
        files: How many files there are.
        rows: How many rows were looked at.
        unread: How many of the rows that were looked at cannot be read so.
        facts: What the others say.
    """

    kind: str
    columns: Mapping[str, str | list[str]]
    why: Mapping[str, str]
    notes: tuple[str, ...]
    files: int
    rows: int
    unread: int
    facts: RowFacts


def look_at(source: SourceParams, kind_is_known: bool) -> Findings:
    """Look at the first rows of the files that params name.

    Args:
        source: Where they are; its columns, where there are any, are taken as they are.
        kind_is_known: Whether ``source.kind`` is to be believed; else it is found, too.

    Raises:
        PipelineError: If a file cannot be had or read, or its fields are not understood.
    """
    files = locate(source).files
    rows = _first_rows(list(files.values()))
    known = source if kind_is_known else source.model_copy(update={"kind": "sample"})
    layout = _layout(rows, known)
    params = source.model_copy(update={"kind": layout.kind})
    parsed, unread = _parsed(rows, layout_adapter(layout, params))
    return Findings(
        kind=layout.kind,
        columns=_columns(layout, rows, params),
        why=dict(layout.why),
        notes=tuple(layout.notes),
        files=len(files),
        rows=len(rows),
        unread=unread,
        facts=row_facts(_compared(parsed, layout.kind)),
    )


def is_private(kind: str | None) -> bool:
    """Whether a kind is one whose fields are found by looking."""
    return kind in PRIVATE_KINDS


def _first_rows(files: Sequence[Path]) -> list[tuple[Place, Row]]:
    """The first rows of each file, as many of all as a layout is found by."""
    each = math.ceil(FIRST_ROWS / max(1, len(files)))
    return [(Place(file, number), row) for file in files for number, row in islice(read_rows(file), each)]


def _layout(rows: Sequence[tuple[Place, Row]], source: SourceParams) -> Layout:
    # Margins that are too small for binarize.min_margin are not noted: init sets that key itself.
    return detect_layout([row for _, row in rows], source, rows[0][0].file, min_margin=0.0)


def _columns(
    layout: Layout, rows: Sequence[tuple[Place, Row]], source: SourceParams
) -> dict[str, str | list[str]]:
    """The columns to write down: those found, if named so they mean the same; else those that were given."""
    given = {role: name for role, name in source.columns.model_dump().items() if name is not None}
    found = {role: name if isinstance(name, str) else list(name) for role, name in layout.fields.items()}
    try:
        columns = ColumnsParams.model_validate(found)
        again = _layout(rows, source.model_copy(update={"columns": columns}))
    except (ValidationError, PipelineError):
        return given
    is_same = (again.fields, again.forms, again.encoded) == (layout.fields, layout.forms, layout.encoded)
    return found if is_same else given


def _parsed(rows: Iterable[tuple[Place, Row]], adapter: Adapter) -> tuple[list[Completions], int]:
    """The completions of each row that has some to compare, and how many rows cannot be read."""
    found: list[Completions] = []
    unread = 0
    for place, row in rows:
        try:
            parsed = adapter.parse(row, place)
        except PipelineError:
            unread += 1
            continue
        if parsed.reason is None:
            found.append(parsed.completions)
    return found, unread


def _compared(rows: Iterable[Completions], kind: str) -> Iterable[Completions]:
    """The completions that will be compared: a row's, or of single responses those to one prompt."""
    if kind != "rated_single":
        return rows
    by_prompt: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for completions in rows:
        for one in completions:
            by_prompt[canonical_json(one["prompt"])].append(one)
    return by_prompt.values()
