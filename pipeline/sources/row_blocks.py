"""Blocks of rows that are dictionaries already: of formats that no engine reads as columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
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
    """

    path: Path
    rows: Sequence[Row | PipelineError]
    numbers: NDArray[np.int64]
    done: int

    def row(self, place: int) -> Row | None:
        """One row as a dictionary.

        Raises:
            PipelineError: If something is wrong with it.
        """
        row = self.rows[place]
        if isinstance(row, PipelineError):
            raise row
        return row

    def typed(self, shapes: Sequence[Shape]) -> Iterator[list[Typed]]:
        """Nothing: every row is read strictly."""
        return iter(())
