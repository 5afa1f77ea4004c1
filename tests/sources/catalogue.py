"""The catalogue of bad input: what its tables are made of, and how a case is tried."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from pipeline.errors import PipelineError
from pipeline.files import read_json
from pipeline.params import SourceParams
from pipeline.schema import COMPLETIONS, LEDGER
from pipeline.sources.faults import RowFault
from pipeline.sources.pull import pull
from pipeline.tables import read_table

Row = dict[str, Any]


@dataclass(frozen=True)
class BadLine:
    """A row that cannot be read among good ones.

    Attributes:
        name: Of the case.
        row: The row, or its line where that is no JSON.
        reason: Its reason in the ledger.
        column: The field at fault; None where it is the whole row.
        found: The beginning of what was found.
        expected: A part of what was expected.
    """

    name: str
    row: Row | bytes
    reason: str
    column: str | None
    found: str
    expected: str

    @property
    def line(self) -> bytes:
        """The row as a line."""
        return self.row if isinstance(self.row, bytes) else json.dumps(self.row).encode()


def without(row: Row, name: str) -> Row:
    """A row that lacks a field."""
    return {key: value for key, value in row.items() if key != name}


@dataclass(frozen=True)
class BadFile:
    """A source that cannot be read at all, whatever becomes of bad rows.

    Attributes:
        name: Of the case.
        files: Each file's name in the source's folder and its content, or what makes a large one.
        path: What ``source.path`` names there; ``""`` is the folder itself.
        problem: A part of what the error says is wrong.
        file: The file it names, within the folder; None: none.
        row: The row it names; a text may be its beginning.
        key: The key of params that it names.
        found: A part of what it found.
        expected: A part of what it expected.
        hint: A part of what to do.
    """

    name: str
    files: Mapping[str, bytes | Callable[[], bytes]]
    path: str | list[str]
    problem: str
    file: str | None = None
    row: int | str | None = None
    key: str | None = None
    found: str = ""
    expected: str = ""
    hint: str = ""


@dataclass(frozen=True)
class Pulled:
    """What the stage wrote."""

    completions: pl.DataFrame
    ledger: pl.DataFrame
    metrics: dict[str, Any]


def names(cases: Iterable[BadLine | BadFile]) -> list[str]:
    """The ids of cases."""
    return [case.name for case in cases]


def jsonl(rows: Iterable[Row | bytes]) -> bytes:
    """Rows as JSON Lines."""
    return b"".join((row if isinstance(row, bytes) else json.dumps(row).encode()) + b"\n" for row in rows)


def pulled(tmp_path: Path, path: Path | list[str], **params: Any) -> Pulled:
    """Run the stage.

    Raises:
        PipelineError: As the stage does; then nothing it writes is there.
    """
    folder, metrics = tmp_path / "data/pull", tmp_path / "metrics.json"
    given = path if isinstance(path, list) else str(path)
    try:
        pull(SourceParams(path=given, **params), folder, metrics)
    except PipelineError:
        assert not folder.exists() and not metrics.exists()
        raise
    completions = read_table(folder / "completions.parquet", COMPLETIONS)
    ledger = read_table(folder / "ledger.parquet", LEDGER)
    found = read_json(metrics)
    assert found["in"] == found["kept"] + ledger.height == found["kept"] + sum(found["dropped"].values())
    return Pulled(completions, ledger, found)


def check_stops(tmp_path: Path, case: BadLine, kind: str, path: Path, row: int, **params: Any) -> None:
    """The stage stops at the bad row, and says which, where and why.

    Args:
        tmp_path: Where to write.
        case: The bad row.
        kind: The kind of source.
        path: A file that holds it.
        row: Its number there.
        params: Further keys of ``source``.
    """
    with pytest.raises(PipelineError) as caught:
        pulled(tmp_path, path, kind=kind, **params)
    error = caught.value
    assert isinstance(error, RowFault)
    assert (error.reason, error.file, error.row) == (case.reason, str(path), row), error
    assert error.column == case.column, error
    assert str(error.found).startswith(case.found), error
    assert case.expected in str(error.expected), error
    assert error.hint, error


def check_drops(
    tmp_path: Path, cases: Sequence[BadLine], kind: str, path: Path, rows: Sequence[int], **params: Any
) -> Pulled:
    """The bad rows, and no others, go to the ledger with their evidence.

    Args:
        tmp_path: Where to write.
        cases: The bad rows.
        kind: The kind of source.
        path: A file that holds them.
        rows: Their numbers there.
        params: Further keys of ``source``.
    """
    found = pulled(tmp_path, path, kind=kind, on_bad_row="drop", max_bad_share=0.99, **params)
    by_place = {detail.split(":")[0].split(",")[0]: (reason, detail) for reason, detail in _told(found)}
    assert len(by_place) == found.ledger.height == len(cases)
    for case, row in zip(cases, rows, strict=True):
        reason, detail = by_place[f"{path.name} row {row}"]
        assert reason == case.reason, (case.name, detail)
        column = "" if case.column is None else f", column {case.column}"
        assert detail.startswith(f"{path.name} row {row}{column}: "), (case.name, detail)
        assert f"found: {case.found}" in detail, (case.name, detail)
        assert case.expected in detail.split("; expected: ")[1], (case.name, detail)
    assert set(found.ledger["row_id"]).isdisjoint(found.completions["row_id"])
    assert set(found.completions["line"]).isdisjoint(rows)
    return found


def _told(found: Pulled) -> list[tuple[str, str]]:
    return found.ledger.select("reason", "detail").rows()


def check_refused(tmp_path: Path, case: BadFile, on_bad_row: str, **params: Any) -> None:
    """The source is refused, with what its error is to say."""
    folder = tmp_path / "source"
    folder.mkdir()
    for name, content in case.files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content() if callable(content) else content)
    path = [str(folder / part) for part in case.path] if isinstance(case.path, list) else folder / case.path
    with pytest.raises(PipelineError) as caught:
        pulled(tmp_path, path, on_bad_row=on_bad_row, max_bad_share=0.99, **params)
    error = caught.value
    assert not isinstance(error, RowFault)
    assert case.problem in error.problem, error
    assert error.file == (None if case.file is None else str(folder / case.file)), error
    if isinstance(case.row, str):
        assert str(error.row).startswith(case.row), error
    else:
        assert error.row == case.row, error
    assert error.key == case.key, error
    for part, said in ((case.found, error.found), (case.expected, error.expected), (case.hint, error.hint)):
        assert part in str(said), error
    assert error.hint, error


def among(good: Callable[[int], Row], bad: Sequence[BadLine]) -> tuple[bytes, list[int]]:
    """A file with a good row before, between and behind the bad ones, and the numbers of these."""
    lines = [jsonl([good(0)])]
    for number, case in enumerate(bad, start=1):
        lines += [case.line + b"\n", jsonl([good(number)])]
    return b"".join(lines), [2 * number for number in range(1, len(bad) + 1)]
