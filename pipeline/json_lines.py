"""JSON Lines that people hand in, object by object."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

from pipeline.errors import PipelineError

Fault = Callable[[int, str, str], PipelineError]
"""Makes the error of a line from its number, what was found and what was expected."""


def json_objects(content: bytes, fault: Fault) -> Iterator[tuple[int, dict[str, Any]]]:
    """The objects with their line numbers from 1; lines of whitespace are none, but count.

    Args:
        content: The whole file, in UTF-8.
        fault: Called where a line is not one JSON object.

    Raises:
        PipelineError: What ``fault`` makes.
    """
    # Not splitlines(): a text may hold a line separator that ends no line of the file.
    for number, line in enumerate(content.split(b"\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line.decode("utf-8"))
        except (ValueError, RecursionError) as error:
            raise fault(number, str(error), "one JSON object per line, in UTF-8") from error
        if not isinstance(row, dict):
            raise fault(number, type(row).__name__, "one JSON object per line")
        yield number, row
