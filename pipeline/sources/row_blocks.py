"""Blocks of rows that are dictionaries already: of formats that no engine reads as columns."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import PipelineError
from pipeline.sources.blocks import Typed
from pipeline.sources.jsonl import Row
from pipeline.sources.shapes import Shape


@dataclass(frozen=True)
class RowBlock:
    """Rows of one file.

    Attributes:
        path: The file.
        rows: Each a row, or what is wrong with it.
        numbers: Each row's number in the file.
        done: Bytes of the file (as it lies on the disk) read so far.
        unread: What the file holds of those that something is wrong with, by their places.
    """

    path: Path
    rows: Sequence[Row | PipelineError]
    numbers: NDArray[np.int64]
    done: int
    unread: Mapping[int, bytes] = field(default_factory=dict)

    def row(self, place: int) -> Row | None:
        """One row as a dictionary.

        Raises:
            PipelineError: If something is wrong with it.
        """
        row = self.rows[place]
        if isinstance(row, PipelineError):
            raise row
        return row

    def raw(self, place: int) -> bytes:
        """What the file holds of a row, as JSON."""
        return self.unread[place] if place in self.unread else raw_json(self.rows[place])

    def typed(self, shapes: Sequence[Shape]) -> Iterator[list[Typed]]:
        """Nothing: every row is read strictly."""
        return iter(())


def raw_json(row: object) -> bytes:
    """A row, or its cells, as JSON that also has a form for what is no character."""
    try:
        return json.dumps(row, default=str).encode()
    except RecursionError:
        return b"nested too deeply"
