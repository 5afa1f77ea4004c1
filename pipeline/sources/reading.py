"""Raw files to records, block by block: the fast way where it is sure of a row, the strict way elsewhere.

Blocks are parsed by a few threads at once and handed on in their order. A row that cannot be read stops the
reading, or, with ``on_bad="drop"``, becomes a record with a reason, as a row without completions does, and is
described in :attr:`BlockRecords.bad`: so all bad rows of a file can be listed without stopping at any.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import polars as pl

from pipeline.errors import PipelineError
from pipeline.sources.arrow_blocks import arrow_blocks
from pipeline.sources.blocks import BLOCK_BYTES, Block, Typed
from pipeline.sources.csv_blocks import csv_blocks
from pipeline.sources.faults import BadRow, RowFault
from pipeline.sources.fields import Parsed, Place
from pipeline.sources.formats import format_of
from pipeline.sources.json_blocks import json_blocks
from pipeline.sources.jsonl import Row
from pipeline.sources.line_blocks import line_blocks
from pipeline.sources.parquet_blocks import parquet_blocks
from pipeline.sources.raw_files import check_file, no_rows
from pipeline.sources.row_ids import content_hashes
from pipeline.sources.shapes import RECORDS, Shape
from pipeline.workers import map_in_order

OnBad = Literal["error", "drop"]
"""What to do with a row that cannot be read: stop at it, or describe it and go on."""


@dataclass(frozen=True)
class Adapter:
    """How one kind of source is read.

    Attributes:
        parse: Reads one raw row; raises PipelineError where the row does not have the kind's shape.
        shapes: What can be read a block at a time.
        by_prompt: Whether a row is one response, and rows that share a prompt belong together.
    """

    parse: Callable[[Row, Place], Parsed]
    shapes: tuple[Shape, ...]
    by_prompt: bool = False


@dataclass(frozen=True)
class BlockRecords:
    """What a block of raw rows says.

    Attributes:
        records: In the order of the rows; see :data:`~pipeline.sources.shapes.RECORDS`.
        hashes: The content id of each row, in order.
        lines: The number of each row in the file, in order.
        read_singly: How many rows were read by the strict way.
        done: How much of the file has been read; see :attr:`Block.done`.
        bad: The rows that cannot be read, in order. Each has a record too, with its reason; its id is made
            of its raw bytes.
    """

    records: pl.DataFrame
    hashes: pl.Series
    lines: pl.Series
    read_singly: int
    done: int
    bad: tuple[BadRow, ...] = ()


def blocks_of(path: Path, shapes: tuple[Shape, ...] = (), block_bytes: int = BLOCK_BYTES) -> Iterator[Block]:
    """A raw file in blocks, as its name says what it is.

    Args:
        path: A file whose name ends in one of :data:`~pipeline.sources.formats.EXTENSIONS`.
        shapes: What the rows may be read as; decides what is read of a Parquet file.
        block_bytes: About how much text is in a block.

    Raises:
        PipelineError: If the file is missing, of another kind, cut off or damaged.
    """
    check_file(path)
    match format_of(path).kind:
        case "parquet":
            yield from parquet_blocks(path, shapes)
        case "arrow":
            yield from arrow_blocks(path)
        case "json":
            yield from json_blocks(path, block_bytes)
        case "csv" | "tsv":
            yield from csv_blocks(path, block_bytes)
        case "jsonl":
            yield from line_blocks(path, block_bytes)


def read_rows(path: Path) -> Iterator[tuple[int, Row]]:
    """A file's rows in order, strictly and one by one, each with its number from 1.

    It is the line in JSON Lines, CSV and TSV (that on which the row begins), the row in other formats.

    Raises:
        PipelineError: If the file is missing, empty, cut off, of another kind, or a row cannot be read; with
            the file, the row and what was found there.
    """
    is_empty = True
    for block in blocks_of(path):
        for place, number in enumerate(block.numbers):
            row = block.row(place)
            if row is not None:
                is_empty = False
                yield int(number), row
    if is_empty:
        raise no_rows(path)


def readable_rows(path: Path) -> Iterator[tuple[int, Row]]:
    """As :func:`read_rows`, without the rows that cannot be read: the others tell what a source is.

    Raises:
        PipelineError: If the file is missing, empty, cut off or of another kind, or none of its rows can be
            read; then what is wrong with the first.
    """
    first: PipelineError | None = None
    is_empty = True
    for block in blocks_of(path):
        for place, number in enumerate(block.numbers):
            try:
                row = block.row(place)
            except RowFault as error:
                first = first or error
                continue
            if row is not None:
                is_empty = False
                yield int(number), row
    if is_empty:
        raise first or no_rows(path)


def read_file(
    path: Path, adapter: Adapter, block_bytes: int = BLOCK_BYTES, on_bad: OnBad = "error"
) -> Iterator[BlockRecords]:
    """A file's records in order, block by block.

    Args:
        path: The file.
        adapter: How its rows are read.
        block_bytes: About how much text is read at once.
        on_bad: What to do with a row that cannot be read. Damage to the file itself is always an error.

    Raises:
        PipelineError: As :func:`read_rows`, and if a row does not have the adapter's shape.
    """
    is_empty = True
    blocks = blocks_of(path, adapter.shapes, block_bytes)
    for block in map_in_order(lambda block: read_block(block, adapter, on_bad), blocks):
        is_empty = is_empty and not block.lines.len()
        yield block
    if is_empty:
        raise no_rows(path)


def read_block(block: Block, adapter: Adapter, on_bad: OnBad = "error") -> BlockRecords:
    """What a block says: read as columns where that is certain, else row by row.

    Raises:
        RowFault: If a row cannot be read or does not have the adapter's shape, unless bad rows are dropped.
    """
    is_sure = np.zeros(block.numbers.size, dtype=np.bool_)
    parts = []
    for readings in block.typed(adapter.shapes):
        records, sure = max(map(_converted, readings), key=lambda reading: reading[1].size)
        is_sure[sure] = True
        parts.append(records)
    bad: list[BadRow] = []
    singly = [_strictly(block, int(place), adapter.parse, on_bad, bad) for place in np.flatnonzero(~is_sure)]
    records = pl.concat(
        [
            pl.DataFrame(schema=RECORDS),
            *parts,
            pl.DataFrame([record for row in singly for record in row], RECORDS, infer_schema_length=None),
        ]
    )
    if any(singly):
        records = records.sort("row", maintain_order=True)
    rows = records["row"].unique(maintain_order=True)
    lines = pl.Series("line", block.numbers, dtype=pl.Int64).gather(rows)
    count = sum(bool(row) for row in singly)
    return BlockRecords(records, content_hashes(records), lines, count, block.done, tuple(bad))


def _converted(reading: Typed) -> tuple[pl.DataFrame, Any]:
    """The records of the rows a reading is sure of, and these rows' places."""
    records = reading.shape.convert(reading.frame, reading.null_may_be_missing)
    doubtful = records.filter("doubtful")["row"].unique().to_numpy()
    if doubtful.size or reading.doubtful.any():
        sure = reading.places[~(reading.doubtful | np.isin(reading.places, doubtful))]
        records = records.filter(pl.col("row").is_in(pl.Series(sure, dtype=pl.UInt32).implode()))
    else:
        sure = reading.places
    return records.drop("doubtful"), sure


def _strictly(
    block: Block, place: int, parse: Callable[[Row, Place], Parsed], on_bad: OnBad, bad: list[BadRow]
) -> list[dict[str, Any]]:
    """The records of one row; none if its line is blank. A bad one that is dropped is appended to ``bad``."""
    number = int(block.numbers[place])
    try:
        row = block.row(place)
        if row is None:
            return []
        parsed = parse(row, Place(block.path, number))
    except PipelineError as error:
        if on_bad == "error":
            raise
        bad.append(BadRow.of(error, number))
        parsed = _unread(block.raw(place), bad[-1].reason)
    shared = {"row": place, "reason": parsed.reason, "detail": parsed.detail}
    return [
        {**shared, "completion_index": index, **completion}
        for index, completion in enumerate(parsed.completions)
    ]


def _unread(raw: bytes, reason: str) -> Parsed:
    """A row of which nothing was read; a digest stands for its bytes, which may be many."""
    return Parsed([{"prompt": [], "completion": hashlib.sha256(raw).hexdigest()}], reason)
