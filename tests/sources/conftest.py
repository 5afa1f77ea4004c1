"""What tests of sources share: both ways of reading a file, and where real files lie."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from pipeline.errors import PipelineError
from pipeline.sources import typed_lines
from pipeline.sources.fields import Place
from pipeline.sources.reading import Adapter, read_file, read_rows
from pipeline.sources.shapes import RECORDS

DATA = Path(__file__).parents[2] / "../shared/data"


@dataclass(frozen=True)
class Outcome:
    """What reading a file came to.

    Attributes:
        records: Its records, their rows counted through the whole file; None after an error.
        lines: The number of each row.
        fault: The error's file, row, column, problem and what was found; None without one.
        read_singly: How many rows were read by the strict way.
    """

    records: pl.DataFrame | None
    lines: list[int]
    fault: tuple[Any, ...] | None
    read_singly: int = 0

    @property
    def completions(self) -> pl.DataFrame:
        """The records, where there was no error."""
        assert self.records is not None, self.fault
        return self.records


def row_by_row(path: Path, adapter: Adapter) -> Outcome:
    """The specification: each row read strictly and parsed, nothing of the engine between."""
    records: list[dict[str, Any]] = []
    lines: list[int] = []
    try:
        for number, row in read_rows(path):
            parsed = adapter.parse(row, Place(path, number))
            shared = {"row": len(lines), "reason": parsed.reason, "detail": parsed.detail}
            records += [
                {**shared, "completion_index": index, **item} for index, item in enumerate(parsed.completions)
            ]
            lines.append(number)
    except PipelineError as error:
        return Outcome(None, [], _fault(error))
    return Outcome(pl.DataFrame(records, RECORDS, infer_schema_length=None), lines, None)


def in_blocks(path: Path, adapter: Adapter, block_bytes: int) -> Outcome:
    """What the engine makes of it."""
    parts = [pl.DataFrame(schema=RECORDS)]
    lines: list[int] = []
    singly = 0
    try:
        for block in read_file(path, adapter, block_bytes):
            run = block.records["row"].rle_id() + len(lines)
            parts.append(block.records.with_columns(run.cast(pl.UInt32).alias("row")))
            lines += block.lines.to_list()
            singly += block.read_singly
    except PipelineError as error:
        return Outcome(None, [], _fault(error))
    return Outcome(pl.concat(parts), lines, None, singly)


def _fault(error: PipelineError) -> tuple[Any, ...]:
    return error.file, error.row, error.column, error.problem, error.found


@pytest.fixture(scope="session")
def read_both_ways() -> Callable[..., Outcome]:
    """Read a file block by block and row by row, check that both come to the same, and give it."""

    def read(path: Path, adapter: Adapter, block_bytes: int = 1 << 20) -> Outcome:
        # Few rows are to be read as columns, too.
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(typed_lines, "FEWEST_HALVED", 2)
            slow, fast = row_by_row(path, adapter), in_blocks(path, adapter, block_bytes)
        assert fast.fault == slow.fault
        assert fast.lines == slow.lines
        if slow.records is not None:
            for name in RECORDS:
                assert fast.completions[name].to_list() == slow.records[name].to_list(), name
        return fast

    return read


@pytest.fixture
def real_file() -> Callable[[str], Path]:
    """A real file beside the project; skips the test where there is none."""

    def find(name: str) -> Path:
        path = DATA / name
        if not path.exists():
            pytest.skip(f"{path} is not here: real rows lie beside the project")
        return path

    return find
