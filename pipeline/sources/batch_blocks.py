"""Blocks of rows that are columns of Arrow's types already: of Parquet and Arrow files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.errors import PipelineError
from pipeline.sources.arrow_rows import arrow_raw, arrow_row
from pipeline.sources.blocks import Typed
from pipeline.sources.jsonl import Row
from pipeline.sources.shapes import OBJECT, Shape, fits

BLOCK_ROWS = 1024


@dataclass(frozen=True)
class BatchBlock:
    """Rows of one Parquet or Arrow file.

    Attributes:
        path: The file.
        batch: The rows.
        numbers: Each row's number in the file, from 1.
        done: How much has been read so far: rows of Parquet, bytes of Arrow.
    """

    path: Path
    batch: pa.RecordBatch
    numbers: NDArray[np.int64]
    done: int

    def row(self, place: int) -> Row | None:
        """One row as a dictionary.

        Raises:
            RowFault: If a text in it is not UTF-8, or a value cannot be read.
        """
        return arrow_row(self.batch, place, self.path, int(self.numbers[place]))

    def raw(self, place: int) -> bytes:
        """The row's values as JSON."""
        return arrow_raw(self.batch, place)

    def typed(self, shapes: Sequence[Shape]) -> Iterator[list[Typed]]:
        """The rows as columns; see :meth:`pipeline.sources.blocks.Block.typed`."""
        try:
            self.batch.validate(full=True)
        except pa.ArrowInvalid:
            return
        readings = [self._reading(shape) for shape in shapes if fits(self.batch.schema, shape)]
        if readings:
            yield readings

    def _reading(self, shape: Shape) -> Typed:
        places = np.arange(self.numbers.size)
        doubtful = np.zeros(places.size, dtype=np.bool_)
        columns: dict[str, pl.Series] = {"row": pl.Series(places, dtype=pl.UInt32)}
        for wanted in shape.fields:
            index = self.batch.schema.get_field_index(wanted.name)
            if wanted.type.equals(OBJECT):
                # Objects have no JSON text here; the strict way writes it.
                columns[wanted.name] = pl.Series([None] * places.size, dtype=pl.String)
                doubtful |= False if index < 0 else self.batch.column(index).is_valid().to_numpy(False)
                continue
            array = pa.nulls(places.size) if index < 0 else self.batch.column(index)
            # Integers above 2^53 become the nearest float, as they do in Python.
            columns[wanted.name] = pl.Series(pl.from_arrow(array.cast(wanted.type, safe=False)))
        return Typed(places, pl.DataFrame(columns), shape, doubtful, null_may_be_missing=False)


def check_names(path: Path, schema: pa.Schema) -> None:
    """Refuse a table of which a row could not say what is in it.

    Raises:
        PipelineError: If two columns have the same name, or a name is not UTF-8.
    """
    try:
        _read_names(schema)
    except UnicodeDecodeError as error:
        raise PipelineError(
            "A table has a column whose name is not UTF-8",
            file=path,
            found=str(error),
            expected="names in UTF-8",
            hint="Rename the column",
        ) from error
    twice = sorted(name for name, count in Counter(schema.names).items() if count > 1)
    if twice:
        raise PipelineError(
            "A table has two columns of one name",
            file=path,
            found=", ".join(repr(name) for name in twice),
            expected="a name of its own for each column",
            hint="Rename or take out one of them",
        )


def _read_names(fields: Iterable[pa.Field]) -> None:
    """Ask for every name, also of fields within fields."""
    for field in fields:
        field.name  # noqa: B018 - asking is what fails
        _read_names(field.type.field(place) for place in range(field.type.num_fields))
