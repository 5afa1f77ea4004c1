"""JSON files that are one object: of a list of rows, or of columns."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.errors import PipelineError
from pipeline.sources.jsonl import Row, loads, refuse_surrogates
from pipeline.sources.raw_files import DAMAGED, damaged, open_stream
from pipeline.sources.row_blocks import RowBlock, raw_json

LARGEST_DOCUMENT = 512 << 20
"""Bytes of text that one object may have: it is read whole, and takes some times as much memory."""

_BLOCK_ROWS = 1024
_EXPECTED = (
    "an array of objects, an object with one list of objects (such as data or rows), or an object of columns "
    "of equal length"
)
_HINT = "Write one JSON object per line, and let the file's name end in .jsonl"


def document_blocks(path: Path) -> Iterator[RowBlock]:
    """The rows of a JSON file that is one object, numbered from 1.

    Raises:
        PipelineError: If the file is damaged, larger than :data:`LARGEST_DOCUMENT`, not JSON in UTF-8, or the
            object holds no rows or several lists of them.
        OSError: If it cannot be read.
    """
    rows = _rows(path, _document(path))
    size = path.stat().st_size
    for first in range(0, len(rows), _BLOCK_ROWS):
        part = rows[first : first + _BLOCK_ROWS]
        numbers = np.arange(first + 1, first + 1 + len(part))
        checked = [_checked(path, int(number), row) for number, row in zip(numbers, part, strict=True)]
        unread = {
            place: raw_json(row)
            for place, row in enumerate(part)
            if isinstance(checked[place], PipelineError)
        }
        yield RowBlock(path, checked, numbers, size, unread)


def _document(path: Path) -> Row:
    try:
        with open_stream(path) as (stream, _):
            data = stream.read(LARGEST_DOCUMENT)
            while more := stream.read(1 << 16):
                if len(data) + len(more) > LARGEST_DOCUMENT:
                    raise _fault(
                        path, f"more than {LARGEST_DOCUMENT >> 20} MB in one object", "an array of objects"
                    )
                data += more
    except DAMAGED as error:
        raise damaged(path, 0, error) from error
    try:
        value = loads(data.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        zero = data.find(b"\0")
        found = f"a NUL byte at {zero + 1}" if zero >= 0 else str(error)
        raise _fault(path, found, "one JSON value in UTF-8") from error
    if not isinstance(value, dict):
        raise _fault(path, f"one {type(value).__name__}")
    return value


def _rows(path: Path, document: Row) -> list[Any]:
    lists = {key: value for key, value in document.items() if _is_table(value)}
    if len(lists) == 1 and all(
        key in lists or not isinstance(value, list) for key, value in document.items()
    ):
        (rows,) = lists.values()
        return list(rows)
    columns = _columns(document)
    if len(lists) > 1 and len(lists) == len(document):
        names = ", ".join(lists)
        raise _fault(path, f"several lists of objects: {names}", "one list of rows in a file")
    if columns is None:
        shown = ", ".join(f"{key}: {_said(value)}" for key, value in document.items())
        raise _fault(path, f"an object of {shown or 'nothing'}")
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def _is_table(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, dict) for item in value)


def _columns(document: Row) -> dict[str, list[Any]] | None:
    """Columns of equal length: lists, or as Pandas writes them objects that count the rows; else None."""
    values = list(document.values())
    if values and all(isinstance(value, dict) for value in values):
        keys = list(values[0])
        if all(list(value) == keys for value in values) and keys == [str(n) for n in range(len(keys))]:
            return {key: list(value.values()) for key, value in document.items()}
        return None
    if values and all(isinstance(value, list) for value in values) and len(set(map(len, values))) == 1:
        return document
    return None


def _said(value: Any) -> str:
    return f"{len(value)} in a list" if isinstance(value, list) else type(value).__name__


def _checked(path: Path, number: int, row: Any) -> Row | PipelineError:
    try:
        refuse_surrogates(path, number, row)
    except PipelineError as error:
        return error
    return dict(row)


def _fault(path: Path, found: str, expected: str = _EXPECTED) -> PipelineError:
    return PipelineError(
        "A JSON file does not hold rows as they are read",
        file=path,
        found=found,
        expected=expected,
        hint=_HINT,
    )
