"""The laws of reading raw files, checked on any file: no surprise, no silent loss, fast equals strict."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl

from pipeline.errors import PipelineError
from pipeline.sources.faults import BadRow
from pipeline.sources.fields import Place
from pipeline.sources.reading import Adapter, blocks_of, read_file
from pipeline.sources.shapes import RECORDS
from pipeline.sources.tally import Tally

Read = tuple[list[dict[str, Any]], list[BadRow], list[int]]
"""Records of the rows that can be read, those that cannot, and the numbers of all."""


def check_laws(path: Path, adapter: Adapter, block_bytes: int, rows: int | None = None) -> tuple[int, int]:
    """Check a file against the laws of reading.

    Args:
        path: The file.
        adapter: How its rows are read.
        block_bytes: About how much text is read at once.
        rows: How many rows it has; None: as many as it gives.

    Returns:
        How many rows were kept and dropped; both 0 if the file as a whole is refused.

    Raises:
        AssertionError: If a law is broken: both ways do not read the same, a row was lost, or the first
            fault is another than the one that stops the reading.
        Exception: Whatever a reader raises that is no PipelineError, which breaks the first law.
    """
    fast, strict = _said(_in_blocks, path, adapter, block_bytes), _said(_row_by_row, path, adapter)
    if isinstance(strict, str) or isinstance(fast, str):
        # A fault of the file, which both must find; how far they came depends on how much they read at once.
        assert fast == strict, (fast, strict)
        return 0, 0
    assert fast[1] == strict[1]
    assert fast[2] == strict[2]
    assert rows is None or len(fast[2]) == rows, (len(fast[2]), rows)
    for name in RECORDS:
        assert [record[name] for record in fast[0]] == [record.get(name) for record in strict[0]], name
    bad = len(fast[1])
    _check_first_fault(path, adapter, block_bytes, fast[1])
    return len(fast[2]) - bad, bad


def _said(read: Any, *args: Any) -> Read | str:
    try:
        result: Read = read(*args)
    except PipelineError as error:
        return error.problem
    return result


def _row_by_row(path: Path, adapter: Adapter) -> Read:
    """The specification: each row read strictly and parsed, nothing of the engine between."""
    records: list[dict[str, Any]] = []
    bad: list[BadRow] = []
    numbers: list[int] = []
    for block in blocks_of(path, adapter.shapes):
        for place, number in enumerate(block.numbers.tolist()):
            try:
                row = block.row(place)
                if row is None:
                    continue
                parsed = adapter.parse(row, Place(path, number))
            except PipelineError as error:
                bad.append(BadRow.of(error, number))
            else:
                shared = {"row": number, "reason": parsed.reason, "detail": parsed.detail}
                records += [
                    {**shared, "completion_index": index, **item}
                    for index, item in enumerate(parsed.completions)
                ]
            numbers.append(number)
    if not numbers:
        # The engine's own words for a file without rows.
        list(read_file(path, adapter))
    return records, bad, numbers


def _in_blocks(path: Path, adapter: Adapter, block_bytes: int) -> Read:
    """What the engine makes of the file, its rows counted and conserved as pull does."""
    records: list[dict[str, Any]] = []
    bad: list[BadRow] = []
    numbers: list[int] = []
    tally = Tally()
    for block in read_file(path, adapter, block_bytes, on_bad="drop"):
        kept = tally.identified(block, path.name)
        tally.count(kept)
        assert set(kept["line"]).isdisjoint(row.number for row in block.bad)
        lines = block.lines.gather(block.records["row"].rle_id()).cast(pl.UInt32)
        table = block.records.with_columns(lines.alias("row"))
        of_bad = pl.col("row").is_in([row.number for row in block.bad])
        records += table.filter(~of_bad).rows(named=True)
        bad += block.bad
        numbers += block.lines.to_list()
    tally.check()
    assert tally.row_ids.len() == len(numbers) and tally.row_ids.n_unique() == len(numbers)
    assert sum(tally.bad.values()) == len(bad)
    return records, bad, numbers


def _check_first_fault(path: Path, adapter: Adapter, block_bytes: int, bad: list[BadRow]) -> None:
    """Without dropping, the reading stops at the first bad row, or at none."""
    try:
        for _ in read_file(path, adapter, block_bytes):
            pass
    except PipelineError as error:
        assert bad and error.row == bad[0].number, (error, bad[:1])
        assert BadRow.of(error, bad[0].number) == bad[0]
    else:
        assert not bad, bad[0]
