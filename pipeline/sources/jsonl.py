"""One line of JSON, or one element of an array, as a row, strictly.

What is refused is named with its line and what was found there.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from pipeline.sources.encodings import convert_hint
from pipeline.sources.faults import LONE_SURROGATE, NOT_AN_OBJECT, NOT_JSON, NOT_UTF8, RowFault

Row = dict[str, Any]

_REPAIR = "Correct that row, or take it out, and run the stage again"
# Python refuses to convert longer ones; as a float each of them is infinite.
_LONGEST_INTEGER = 4_000


@dataclass(frozen=True)
class Repeated:
    """Stands for the value of a key that an object has twice: no field that is read may hold it.

    Attributes:
        key: The key.
    """

    key: str

    def __str__(self) -> str:
        """In words, for an error."""
        return f"the key {self.key!r} twice in one object"


LINE = "line"
ELEMENT = "element of the array"


def parse_line(path: Path, number: int, line: bytes, named: str = LINE) -> Row | None:
    """One line as an object; None for a line of whitespace only, which is no row.

    A key that stands twice in one object has the value :class:`Repeated`; an integer too long to be one
    becomes infinite. Neither matters unless the field is read.

    Args:
        path: The file, for the error.
        number: The line's number from 1, for the error.
        line: Its bytes, with or without the line's end.
        named: What it is, for the error: :data:`LINE` or :data:`ELEMENT`.

    Raises:
        RowFault: If the line is not one JSON object in UTF-8, or holds half of a surrogate pair.
    """
    if not line.strip():
        return None
    text = _decode(path, number, line, named)
    try:
        value = loads(text)
    except _Refused as error:
        raise _not_json(path, number, str(error), named) from error
    except (ValueError, RecursionError) as error:
        zero = line.find(b"\0")
        found = f"a NUL byte at {zero + 1}" if zero >= 0 else f"{error} in {text[:100]!r}"
        raise _not_json(path, number, found, named) from error
    if not isinstance(value, dict):
        raise _not_json(path, number, f"{type(value).__name__}: {text[:100]}", named, NOT_AN_OBJECT)
    # JSON can escape half of a surrogate pair, which is no character and has no UTF-8.
    if b"\\ud" in line or b"\\uD" in line:
        refuse_surrogates(path, number, value)
    return value


def parse_object(text: str) -> Row:
    """A JSON object as :func:`parse_line` reads it.

    Raises:
        ValueError: If the text is anything else.
        RecursionError: If it is nested too deeply.
    """
    value = loads(text)
    if not isinstance(value, dict):
        raise ValueError(f"{type(value).__name__} is no object")
    return value


class _Refused(ValueError):
    """A value JSON itself has no word for."""


def loads(text: str) -> Any:
    """A JSON value, its repeated keys and long integers as :func:`parse_line` has them.

    Raises:
        ValueError: If the text is no JSON, or has a constant that JSON lacks (NaN, Infinity).
        RecursionError: If it is nested too deeply.
    """
    return json.loads(
        text, parse_constant=_no_constant, parse_int=_integer, object_pairs_hook=_marking_repeated_keys
    )


def _no_constant(name: str) -> NoReturn:
    raise _Refused(f"the constant {name}, which is not JSON")


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) <= _LONGEST_INTEGER else float(digits)


def _marking_repeated_keys(pairs: list[tuple[str, Any]]) -> Row:
    row = dict(pairs)
    if len(row) != len(pairs):
        counts = Counter(key for key, _ in pairs)
        row |= {key: Repeated(key) for key, count in counts.items() if count > 1}
    return row


def _decode(path: Path, number: int, line: bytes, named: str) -> str:
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise RowFault(
            NOT_UTF8,
            f"{_article(named)} is not UTF-8",
            file=path,
            row=number,
            found=f"byte 0x{line[error.start]:02x} at {error.start + 1}",
            expected="text in UTF-8",
            hint=f"{convert_hint('WINDOWS-1252')}, if that is what it is in",
        ) from error


def _not_json(path: Path, number: int, found: str, named: str, reason: str = NOT_JSON) -> RowFault:
    return RowFault(
        reason,
        f"{_article(named)} is not one JSON object",
        file=path,
        row=number,
        found=found,
        expected=f"one JSON object per {named}",
        hint=_REPAIR,
    )


def _article(named: str) -> str:
    return f"{'An' if named[0] in 'aeiou' else 'A'} {named}"


def refuse_surrogates(path: Path, number: int, row: Row) -> None:
    """Stop at half of a surrogate pair in any text or key of a row.

    Raises:
        PipelineError: With the field it stands in.
    """
    for column, value in row.items():
        try:
            json.dumps({column: value}, ensure_ascii=False, default=str).encode("utf-8")
        except RecursionError as error:
            raise _not_json(path, number, "an object nested too deeply", LINE) from error
        except UnicodeEncodeError as error:
            raise RowFault(
                LONE_SURROGATE,
                "A text holds half of a surrogate pair",
                file=path,
                row=number,
                column=column.encode("ascii", "backslashreplace").decode(),
                found=f"\\u{ord(error.object[error.start]):04x}",
                expected="whole characters",
                hint=_REPAIR,
            ) from error
