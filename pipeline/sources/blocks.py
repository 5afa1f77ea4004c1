"""Blocks of raw rows: what the two kinds of file have in common, and how any file is cut into them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pipeline.sources.jsonl import Row
from pipeline.sources.shapes import Shape

BLOCK_BYTES = 16 << 20
"""Text that is read at once: a thousand rows of UltraFeedback, some 100 MB of memory while they are read."""


@dataclass(frozen=True)
class Typed:
    """Rows of a block as columns.

    Attributes:
        places: Which rows of the block they are.
        frame: The fields of the shape, and ``row``, which is ``places``.
        shape: What they were read as.
        doubtful: True for rows that may not say what the frame says.
        null_may_be_missing: Whether a null may stand for a key that is not there.
    """

    places: NDArray[np.int64]
    frame: pl.DataFrame
    shape: Shape
    doubtful: NDArray[np.bool_]
    null_may_be_missing: bool


class Block(Protocol):
    """Rows that follow each other in one file."""

    @property
    def path(self) -> Path:
        """The file."""

    @property
    def numbers(self) -> NDArray[np.int64]:
        """Each row's number in the file, from 1 (of JSON Lines: the line's)."""

    @property
    def done(self) -> int:
        """How much of the file has been read at the end of this block, in the unit of its progress."""

    def row(self, place: int) -> Row | None:
        """One row as a dictionary; None if the line is blank.

        Raises:
            RowFault: If it cannot be read.
        """

    def raw(self, place: int) -> bytes:
        """What the file holds of one row, readable or not: the id of a bad row is made of it."""

    def typed(self, shapes: Sequence[Shape]) -> Iterator[list[Typed]]:
        """The rows as columns, part by part: a reading for each shape that the whole part has.

        Rows that have none of the shapes are left out.
        """
