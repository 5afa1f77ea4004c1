"""Parquet in blocks of rows: of files whose types fit a shape only the columns that are read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.sources.batch_blocks import BLOCK_ROWS, BatchBlock, check_names
from pipeline.sources.raw_files import not_whole
from pipeline.sources.shapes import OBJECT, Shape, fits


def parquet_blocks(
    path: Path, shapes: Sequence[Shape] = (), block_rows: int = BLOCK_ROWS
) -> Iterator[BatchBlock]:
    """A file's rows in blocks.

    Args:
        path: The file.
        shapes: Shapes that may be asked for. If the file's types fit one of them, only what these shapes read
            is read; if they fit none, or none is named, everything, so that an error can say what is there.
        block_rows: Rows per block.

    Raises:
        PipelineError: If the file is not whole Parquet, or two columns have one name.
    """
    done = 0
    try:
        with pq.ParquetFile(path) as file:
            check_names(path, file.schema_arrow)
            there = [shape for shape in shapes if fits(file.schema_arrow, shape)]
            columns = _columns(file, there) if there else None
            for batch in file.iter_batches(batch_size=block_rows, columns=columns):
                first, done = done + 1, done + batch.num_rows
                yield BatchBlock(path, batch, np.arange(first, done + 1), done)
    except (pa.ArrowException, OSError) as error:
        raise not_whole(path, "Parquet", done, error) from error


def count_rows(path: Path) -> int:
    """How many rows a Parquet file says it has; 0 if it is none, which reading it will tell."""
    try:
        return int(pq.read_metadata(path).num_rows)
    except (pa.ArrowException, OSError):
        return 0


def _columns(file: pq.ParquetFile, shapes: Sequence[Shape]) -> list[str]:
    """The paths of the leaves that the shapes read; Parquet's leaves lie in the order of the types."""
    read = [any(leaf) for leaf in zip(*(_leaves(file.schema_arrow, shape) for shape in shapes), strict=True)]
    if len(read) != len(file.schema):
        return [
            name for name in file.schema_arrow.names if any(name in shape.fields.names for shape in shapes)
        ]
    return [file.schema.column(place).path for place, is_read in enumerate(read) if is_read]


def _leaves(given: pa.Schema, shape: Shape) -> list[bool]:
    """Whether a shape reads each leaf of a file."""
    flags: list[bool] = []
    for field in given:
        index = shape.fields.get_field_index(field.name)
        flags += _leaves_beneath(field.type, None if index < 0 else shape.fields.field(index).type)
    return flags


def _leaves_beneath(given: pa.DataType, wanted: pa.DataType | None) -> Iterator[bool]:
    """Whether each leaf of a type is read; ``wanted`` is None within what is not."""
    if given.num_fields == 0:
        yield wanted is not None
    for place in range(given.num_fields):
        inner = given.field(place)
        if wanted is None or wanted.equals(OBJECT):
            yield from _leaves_beneath(inner.type, wanted)
        elif pa.types.is_struct(given):
            index = wanted.get_field_index(inner.name)
            yield from _leaves_beneath(inner.type, None if index < 0 else wanted.field(index).type)
        else:
            yield from _leaves_beneath(inner.type, wanted.field(place).type)
