"""Rows that cannot be read: what stops the stage, what goes to the ledger, and under which id and name."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.errors import PipelineError
from pipeline.files import content_id, read_json, sha256_file
from pipeline.params import SourceParams
from pipeline.report.dropped import borderline, dropped_rows
from pipeline.schema import COMPLETIONS, LEDGER, PAIRS
from pipeline.sources import hh_rlhf, ultrafeedback
from pipeline.sources.faults import REASONS, BadRow
from pipeline.sources.pair_rows import PROMPTS_DIFFER
from pipeline.sources.pull import pull
from pipeline.sources.reading import read_file
from pipeline.sources.ultrafeedback_binarized import ADAPTER
from pipeline.tables import read_table
from pipeline.trace import trace
from pipeline.trace_stages import Asides

FIELD = "A source row has a field of the wrong type or value"
RESPONSE = "a string, or a list of messages (role, content) that ends in the assistant's"


def pair(number: int, **fields: Any) -> bytes:
    row = {"prompt": f"q{number}", "chosen": f"good {number}", "rejected": f"bad {number}", **fields}
    return json.dumps(row).encode()


BAD_LINES = {
    3: b"{",
    5: pair(5, chosen=7),
    8: b'{"prompt": "\xe4"}',
    9: b"{",
    11: pair(11, score_chosen="9"),
}
"""Lines of a file of twelve that cannot be read; the fourth is blank."""

BAD = [
    BadRow(
        3,
        "not_json",
        "A line is not one JSON object",
        None,
        "Expecting property name enclosed in double quotes: line 1 column 2 (char 1) in '{'",
        "one JSON object per line",
    ),
    BadRow(5, "wrong_type", FIELD, "chosen", "int 7", RESPONSE),
    BadRow(8, "not_utf8", "A line is not UTF-8", None, "byte 0xe4 at 13", "text in UTF-8"),
    BadRow(
        9,
        "not_json",
        "A line is not one JSON object",
        None,
        "Expecting property name enclosed in double quotes: line 1 column 2 (char 1) in '{'",
        "one JSON object per line",
    ),
    BadRow(11, "wrong_type", FIELD, "score_chosen", "str '9'", "a number or null"),
]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "mine.jsonl"
    path.write_bytes(b"\n".join(BAD_LINES.get(n, b"" if n == 4 else pair(n)) for n in range(1, 13)))
    return path


def pulled(
    tmp_path: Path, path: Path, block_bytes: int = 1 << 20, **params: Any
) -> tuple[pl.DataFrame, pl.DataFrame, dict[str, Any]]:
    given = {"kind": "ultrafeedback_binarized", "on_bad_row": "drop", "max_bad_share": 0.5, **params}
    folder, metrics = tmp_path / "data/pull", tmp_path / "metrics/pull.json"
    pull(SourceParams(path=str(path), **given), folder, metrics, block_bytes)
    tables = (read_table(folder / f"{name}.parquet", table) for name, table in TABLES.items())
    completions, ledger = tables
    return completions, ledger, read_json(metrics)


TABLES = {"completions": COMPLETIONS, "ledger": LEDGER}


@pytest.mark.parametrize("block_bytes", [1, 100, 1 << 20])
def test_every_bad_row_is_listed_without_stopping(source: Path, block_bytes: int) -> None:
    blocks = list(read_file(source, ADAPTER, block_bytes, on_bad="drop"))
    assert [row for block in blocks for row in block.bad] == BAD
    # Each has a record, and so an id, like the rows that can be read.
    assert [line for block in blocks for line in block.lines] == [1, 2, 3, *range(5, 13)]
    reasons = [block.records.filter(pl.col("reason").is_not_null())["reason"].to_list() for block in blocks]
    assert [reason for some in reasons for reason in some] == [row.reason for row in BAD]


def test_a_bad_row_stops_the_stage_unless_it_is_to_be_dropped(tmp_path: Path, source: Path) -> None:
    with pytest.raises(PipelineError) as caught:
        pulled(tmp_path, source, on_bad_row="error")
    assert (caught.value.file, caught.value.row) == (str(source), 3)
    assert not (tmp_path / "data").exists() or not list((tmp_path / "data").iterdir())


def test_bad_rows_go_to_the_ledger_with_their_evidence(tmp_path: Path, source: Path) -> None:
    completions, ledger, metrics = pulled(tmp_path, source)
    assert (metrics["in"], metrics["kept"]) == (11, 6)
    assert metrics["dropped"] == {"not_json": 2, "not_utf8": 1, "wrong_type": 2}
    assert completions["line"].to_list() == [line for line in (1, 2, 6, 7, 10, 12) for _ in range(2)]
    assert set(ledger["stage"]) == {"pull"}
    assert set(ledger["row_id"]).isdisjoint(completions["row_id"])
    assert set(ledger.select("reason", "detail").rows()) == {
        (row.reason, row.detail("mine.jsonl")) for row in BAD
    }
    assert BAD[1].detail("mine.jsonl") == (
        f"mine.jsonl row 5, column chosen: {FIELD}; found: int 7; expected: {RESPONSE}"
    )
    assert BAD[2].detail("mine.jsonl") == (
        "mine.jsonl row 8: A line is not UTF-8; found: byte 0xe4 at 13; expected: text in UTF-8"
    )


def test_ids_are_made_of_the_raw_bytes_and_repeats_are_counted(tmp_path: Path, source: Path) -> None:
    _, ledger, _ = pulled(tmp_path, source)
    first, second = (
        ledger.filter(pl.col("detail").str.starts_with(f"mine.jsonl row {row}:"))["row_id"].item()
        for row in (3, 9)
    )
    assert second == content_id(first, "2")
    other = tmp_path / "other.jsonl"
    other.write_bytes(b"  {  \r\n" + pair(1) + b"\n" + pair(2))
    _, elsewhere, _ = pulled(tmp_path / "other", other)
    assert elsewhere["row_id"].to_list() == [first]
    assert ledger["row_id"].n_unique() == len(BAD)


@pytest.mark.parametrize("threads", [1, 3])
def test_the_bytes_depend_on_neither_block_size_nor_threads(
    tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch, threads: int
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: threads)
    written = set()
    for block_bytes in (1, 150, 1 << 20):
        _, _, metrics = pulled(tmp_path, source, block_bytes)
        # Where a block is not halved any more, how many good rows are read with a bad one does depend on it.
        del metrics["rows_read_singly"]
        tables = (sha256_file(tmp_path / f"data/pull/{name}.parquet") for name in TABLES)
        written.add((*tables, json.dumps(metrics)))
    assert len(written) == 1


def test_more_bad_rows_than_allowed_stop_the_stage_with_their_places(tmp_path: Path, source: Path) -> None:
    with pytest.raises(PipelineError) as caught:
        pulled(tmp_path, source, max_bad_share=0.45)
    error = caught.value
    assert (error.problem, error.key) == ("Too many rows cannot be read", "source.max_bad_share")
    assert error.found == "5 of 11 rows (45.455%): not_json 2, not_utf8 1, wrong_type 2"
    assert error.expected == "a share of 0.45 at most"
    assert error.hint == (
        "The first are not_json: mine.jsonl row 3, mine.jsonl row 9; not_utf8: mine.jsonl row 8; "
        "wrong_type: mine.jsonl row 5, mine.jsonl row 11. Correct them, or source.kind and source.columns, "
        "or raise source.max_bad_share"
    )
    assert not (tmp_path / "data/pull").exists()


def test_the_share_is_taken_over_all_files_and_may_be_met_exactly(tmp_path: Path) -> None:
    bad, good = tmp_path / "bad.jsonl", tmp_path / "good.jsonl"
    bad.write_bytes(b"\n".join([b"[]"] * 4))
    good.write_bytes(b"\n".join(map(pair, range(12))))
    params = {"kind": "ultrafeedback_binarized", "path": [str(bad), str(good)], "on_bad_row": "drop"}
    metrics = tmp_path / "pull.json"
    pull(SourceParams(**params, max_bad_share=0.25), tmp_path / "pull", metrics)
    assert read_json(metrics)["dropped"] == {"not_an_object": 4}
    with pytest.raises(PipelineError, match="Too many rows") as caught:
        pull(SourceParams(**params, max_bad_share=0.24), tmp_path / "pull", metrics)
    # Of each reason the first three.
    first = "not_an_object: bad.jsonl row 1, bad.jsonl row 2, bad.jsonl row 3. "
    assert first in str(caught.value.hint)
    assert read_json(metrics)["in"] == 16


def test_damage_to_the_file_is_an_error_all_the_same(tmp_path: Path, source: Path) -> None:
    path = tmp_path / "mine.parquet"
    path.write_bytes(source.read_bytes())
    with pytest.raises(PipelineError):
        pulled(tmp_path, path)


def test_bad_rows_of_parquet(tmp_path: Path) -> None:
    text = pa.array(["a", "b", "c", "b"])
    chosen = pa.array([b"x", b"\xff", b"z", b"\xff"]).view(pa.string())
    path = tmp_path / "mine.parquet"
    pq.write_table(pa.table({"prompt": text, "chosen": chosen, "rejected": text}), path)
    completions, ledger, metrics = pulled(tmp_path, path)
    assert (metrics["in"], metrics["kept"], metrics["dropped"]) == (4, 2, {"not_utf8": 2})
    assert completions["line"].to_list() == [1, 1, 3, 3]
    details = ledger["detail"].to_list()
    assert sorted(detail.split(":")[0] for detail in details) == [
        f"mine.parquet row {row}, column chosen" for row in (2, 4)
    ]
    # The same bytes twice: told apart by their count.
    first = ledger.filter(pl.col("detail").str.contains("row 2,"))["row_id"].item()
    assert set(ledger["row_id"]) == {first, content_id(first, "2")}


def test_values_and_names_that_python_has_no_room_for(tmp_path: Path) -> None:
    far = pa.array([1, 10**18], pa.timestamp("ms"))
    twice = pa.StructArray.from_arrays([far, far], names=["a", "a"])
    for column, found in ((far, "timestamp[ms]: "), (twice, "struct<a: timestamp[ms], a: timestamp[ms]>: ")):
        path = tmp_path / "mine.parquet"
        # No shape of texts fits, so that every column is read.
        pq.write_table(pa.table({"prompt": pa.array([1, 2]), "chosen": column}), path)
        (block,) = read_file(path, ADAPTER, on_bad="drop")
        bad = block.bad[-1]
        assert (bad.number, bad.reason, bad.column) == (2, "bad_value", "chosen")
        assert str(bad.found).startswith(found)
        assert block.hashes.n_unique() == 2


def test_a_trace_and_the_report_tell_of_a_bad_row(tmp_path: Path, source: Path) -> None:
    completions, ledger, _ = pulled(tmp_path, source)
    entry = ledger.row(by_predicate=pl.col("reason") == "not_utf8", named=True)
    found = trace(tmp_path, entry["row_id"][:10], Asides(benchmark_prompt=lambda _: None))
    assert (found.kind, found.id, [row.row_id for row in found.rows]) == (
        "row",
        entry["row_id"],
        [entry["row_id"]],
    )
    ((step,),) = [row.steps for row in found.rows]
    assert (step.stage, step.outcome, step.reason) == ("pull", "dropped", "not_utf8")
    assert step.facts == {"detail": BAD[2].detail("mine.jsonl")}
    (stage,) = dropped_rows(ledger, borderline(ledger), PAIRS.empty(), completions)
    assert (stage.stage, stage.count) == ("pull", 5)
    assert [(reason.reason, reason.count) for reason in stage.reasons] == [
        ("not_json", 2),
        ("wrong_type", 2),
        ("not_utf8", 1),
    ]
    (example,) = stage.reasons[2].examples
    assert (example.name, example.evidence) == (
        f"row {entry['row_id']}",
        [("because", BAD[2].detail("mine.jsonl"))],
    )


def test_reasons_of_bad_rows_are_no_reasons_of_good_ones() -> None:
    others = {
        ultrafeedback.NO_COMPLETIONS,
        PROMPTS_DIFFER,
        hh_rlhf.NOT_A_TRANSCRIPT,
        hh_rlhf.ENDS_WITHOUT_ASSISTANT,
        hh_rlhf.ROLES_DO_NOT_ALTERNATE,
    }
    assert others.isdisjoint(REASONS)


def test_an_error_without_a_reason_has_one_too() -> None:
    error = PipelineError("It is odd", column="x", found="y")
    assert BadRow.of(error, 4) == BadRow(4, "unreadable", "It is odd", "x", "y", None)
    assert BadRow.of(error, 4).reason in REASONS
