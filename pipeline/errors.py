"""The one error a person is meant to read: what is wrong, where, and what to do next."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

TRACEBACK = "PIPELINE_TRACEBACK"
"""Set this environment variable to 1 to see the traceback of a foreseen fault too."""


class PipelineError(Exception):
    """A fault in input, params or artifacts, said in one paragraph.

    Stages print it without a traceback and exit with status 1.

    Args:
        problem: What is wrong, in a few words.
        file: The file it was found in, as the user named it.
        row: 1-based row (line) number within the file.
        column: Column or field name.
        key: Dotted params key.
        found: What was found; shortened when long.
        expected: What would have been right.
        hint: What to do next, as an instruction.
    """

    def __init__(
        self,
        problem: str,
        *,
        file: str | Path | None = None,
        row: int | str | None = None,
        column: str | None = None,
        key: str | None = None,
        found: object = None,
        expected: str | None = None,
        hint: str | None = None,
    ) -> None:
        self.problem = problem
        self.file = str(file) if file is not None else None
        self.row = row
        self.column = column
        self.key = key
        self.found = None if found is None else shorten(str(found))
        self.expected = expected
        self.hint = hint
        super().__init__(self.paragraph())

    def paragraph(self) -> str:
        """The error as one paragraph of plain text."""
        places = [
            f"{name} {value}"
            for name, value in (
                ("file", self.file),
                ("row", self.row),
                ("column", self.column),
                ("key", self.key),
            )
            if value is not None
        ]
        text = self.problem.rstrip(".")
        if places:
            text += f" ({', '.join(places)})"
        text += "."
        if self.found is not None:
            text += f" Found: {self.found.rstrip('.')}."
        if self.expected is not None:
            text += f" Expected: {self.expected.rstrip('.')}."
        if self.hint is not None:
            text += f" {self.hint.rstrip('.')}."
        return text


def shorten(text: str, limit: int = 160) -> str:
    """Text folded onto one line, at most ``limit`` characters; a longer one ends in an ellipsis."""
    line = " ".join(text.split())
    return line if len(line) <= limit else line[: limit - 3] + "..."


@contextmanager
def foreseen_faults() -> Iterator[None]:
    """Run a block as a program: a foreseen fault is printed as one paragraph and ends the process.

    A :class:`PipelineError` and an :class:`OSError` (disk full, no permission) are printed to standard error
    without a traceback, unless :data:`TRACEBACK` asks for it. Any other exception is a fault in the code and
    goes through.

    Raises:
        SystemExit: With status 1 after a foreseen fault, 130 after Ctrl-C.
    """
    try:
        yield
    except (PipelineError, OSError) as error:
        if os.environ.get(TRACEBACK) == "1":
            raise
        print(f"error: {_said(error)}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("stopped; what the stage made before is as it was", file=sys.stderr)
        sys.exit(130)


def _said(error: PipelineError | OSError) -> str:
    if isinstance(error, PipelineError):
        return error.paragraph()
    return PipelineError(
        "The operating system refused",
        file=error.filename,
        found=error.strerror or str(error) or type(error).__name__,
        hint="Check the free space and the permissions there, then run it again; "
        f"{TRACEBACK}=1 shows where it stopped",
    ).paragraph()
