"""JSON Lines files that people hand in: each object with its line's number, faults named by file and line."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from pipeline.errors import PipelineError
from pipeline.json_lines import json_objects


def read_rows(path: Path, what: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """The objects of a JSON Lines file with their line numbers from 1; blank lines count but give nothing.

    Args:
        path: The file, in UTF-8.
        what: What it should be, for an error ("The responses").

    Raises:
        PipelineError: If it cannot be read, or a line is not one JSON object.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise PipelineError(
            f"{what} cannot be read", file=path, found=error.strerror, expected="a JSON Lines file"
        ) from error
    return json_objects(content, partial(line_fault, what, path))


def line_fault(
    what: str,
    path: Path,
    line: int | None,
    found: object,
    expected: str,
    column: str | None = None,
    hint: str = "Correct that line",
) -> PipelineError:
    """The error of one line."""
    return PipelineError(
        f"{what} are not as they should be",
        file=path,
        row=line,
        column=column,
        found=found,
        expected=expected,
        hint=hint,
    )
