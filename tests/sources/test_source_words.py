"""What pull says of a private source before it reads it, and what unreadable rows leave to be told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipeline.errors import PipelineError
from pipeline.params import SourceParams
from pipeline.sources.private.understood import Layout
from pipeline.sources.pull import pull
from pipeline.sources.reading import readable_rows
from pipeline.sources.source_words import FileFacts, understood_lines


def test_fields_stand_with_what_they_are_read_as_and_why() -> None:
    layout = Layout(
        "ranking",
        {"prompt": "q", "responses": ("a", "b\x1b[0m")},
        {"kind": "named in source.kind", "prompt": "a usual name", "label": "numbers from 1"},
        ("Columns that are not read: z.",),
    )
    files = [FileFacts("x.csv", "CSV", 1234), FileFacts("y.csv", "CSV", 5, 2)]
    assert understood_lines("ranking", files, layout) == [
        "source.kind: ranking  (named in source.kind)",
        "  x.csv: CSV, 1,234 bytes",
        "  y.csv: CSV, 5 bytes, 2 rows",
        "  prompt    <- q  (a usual name)",
        "  responses <- a, b␛[0m",
        "  label: numbers from 1",
        "  Columns that are not read: z.",
    ]


def test_many_files_are_counted_together() -> None:
    files = [FileFacts(f"{number}.csv", "CSV", 100) for number in range(20)]
    lines = understood_lines(None, files, None)
    assert (lines[0], len(lines), lines[-1]) == (
        "source.kind: cannot be told",
        10,
        "  and 12 files more, 1,200 bytes",
    )


def test_pull_says_it_first(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "mine.jsonl"
    path.write_text(json.dumps({"prompt": "q", "chosen": "a", "rejected": "b"}) + "\n")
    pull(SourceParams(kind="pairs", path=str(path)), tmp_path / "pull", tmp_path / "pull.json")
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == [
        "source.kind: pairs  (named in source.kind)",
        f"  mine.jsonl: JSON Lines, {path.stat().st_size} bytes",
    ]
    assert [line.split("  (")[0].split() for line in lines[2:5]] == [
        ["chosen", "<-", "chosen"],
        ["rejected", "<-", "rejected"],
        ["prompt", "<-", "prompt"],
    ]


def test_rows_that_cannot_be_read_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "mine.jsonl"
    path.write_bytes(b'{"a": \n\n{"a": 1}\n[2]\n{"a": "\xff"}\n{"a": 3}\n')
    assert list(readable_rows(path)) == [(3, {"a": 1}), (6, {"a": 3})]


def test_where_none_can_be_read_the_first_says_why(tmp_path: Path) -> None:
    path = tmp_path / "mine.jsonl"
    path.write_bytes(b"[2]\nno\n")
    with pytest.raises(PipelineError) as caught:
        list(readable_rows(path))
    assert (caught.value.row, caught.value.file) == (1, str(path))
