"""Decisions: what a line must be, which one counts, and what it does to a pair."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from pipeline.curation.decisions import apply_decisions, read_decisions
from pipeline.errors import PipelineError
from pipeline.files import content_id
from pipeline.schema import CLUSTERED_PAIRS
from pipeline.tables import validate

IDS = [f"{number:016x}" for number in range(10)]


def pair(number: int) -> dict[str, Any]:
    return {
        "pair_id": IDS[number],
        "prompt_id": f"p{number}",
        "row_id": f"r{number}",
        "source": "s",
        "prompt": [{"role": "user", "content": "Hi"}],
        "chosen": f"good {number}",
        "rejected": f"bad {number}",
        "chosen_score": 5.0,
        "rejected_score": 2.0,
        "margin": 3.0,
        "chosen_model": "A",
        "rejected_model": "B",
        "cluster_id": f"c{number}",
    }


def pairs(count: int) -> pl.DataFrame:
    return pl.DataFrame([pair(number) for number in range(count)], schema=CLUSTERED_PAIRS.schema())


def decision(number: int, action: str, **more: Any) -> dict[str, Any]:
    base = {"pair_id": IDS[number], "action": action, "annotator": "kim"}
    return {**base, "when": "2025-01-01T10:00:00+00:00", "why": "because", **more}


def written(tmp_path: Path, *rows: Any) -> Path:
    path = tmp_path / "decisions.jsonl"
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return path


def applied(tmp_path: Path, frame: pl.DataFrame, *rows: Any) -> tuple[list[dict[str, Any]], Any, Any]:
    kept, ledger, stale = apply_decisions(frame, read_decisions(written(tmp_path, *rows)))
    validate(kept, CLUSTERED_PAIRS)
    return kept.to_dicts(), ledger.frame(), stale


# --- effects --------------------------------------------------------------------------------------------


def test_no_decisions_change_nothing(tmp_path: Path) -> None:
    frame = pairs(3)
    kept, ledger, stale = apply_decisions(frame, read_decisions(written(tmp_path)))
    assert kept.equals(frame)
    assert (ledger.counts(), stale.height) == ({}, 0)


def test_keep_changes_nothing(tmp_path: Path) -> None:
    kept, ledger, stale = applied(tmp_path, pairs(2), decision(0, "keep"))
    assert kept == pairs(2).to_dicts()
    assert (ledger.height, stale.height) == (0, 0)


def test_drop_goes_to_the_ledger_with_who_and_why(tmp_path: Path) -> None:
    kept, ledger, _ = applied(tmp_path, pairs(3), decision(0, "drop"), decision(2, "drop", why=""))
    assert [row["pair_id"] for row in kept] == [IDS[1]]
    assert ledger.select("stage", "reason", "pair_id", "row_id", "detail").rows() == [
        ("curate", "dropped_by_annotator", IDS[0], "r0", "kim: because"),
        ("curate", "dropped_by_annotator", IDS[2], "r2", "kim"),
    ]


def test_swap_exchanges_texts_scores_and_models(tmp_path: Path) -> None:
    kept, _, _ = applied(tmp_path, pairs(2), decision(1, "swap"))
    assert kept[0] == pairs(1).row(0, named=True)
    assert kept[1] == {
        **pair(1),
        "chosen": "bad 1",
        "rejected": "good 1",
        "chosen_score": 2.0,
        "rejected_score": 5.0,
        "margin": -3.0,
        "chosen_model": "B",
        "rejected_model": "A",
        "constraint": None,
    }


def test_edit_replaces_texts_and_what_no_longer_describes_them(tmp_path: Path) -> None:
    kept, _, _ = applied(
        tmp_path,
        pairs(2),
        decision(0, "edit", chosen="better", rejected="bad 0"),
        decision(1, "edit", chosen="good 1", rejected="bad 1"),
    )
    assert kept[0] == {
        **pair(0),
        "chosen": "better",
        "chosen_score": None,
        "margin": None,
        "chosen_model": None,
        "constraint": None,
    }
    assert kept[1] == {**pair(1), "constraint": None}


def test_the_latest_decision_counts_then_the_later_line(tmp_path: Path) -> None:
    rows = [
        decision(0, "drop", when="2025-01-02T00:30:00+02:00"),
        decision(0, "swap", when="2025-01-01T23:00:00Z"),
        decision(0, "keep", when="2025-01-01T22:59:59"),
        decision(1, "drop"),
        decision(1, "keep"),
    ]
    decided = read_decisions(written(tmp_path, *rows))
    assert {number: item.action for number, item in decided.latest.items()} == {2: "swap", 5: "keep"}
    assert decided.superseded == 3


def test_stale_decisions_are_reported_and_not_applied(tmp_path: Path) -> None:
    now = content_id("good 0", "bad 0")
    rows = [
        decision(0, "drop", texts=now),
        decision(1, "drop", texts=now),
        "",
        decision(9, "swap", annotator="lee", why=""),
    ]
    kept, ledger, stale = applied(tmp_path, pairs(3), *rows)
    assert [row["pair_id"] for row in kept] == IDS[1:3]
    assert ledger["pair_id"].to_list() == [IDS[0]]
    assert stale.select("line", "pair_id", "action", "problem", "annotator").rows() == [
        (2, IDS[1], "drop", "the pair's texts have changed since", "kim"),
        (4, IDS[9], "swap", "no such pair", "lee"),
    ]


def test_the_order_of_pairs_does_not_matter(tmp_path: Path) -> None:
    rows = [decision(3, "drop"), decision(1, "swap"), decision(2, "edit", chosen="x", rejected="y")]
    one = applied(tmp_path, pairs(6), *rows)
    other = applied(tmp_path, pairs(6).reverse(), *rows)
    assert one[0] == other[0] and one[1].equals(other[1])


def test_a_line_separator_in_a_text_ends_no_line(tmp_path: Path) -> None:
    path = tmp_path / "decisions.jsonl"
    rows = [decision(0, "drop", why="a\u2028b"), decision(1, "drop")]
    path.write_text("\r\n".join(json.dumps(row, ensure_ascii=False) for row in rows), encoding="utf-8")
    assert [item.why for item in read_decisions(path).latest.values()] == ["a\u2028b", "because"]


# --- faults ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "column", "expected"),
    [
        ("{", None, "one JSON object per line"),
        ("[]", None, "dictionary"),
        (decision(0, "remove"), "action", "'keep', 'swap', 'drop' or 'edit'"),
        ({**decision(0, "keep"), "pair_id": "XYZ"}, "pair_id", "match pattern"),
        ({**decision(0, "keep"), "pair_id": 3}, "pair_id", "string"),
        (decision(0, "keep", annotator=""), "annotator", "at least 1 character"),
        (decision(0, "keep", when="yesterday"), "when", "Invalid isoformat string"),
        (decision(0, "keep", when=20250101), "when", "string"),
        (decision(0, "keep", why=None), "why", "string"),
        (decision(0, "keep", texts="abc"), "texts", "match pattern"),
        (decision(0, "keep", note="x"), "note", "Extra inputs"),
        ({key: value for key, value in decision(0, "keep").items() if key != "when"}, "when", "required"),
        (decision(0, "keep", chosen="x"), None, "for edit only"),
        (decision(0, "edit", chosen="x"), None, "both chosen and rejected"),
        (decision(0, "edit", chosen="x", rejected=" \n"), None, "blank"),
        (decision(0, "edit", chosen="x", rejected=" X"), None, "the same"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, line: Any, column: str | None, expected: str) -> None:
    path = written(tmp_path, decision(1, "keep"), line)
    with pytest.raises(PipelineError) as caught:
        read_decisions(path)
    error = caught.value
    assert (error.file, error.row, error.column) == (str(path), 2, column)
    assert expected in str(error.expected)
    assert error.found is not None


def test_a_missing_file_is_named_with_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match="touch") as caught:
        read_decisions(tmp_path / "none.jsonl")
    assert caught.value.key == "curate.decisions"


def test_a_file_that_is_no_utf8_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(b"\xff\xfe")
    with pytest.raises(PipelineError, match="cannot be read"):
        read_decisions(tmp_path / "a.jsonl")
