"""JSON Lines files that people hand in: each object with its line's number, faults named by file and line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipeline.errors import PipelineError


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
    # Not splitlines(): a text may hold a line separator that ends no line of the file.
    for number, line in enumerate(content.split(b"\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line.decode("utf-8"))
        except (ValueError, RecursionError) as error:
            raise line_fault(what, path, number, str(error), "one JSON object per line, in UTF-8") from error
        if not isinstance(row, dict):
            raise line_fault(what, path, number, type(row).__name__, "one JSON object per line")
        yield number, row


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
