"""The only reader and writer of Parquet: validates against the schema, writes atomically, records lineage.

Files hold no time stamps, rows keep the order they are given, and row groups are cut at fixed numbers of
rows, so equal rows give equal bytes (law 2), however they came: at once or in blocks.

A table larger than memory is read and written in blocks: :func:`read_blocks`, :class:`TableWriter`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import PipelineError
from pipeline.files import atomic_file
from pipeline.schema import Table
from pipeline.table_notes import check_note, lineage_in, note_of
from pipeline.validation import check_columns, validate

ROW_GROUP = 16_384
"""Rows that lie together in a file, and that a block of :func:`read_blocks` has: some 50 MB of pairs."""

DICTIONARY_BYTES = 16 << 20
"""Distinct values of a recurring column in a row group that a dictionary may hold: prompts are long."""


# --- writing --------------------------------------------------------------------------------------------


class TableWriter:
    """A Parquet file (zstd) that takes rows in blocks of any size; :func:`open_table` makes one.

    Attributes:
        rows: How many rows it took so far.
    """

    def __init__(self, path: Path, partial: Path, table: Table, lineage: Mapping[str, Any]) -> None:
        self.rows = 0
        self._path, self._table = path, table
        self._waiting: list[pl.DataFrame] = []
        self._waiting_rows = 0
        self._writer = ThreadPoolExecutor(max_workers=1)
        self._writing: Future[None] | None = None
        schema = table.empty().to_arrow().schema.with_metadata(note_of(table, lineage))
        self._file = pq.ParquetWriter(
            partial,
            schema,
            compression="zstd",
            use_dictionary=_recurring(table, schema),
            dictionary_pagesize_limit=DICTIONARY_BYTES,
        )

    def write(self, frame: pl.DataFrame) -> None:
        """Take rows, in the table's columns.

        Raises:
            PipelineError: If they break the schema.
            OSError: If the file cannot be written.
        """
        validate(frame, self._table, self._path)
        self.rows += frame.height
        self._waiting.append(frame.select(list(self._table.columns)))
        self._waiting_rows += frame.height
        if self._waiting_rows >= ROW_GROUP:
            rows = pl.concat(self._waiting)
            whole = rows.height - rows.height % ROW_GROUP
            for start in range(0, whole, ROW_GROUP):
                self._write_group(rows[start : start + ROW_GROUP])
            self._waiting, self._waiting_rows = [rows[whole:]], rows.height - whole

    def _write_group(self, rows: pl.DataFrame) -> None:
        """Compress and write a row group in the background, one at a time."""
        self._wait()
        self._writing = self._writer.submit(self._write_now, rows)

    def _write_now(self, rows: pl.DataFrame) -> None:
        # Pages end where Arrow's chunks do: one chunk, so that bytes do not tell how the rows came.
        self._file.write_table(rows.rechunk().to_arrow().cast(self._file.schema), row_group_size=ROW_GROUP)

    def _wait(self) -> None:
        if self._writing is not None:
            self._writing.result()

    def close(self, complete: bool) -> None:
        """Write what is still waiting and end the file; leave it unfinished where rows are missing.

        Raises:
            OSError: If it cannot be written.
        """
        try:
            if complete:
                if self._waiting_rows:
                    self._write_group(pl.concat(self._waiting))
                self._wait()
        finally:
            self._writer.shutdown()
            self._file.close()


def _recurring(table: Table, schema: pa.Schema) -> list[str]:
    """The leaves, as Parquet names them, of columns whose values recur."""
    leaves = []
    for name, column in table.columns.items():
        if column.recurs:
            dtype = schema.field(name).type
            fields = (
                [f".list.element.{field.name}" for field in dtype.value_type]
                if pa.types.is_large_list(dtype)
                else [""]
            )
            leaves += [name + field for field in fields]
    return leaves


@contextmanager
def open_table(path: Path, table: Table, lineage: Mapping[str, Any] | None = None) -> Iterator[TableWriter]:
    """A writer whose file appears, whole, at the end of the block; after an error there is none.

    Args:
        path: The file to write.
        table: What it must hold.
        lineage: Facts about where it comes from (JSON-able), kept in the file's metadata.

    Raises:
        OSError: If the file cannot be written.
    """
    with atomic_file(path) as partial:
        writer = TableWriter(path, partial, table, lineage or {})
        complete = False
        try:
            yield writer
            complete = True
        finally:
            writer.close(complete)


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
    with open_table(path, table, lineage) as writer:
        writer.write(frame)


# --- reading --------------------------------------------------------------------------------------------


def read_table(path: Path, table: Table, columns: Sequence[str] | None = None) -> pl.DataFrame:
    """Read a Parquet file and check it against the table.

    Args:
        path: The file.
        table: What it must hold.
        columns: Of the table's columns, those to read; None: all.

    Raises:
        PipelineError: If the file is missing, is not Parquet, or breaks the schema.
    """
    names = list(table.columns if columns is None else columns)
    empty = pl.DataFrame(schema={name: table.columns[name].dtype for name in names})
    frame = pl.concat([empty, *_slices(path, table, names)])
    validate(frame, table, path, names)
    return frame


def read_blocks(
    path: Path, table: Table, columns: Sequence[str] | None = None, whole: str | None = None
) -> Iterator[pl.DataFrame]:
    """Read a Parquet file in blocks of about :data:`ROW_GROUP` rows, each checked against the table.

    Args:
        path: The file.
        table: What it must hold.
        columns: Of the table's columns, those to read; None: all.
        whole: A column whose runs of equal values are never parted between two blocks.

    Raises:
        PipelineError: If the file is missing, is not Parquet, or breaks the schema.
    """
    names = list(table.columns if columns is None else columns)
    blocks = _read_ahead(_slices(path, table, names))
    for block in blocks if whole is None else _with_whole_runs(blocks, whole):
        validate(block, table, path, names)
        yield block


def _with_whole_runs(blocks: Iterator[pl.DataFrame], column: str) -> Iterator[pl.DataFrame]:
    """The same rows, cut only where the column's value changes."""
    held: pl.DataFrame | None = None
    for block in blocks:
        rows = block if held is None else pl.concat([held, block])
        runs = rows[column].rle_id()
        is_last = runs == runs[-1]
        done, held = rows.filter(~is_last), rows.filter(is_last)
        if done.height:
            yield done
    if held is not None:
        yield held


class Blocks(Protocol):
    """Rows of a table that can be gone through block by block, as often as needed."""

    @property
    def rows(self) -> int:
        """How many rows there are."""

    def blocks(
        self, columns: Sequence[str] | None = None, whole: str | None = None
    ) -> Iterator[pl.DataFrame]:
        """The rows in order, as :func:`read_blocks` gives them."""


@dataclass(frozen=True)
class StoredTable:
    """A table in a file: what does not fit in memory is read again instead of kept."""

    path: Path
    table: Table

    @property
    def rows(self) -> int:
        """How many rows the file has."""
        return count_rows(self.path, self.table)

    def blocks(
        self, columns: Sequence[str] | None = None, whole: str | None = None
    ) -> Iterator[pl.DataFrame]:
        """As :func:`read_blocks`."""
        return read_blocks(self.path, self.table, columns, whole)


@dataclass(frozen=True)
class HeldTable:
    """A table in memory, for callers that have it there."""

    frame: pl.DataFrame
    block_rows: int = ROW_GROUP

    @property
    def rows(self) -> int:
        """How many rows the frame has."""
        return self.frame.height

    def blocks(
        self, columns: Sequence[str] | None = None, whole: str | None = None
    ) -> Iterator[pl.DataFrame]:
        """Slices of the frame; nothing is validated."""
        frame = self.frame if columns is None else self.frame.select(columns)
        blocks = frame.iter_slices(self.block_rows)
        return blocks if whole is None else _with_whole_runs(blocks, whole)


def count_rows(path: Path, table: Table) -> int:
    """How many rows a table's file has, by its footer.

    Raises:
        PipelineError: If the file is missing, is not Parquet, or is another table.
    """
    return int(_footer(path, table).num_rows)


def _footer(path: Path, table: Table) -> pq.FileMetaData:
    with _read_faults(path, table):
        footer = pq.read_metadata(path)
    check_note(footer.metadata, table, path)
    return footer


@contextmanager
def _read_faults(path: Path, table: Table) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise PipelineError(
            f"A {table.name} table is missing", file=path, hint="Run `dvc repro`, which makes it"
        ) from error
    except (pa.ArrowException, pl.exceptions.PolarsError, OSError) as error:
        raise PipelineError(
            f"A {table.name} table cannot be read",
            file=path,
            found=str(error),
            expected="a Parquet file",
            hint="Delete it and run `dvc repro`, or restore it with `dvc checkout`",
        ) from error


def _slices(path: Path, table: Table, names: list[str]) -> Iterator[pl.DataFrame]:
    """The file's rows, :data:`ROW_GROUP` at a time, which is one row group of a file written here."""
    footer = _footer(path, table)
    with _read_faults(path, table):
        there = pl.read_parquet_schema(path)
    check_columns(pl.DataFrame(schema=there), table, list(table.columns), path)
    for start in range(0, footer.num_rows, ROW_GROUP):
        with _read_faults(path, table):
            rows = pl.scan_parquet(path, glob=False).select(names).slice(start, ROW_GROUP).collect()
        check_columns(rows, table, names, path)
        yield rows


def _read_ahead(blocks: Iterator[pl.DataFrame]) -> Iterator[pl.DataFrame]:
    """The same blocks, the next one read while the caller works on this one."""
    with ThreadPoolExecutor(max_workers=1) as reader:
        coming = reader.submit(next, blocks, None)
        while (block := coming.result()) is not None:
            coming = reader.submit(next, blocks, None)
            yield block


def read_lineage(path: Path) -> dict[str, Any]:
    """The lineage :func:`write_table` recorded in a file; empty for a file without one.

    Raises:
        PipelineError: If the file is missing or is not Parquet, or what is recorded cannot be read.
    """
    try:
        metadata = pq.read_schema(path).metadata or {}
    except (OSError, pa.ArrowInvalid) as error:
        raise PipelineError(
            "A table cannot be read",
            file=path,
            found=str(error),
            expected="a Parquet file",
            hint="Run `dvc repro`, which makes it, or restore it with `dvc checkout`",
        ) from error
    return lineage_in(metadata, path)
