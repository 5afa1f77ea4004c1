"""What source adapters share: checked access to a raw row's fields, row ids, what a row becomes."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.errors import PipelineError
from pipeline.files import canonical_json, content_id
from pipeline.sources.jsonl import Row

Completion = dict[str, Any]
"""One completion: the columns of the completions table, without row_id, completion_index, file and line."""


@dataclass(frozen=True)
class Place:
    """Where a raw row stands: its file and 1-based row."""

    file: Path
    row: int

    def fault(self, column: str, found: object, expected: str) -> PipelineError:
        """The error for a field that is not as it should be."""
        return PipelineError(
            "A source row has a field of the wrong type or value",
            file=self.file,
            row=self.row,
            column=column,
            found=_describe(found),
            expected=expected,
            hint="Check that source.kind in params.yaml names the shape of this file, or correct the row",
        )

    def missing(self, column: str, row: Row, expected: str) -> PipelineError:
        """The error for a field that is not there."""
        return PipelineError(
            "A source row lacks a field",
            file=self.file,
            row=self.row,
            column=column,
            found=f"the fields {', '.join(map(str, row)) or 'none'}",
            expected=expected,
            hint="Check that source.kind in params.yaml names the shape of this file, or add the field",
        )


@dataclass(frozen=True)
class Parsed:
    """What one raw row becomes: its completions, or the reason why there are none.

    Attributes:
        completions: The completions in the row's order.
        reason: Where there are none, the reason for the ledger.
        detail: Its evidence in words.
    """

    completions: list[Completion]
    reason: str | None = None
    detail: str | None = None


Adapter = Callable[[Row, Place], Parsed]
"""Reads one raw row of one shape; raises PipelineError where the row does not have that shape."""


@dataclass
class RowIds:
    """Ids of raw rows: the hash of what a row says, so that no id depends on the order of the rows.

    Rows that say the same are told apart by a count; as they are the same, it does not matter which is which.
    """

    _seen: Counter[str] = field(default_factory=Counter)

    def of(self, row: Row, place: Place) -> str:
        """The id of a row.

        Raises:
            PipelineError: If the row holds a value JSON has no type for, as a Parquet file may.
        """
        try:
            text = canonical_json(row)
        except (TypeError, ValueError) as error:
            column = next((name for name, value in row.items() if not _is_json(value)), None)
            raise place.fault(
                str(column), str(error), "text, numbers, booleans, lists or objects (no dates, no bytes)"
            ) from error
        first = content_id(text)
        self._seen[first] += 1
        count = self._seen[first]
        return first if count == 1 else content_id(text, str(count))


def _is_json(value: object) -> bool:
    try:
        canonical_json(value)
    except (TypeError, ValueError):
        return False
    return True


def _describe(value: object) -> str:
    """A value with its type, unless it is null."""
    return "null" if value is None else f"{type(value).__name__} {value!r}"


def required(row: Row, column: str, place: Place, expected: str, path: str | None = None) -> Any:
    """A field that must be there; its value may be null.

    Args:
        row: The object that holds it.
        column: Its key there.
        place: Where the raw row stands.
        expected: What the field means, for the error.
        path: The field's full name, for the error; null: ``column``.

    Raises:
        PipelineError: If the object has no such key.
    """
    if column not in row:
        raise place.missing(path or column, row, expected)
    return row[column]


def as_text(value: object, column: str, place: Place) -> str:
    """The value, if it is a string.

    Raises:
        PipelineError: If it is anything else.
    """
    if not isinstance(value, str):
        raise place.fault(column, value, "a string")
    return value


def as_optional_text(value: object, column: str, place: Place) -> str | None:
    """The value, if it is a string or null.

    Raises:
        PipelineError: If it is anything else.
    """
    if value is not None and not isinstance(value, str):
        raise place.fault(column, value, "a string or null")
    return value


def as_optional_number(value: object, column: str, place: Place) -> float | None:
    """The value as a float, if it is a finite number or null.

    Raises:
        PipelineError: If it is anything else; a number in quotes is a string.
    """
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise place.fault(column, value, "a number or null")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise place.fault(column, value, "a finite number or null")
    return number


def as_constraint(value: object, column: str, place: Place) -> str | None:
    """A checkable constraint, an object or null, as canonical JSON.

    Raises:
        PipelineError: If it is anything else.
    """
    if value is None:
        return None
    if not isinstance(value, dict):
        raise place.fault(column, value, "an object or null")
    return canonical_json(value)
