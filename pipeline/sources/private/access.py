"""Values under dotted names, also within the objects of a list and within cells of JSON text."""

from __future__ import annotations

import json
from collections.abc import Collection
from itertools import takewhile
from typing import Any

from pipeline.sources.faults import BAD_VALUE
from pipeline.sources.fields import Place
from pipeline.sources.jsonl import Row

MISSING = object()
"""Stands for a field that is not there."""


def value_at(row: Row, path: str) -> Any:
    """The value under a dotted name; :data:`MISSING` if there is none.

    A key that has dots itself comes before the dotted reading. Of a list of objects the value is the list of
    their members' values, where an object lacks the member null.
    """
    if path in row:
        return row[path]
    head, _, rest = path.partition(".")
    if not rest or head not in row:
        return MISSING
    return _within(row[head], rest)


def _within(value: Any, path: str) -> Any:
    if isinstance(value, dict):
        return value_at(value, path)
    if isinstance(value, list):
        found = [_within(item, path) for item in value]
        return [None if item is MISSING else item for item in found] if found else []
    return None if value is None else MISSING


def root_of(row: Row, path: str) -> str:
    """The top-level column that a dotted name begins with."""
    return path if path in row else path.partition(".")[0]


def decoded(row: Row, encoded: Collection[str], place: Place) -> Row:
    """A row whose cells of JSON text in these columns are read; an empty cell stays as it is.

    Raises:
        PipelineError: If such a cell holds anything else.
    """
    if not encoded:
        return row
    return {key: _decoded(value, key, place) if key in encoded else value for key, value in row.items()}


def _decoded(value: Any, column: str, place: Place) -> Any:
    if not isinstance(value, str) or not value.strip():
        return value
    read = json_of(value)
    if read is MISSING:
        raise place.fault(column, value, "a list or an object as JSON, as in the other rows", BAD_VALUE)
    return read


def json_of(text: str) -> Any:
    """The list or object that a text is the JSON of; :data:`MISSING` if it is none."""
    if not text.lstrip().startswith(("[", "{")):
        return MISSING
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return MISSING
    return value if isinstance(value, list | dict) else MISSING


def common_beginning(first: str, second: str) -> str:
    """What two texts begin with alike."""
    alike = takewhile(lambda letters: letters[0] == letters[1], zip(first, second, strict=False))
    return first[: sum(1 for _ in alike)]
