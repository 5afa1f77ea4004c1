"""One row of a typed file (Parquet, Arrow) as Python values, strictly, and as bytes where it has none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipeline.sources.faults import BAD_VALUE, NOT_UTF8, RowFault
from pipeline.sources.jsonl import Repeated, Row


def arrow_row(batch: pa.RecordBatch, place: int, path: Path, number: int) -> Row:
    """A row as a dictionary; a column that is there twice has the value ``Repeated``.

    Args:
        batch: The rows.
        place: Which of them.
        path: The file, for the error.
        number: The row's number in it from 1, for the error.

    Raises:
        RowFault: If a text is not UTF-8, or a value has no counterpart in Python, as a date in the year
            20,000 or an object with two members of one name.
    """
    row: Row = {}
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        try:
            row[name] = Repeated(name) if name in row else column[place].as_py()
        except UnicodeDecodeError as error:
            raise RowFault(
                NOT_UTF8,
                "A file holds a text that is not UTF-8",
                file=path,
                row=number,
                column=name,
                found=str(error),
                expected="text in UTF-8",
                hint="Write the file again with valid text",
            ) from error
        except (ValueError, OverflowError, pa.ArrowException) as error:
            raise RowFault(
                BAD_VALUE,
                "A file holds a value that cannot be read",
                file=path,
                row=number,
                column=name,
                found=f"{column.type}: {error}",
                expected="text, numbers, booleans, lists or objects",
                hint="Write the file again without it, or leave the column out",
            ) from error
    return row


def arrow_raw(batch: pa.RecordBatch, place: int) -> bytes:
    """A row's columns in their order, as JSON that has a form for every value there may be."""
    row = [
        [name, _plain(column[place])] for name, column in zip(batch.schema.names, batch.columns, strict=True)
    ]
    return json.dumps(row).encode()


def _plain(value: Any) -> object:
    """A scalar as JSON: text that is not UTF-8 with escapes, objects as lists of name and value."""
    if isinstance(value, pa.DictionaryScalar):
        value = value.value
    if not value.is_valid:
        return None
    if isinstance(value, pa.StructScalar):
        return [[field.name, _plain(value[place])] for place, field in enumerate(value.type)]
    if isinstance(value, pa.ListScalar | pa.LargeListScalar | pa.FixedSizeListScalar):
        return [_plain(item) for item in value.values]
    if hasattr(value, "as_buffer"):
        return str(value.as_buffer().to_pybytes().decode("utf-8", "backslashreplace"))
    try:
        return repr(value.as_py())
    except (ValueError, OverflowError, pa.ArrowException):
        return repr(value)
