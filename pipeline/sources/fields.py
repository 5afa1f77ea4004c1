"""What the strict ways of adapters share: checked access to a raw row's fields, and what a row becomes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.files import canonical_json
from pipeline.sources.faults import (
    BAD_VALUE,
    MISSING_FIELD,
    NOT_FINITE,
    NULL_VALUE,
    REPEATED_KEY,
    WRONG_TYPE,
    RowFault,
)
from pipeline.sources.jsonl import Repeated, Row

Completion = dict[str, Any]
"""One completion: the columns of the completions table, without row_id, completion_index, file and line."""

_HINT = (
    "Check that source.kind in params.yaml names the shape of this file, or {}; "
    "source.on_bad_row: drop sends such rows to the ledger"
)
_TOO_DEEP = "nested too deeply to be read"


@dataclass(frozen=True)
class Place:
    """Where a raw row stands: its file and 1-based row."""

    file: Path
    row: int

    def fault(self, column: str, found: object, expected: str, reason: str = WRONG_TYPE) -> RowFault:
        """The error for a field that is not as it should be.

        Args:
            column: The field's full name.
            found: Its value.
            expected: What would have been right.
            reason: One of :data:`~pipeline.sources.faults.REASONS`; a null and a repeated key have their own.
        """
        if found is None:
            reason = NULL_VALUE
        elif isinstance(found, Repeated):
            reason = REPEATED_KEY
        return RowFault(
            reason,
            "A source row has a field of the wrong type or value",
            file=self.file,
            row=self.row,
            column=column,
            found=_describe(found),
            expected=expected,
            hint=_HINT.format("correct the row"),
        )

    def missing(self, column: str, row: Row, expected: str) -> RowFault:
        """The error for a field that is not there."""
        return RowFault(
            MISSING_FIELD,
            "A source row lacks a field",
            file=self.file,
            row=self.row,
            column=column,
            found=f"the fields {', '.join(map(str, row)) or 'none'}",
            expected=expected,
            hint=_HINT.format("add the field"),
        )


@dataclass(frozen=True)
class Parsed:
    """What one raw row becomes: its completions, or the reason why it has none to give.

    Attributes:
        completions: The completions in the row's order, at least one. Where there is a reason, what was read
            of the row: its id is made of it, and nothing else becomes of it.
        reason: Where the row goes to the ledger, the reason.
        detail: Its evidence in words.
    """

    completions: list[Completion]
    reason: str | None = None
    detail: str | None = None


class Said(str):
    """What was found, in words, where it is no value of the row."""


def _describe(value: object) -> str:
    """A value with its type, unless it is null."""
    if isinstance(value, Repeated | Said):
        return str(value)
    if value is None:
        return "null"
    try:
        return f"{type(value).__name__} {value!r}"
    except RecursionError:
        return f"{type(value).__name__}, {_TOO_DEEP}"


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
        raise place.fault(column, value, "a finite number or null", NOT_FINITE)
    return number


def as_constraint(value: object, column: str, place: Place) -> str | None:
    """A checkable constraint, an object or null, as canonical JSON.

    Null members are left out: a Parquet file gives every object all members that one of them has.

    Raises:
        PipelineError: If it is anything else, or holds a value that JSON has no type for.
    """
    if value is None:
        return None
    if not isinstance(value, dict):
        raise place.fault(column, value, "an object or null")
    try:
        return canonical_json(_plain_json(value, column, place))
    except RecursionError:
        raise place.fault(column, value, "an object of a few levels", BAD_VALUE) from None


def _plain_json(value: object, path: str, place: Place) -> object:
    """The value without null members of objects.

    Raises:
        PipelineError: If a part of it is no JSON, as in a Parquet file it may be.
    """
    if isinstance(value, dict):
        return {
            key: _plain_json(item, f"{path}.{key}", place) for key, item in value.items() if item is not None
        }
    if isinstance(value, list):
        return [_plain_json(item, f"{path}[{index}]", place) for index, item in enumerate(value)]
    if isinstance(value, float) and not math.isfinite(value):
        raise place.fault(path, value, "a finite number", NOT_FINITE)
    if value is None or isinstance(value, str | int | float):
        return value
    raise place.fault(path, value, "text, numbers, booleans, lists or objects")
