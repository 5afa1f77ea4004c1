"""The note in a table's file: which table it is, of which version of the schema, and its lineage."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.errors import PipelineError, redacted
from pipeline.files import canonical_json
from pipeline.schema import Table

SCHEMA_VERSION = "2"

NOTE_KEY = b"pipeline"
"""The key of Parquet's metadata that the note stands under."""


def note_of(table: Table, lineage: Mapping[str, Any]) -> dict[bytes, bytes]:
    """The metadata of a table's file, with its lineage (JSON-able)."""
    note = {"table": table.name, "schema_version": SCHEMA_VERSION, "lineage": dict(lineage)}
    # A source may have been named by a URL that holds a password or a token.
    return {NOTE_KEY: redacted(canonical_json(note)).encode()}


def lineage_in(metadata: Mapping[bytes, bytes] | None, path: Path) -> dict[str, Any]:
    """The lineage in a file's metadata; empty for a file without a note.

    Raises:
        PipelineError: If the note cannot be read.
    """
    return dict(_note(metadata, path).get("lineage", {}))


def check_note(metadata: Mapping[bytes, bytes] | None, table: Table, path: Path) -> None:
    """Check that a file is of a table, as the present schema has it; one without a note is taken for it.

    Args:
        metadata: Of the file's footer.
        table: What it should be.
        path: The file, for the error.

    Raises:
        PipelineError: If it is another table or of another version, or the note cannot be read.
    """
    note = _note(metadata, path)
    if not note:
        return
    version = note.get("schema_version")
    if version != SCHEMA_VERSION:
        raise PipelineError(
            f"A {table.name} table is of another version",
            file=path,
            column="schema_version",
            found=str(version),
            expected=SCHEMA_VERSION,
            hint="Run `dvc repro`, which makes it anew",
        )
    if note.get("table") != table.name:
        raise PipelineError(
            "A file is another table than the one that belongs there",
            file=path,
            found=str(note.get("table")),
            expected=table.name,
            hint="Restore it with `dvc checkout`, or delete it and run `dvc repro`",
        )


def _note(metadata: Mapping[bytes, bytes] | None, path: Path) -> dict[str, Any]:
    text = (metadata or {}).get(NOTE_KEY)
    if text is None:
        return {}
    try:
        note = json.loads(text)
        if not isinstance(note, dict) or not isinstance(note.get("lineage"), dict):
            raise ValueError(f"no lineage in {note!r}")
    except ValueError as error:
        raise PipelineError(
            "The note in a table's file cannot be read",
            file=path,
            found=str(error),
            expected="JSON with table, schema_version and lineage",
            hint="Delete it and run `dvc repro`, or restore it with `dvc checkout`",
        ) from error
    return note
