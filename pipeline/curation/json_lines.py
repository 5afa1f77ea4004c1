"""JSON Lines that people may edit by hand: each line is checked against a model, faults are named by line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from pipeline.errors import PipelineError

Line = TypeVar("Line", bound=BaseModel)


def parse_lines(path: Path, model: type[Line], what: str) -> dict[int, Line]:
    """The objects of a JSON Lines file (UTF-8), by 1-based line number; blank lines are passed over.

    Args:
        path: The file; it may be empty.
        model: What each line must hold.
        what: What a line is, for errors, with its article: ``a decision``.

    Raises:
        PipelineError: If a line is not JSON or breaks the model, with the line and the field.
        OSError: If the file cannot be read.
        UnicodeDecodeError: If it is not UTF-8.
    """
    text = path.read_text(encoding="utf-8")
    # Not splitlines(): a text may hold a line separator that ends no line of the file.
    lines = enumerate(text.split("\n"), start=1)
    return {number: _parsed(path, number, line, model, what) for number, line in lines if line.strip()}


def _parsed(path: Path, number: int, line: str, model: type[Line], what: str) -> Line:
    try:
        value = json.loads(line)
    except ValueError as error:
        raise PipelineError(
            f"{what.capitalize()} is not JSON",
            file=path,
            row=number,
            found=f"{error} in {line[:80]}",
            expected="one JSON object per line",
            hint="Correct that line",
        ) from error
    try:
        return model.model_validate(value)
    except ValidationError as error:
        fault = error.errors()[0]
        column = ".".join(str(part) for part in fault["loc"])
        raise PipelineError(
            f"{what.capitalize()} is not valid",
            file=path,
            row=number,
            column=column or None,
            found=repr(fault["input"]),
            expected=str(fault["msg"]).removeprefix("Value error, "),
            hint="Correct that line",
        ) from error
