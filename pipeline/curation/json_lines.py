"""JSON Lines that people may edit by hand: each line is checked against a model, faults are named by line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from pipeline.errors import PipelineError
from pipeline.files import write_text
from pipeline.json_lines import json_objects
from pipeline.locks import locked

Line = TypeVar("Line", bound=BaseModel)

HINT = "Correct that line"

CHANGE_WAIT = 30.0
"""Seconds to wait for another command that changes the same file; it takes a moment."""


def parse_lines(
    path: Path, model: type[Line], what: str, hint: str = HINT, older: Mapping[str, str] | None = None
) -> dict[int, Line]:
    """The objects of a JSON Lines file (UTF-8), by 1-based line number; blank lines are passed over.

    Args:
        path: The file; it may be empty.
        model: What each line must hold.
        what: What a line is, for errors, with its article: ``a decision``.
        hint: What to do about a line that breaks the model.
        older: Names that fields had before; a fault in a line that still has one names it so.

    Raises:
        PipelineError: If a line is not JSON in UTF-8 or breaks the model, with the line and the field.
        OSError: If the file cannot be read.
    """
    objects = json_objects(path.read_bytes(), partial(_not_json, path, what))
    names = older or {}
    return {number: _checked(path, number, value, model, what, hint, names) for number, value in objects}


def append_lines(path: Path, lines: Iterable[str]) -> None:
    """Add lines, given without their ends, to a file in one atomic write; what it holds stays byte by byte.

    Who decides by the file's content what to add holds :func:`changing` meanwhile.

    A file that is not there is made; without lines nothing is written. A last line without an end gets one.

    Raises:
        OSError: If the file cannot be read or written.
        UnicodeDecodeError: If it is not UTF-8.
    """
    added = "".join(f"{line}\n" for line in lines)
    if added:
        # Not read_text(): it would turn the ends of lines into others.
        before = path.read_bytes().decode("utf-8") if path.exists() else ""
        write_text(path, before + ("" if before == "" or before.endswith("\n") else "\n") + added)


def changing(path: Path) -> AbstractContextManager[None]:
    """A block in which no other process of this project reads a file in order to change it.

    Args:
        path: The file, of people's answers or decisions; need not be there.

    Raises:
        PipelineError: If another process keeps it for :data:`CHANGE_WAIT` seconds.
        OSError: If its lock cannot be made.
    """
    return locked(path, "Another command is changing this file", CHANGE_WAIT)


def _not_json(path: Path, what: str, number: int, found: str, expected: str) -> PipelineError:
    message = f"{what.capitalize()} is not JSON"
    return PipelineError(message, file=path, row=number, found=found, expected=expected, hint=HINT)


def _checked(
    path: Path,
    number: int,
    value: dict[str, Any],
    model: type[Line],
    what: str,
    hint: str,
    older: Mapping[str, str],
) -> Line:
    try:
        return model.model_validate(value)
    except ValidationError as error:
        fault = error.errors()[0]
        raise PipelineError(
            f"{what.capitalize()} is not valid",
            file=path,
            row=number,
            column=_column(fault["loc"], value, older) or None,
            found=repr(fault["input"]),
            expected=str(fault["msg"]).removeprefix("Value error, "),
            hint=hint,
        ) from error


def _column(location: tuple[int | str, ...], value: Mapping[str, Any], older: Mapping[str, str]) -> str:
    """The field at fault, as the line names it; empty where it is the whole line."""
    name = older.get(str(location[0])) if location else None
    return name if name in value and name is not None else ".".join(str(part) for part in location)
