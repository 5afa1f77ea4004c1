"""The only reader and writer of Parquet: validates against the schema, writes atomically, records lineage.

Files hold no time stamps and rows keep the order they are given, so equal frames give equal bytes (law 2).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import PipelineError
from pipeline.files import atomic_file, canonical_json
from pipeline.schema import Table

SCHEMA_VERSION = "1"
_LINEAGE_KEY = b"pipeline"


def validate(frame: pl.DataFrame, table: Table, file: str | Path | None = None) -> None:
    """Check a frame against a table's columns, dtypes, nulls, key and invariants.

    Raises:
        PipelineError: At the first fault, naming the column or rule, what was found and expected, and a row.
    """
    _check_columns(frame, table, file)
    for name, column in table.columns.items():
        if not column.nullable and frame[name].null_count():
            row = int(frame[name].is_null().arg_max() or 0)
            raise PipelineError(
                f"A {table.name} table has a null where none may be",
                file=file,
                row=row + 1,
                column=name,
                found="null",
                expected=column.doc,
            )
    if table.key and frame.height:
        repeated = frame.select(pl.struct(table.key).is_duplicated().alias("repeated"))["repeated"]
        if repeated.any():
            row = int(repeated.arg_max() or 0)
            raise PipelineError(
                f"A {table.name} table names one row twice",
                file=file,
                row=row + 1,
                column=", ".join(table.key),
                found=str(frame.select(table.key).row(row)),
                expected="each key once",
            )
    for rule, expression in table.invariants.items():
        broken = frame.select((~expression()).fill_null(False).alias("broken"))["broken"]
        if broken.any():
            row = int(broken.arg_max() or 0)
            key = frame.select(table.key or frame.columns[:4]).row(row)
            raise PipelineError(
                f"A {table.name} table breaks a rule", file=file, row=row + 1, found=str(key), expected=rule
            )


def _check_columns(frame: pl.DataFrame, table: Table, file: str | Path | None) -> None:
    expected = table.schema()
    for name, dtype in expected.items():
        if name not in frame.columns:
            raise PipelineError(
                f"A {table.name} table lacks a column",
                file=file,
                column=name,
                found=", ".join(frame.columns),
                expected=f"a column of {dtype}: {table.columns[name].doc}",
                hint="Run `dvc repro` to rebuild it",
            )
        if frame.schema[name] != dtype:
            raise PipelineError(
                f"A {table.name} table has a column of the wrong type",
                file=file,
                column=name,
                found=str(frame.schema[name]),
                expected=str(dtype),
                hint="Run `dvc repro` to rebuild it",
            )
    extra = [name for name in frame.columns if name not in expected]
    if extra:
        raise PipelineError(
            f"A {table.name} table has columns it should not",
            file=file,
            column=", ".join(extra),
            expected=", ".join(expected),
        )


def write_table(
    frame: pl.DataFrame, path: Path, table: Table, lineage: Mapping[str, Any] | None = None
) -> None:
    """Validate a frame and write it as Parquet (zstd), atomically, in the table's column order.

    Args:
        frame: The rows.
        path: The file to write.
        table: What it must hold.
        lineage: Facts about where it comes from (JSON-able), kept in the file's metadata.

    Raises:
        PipelineError: If the frame breaks the schema.
        OSError: If the file cannot be written.
    """
    validate(frame, table, path)
    arrow = frame.select(list(table.columns)).to_arrow()
    note = canonical_json(
        {"table": table.name, "schema_version": SCHEMA_VERSION, "lineage": dict(lineage or {})}
    )
    arrow = arrow.replace_schema_metadata({_LINEAGE_KEY: note.encode()})
    with atomic_file(path) as partial:
        pq.write_table(arrow, partial, compression="zstd", row_group_size=65_536)


def read_table(path: Path, table: Table) -> pl.DataFrame:
    """Read a Parquet file and check it against the table.

    Raises:
        PipelineError: If the file is missing, is not Parquet, or breaks the schema.
    """
    try:
        frame = pl.read_parquet(path)
    except FileNotFoundError as error:
        raise PipelineError(
            f"A {table.name} table is missing", file=path, hint="Run `dvc repro`, which makes it"
        ) from error
    except (pl.exceptions.PolarsError, OSError) as error:
        raise PipelineError(
            f"A {table.name} table cannot be read",
            file=path,
            found=str(error),
            expected="a Parquet file",
            hint="Delete it and run `dvc repro`, or restore it with `dvc checkout`",
        ) from error
    validate(frame, table, path)
    return frame.select(list(table.columns))


def read_lineage(path: Path) -> dict[str, Any]:
    """The lineage :func:`write_table` recorded in a file; empty for a file without one.

    Raises:
        PipelineError: If the file is missing or is not Parquet.
    """
    try:
        metadata = pq.read_schema(path).metadata or {}
    except (OSError, pa.ArrowInvalid) as error:
        raise PipelineError(
            "A table cannot be read", file=path, found=str(error), expected="Parquet"
        ) from error
    note = metadata.get(_LINEAGE_KEY)
    return {} if note is None else dict(json.loads(note)["lineage"])
