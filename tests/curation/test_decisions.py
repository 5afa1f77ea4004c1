"""Decisions: what a line must be, in the older shape too, and how lines are added."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.curation.decisions import Decision, append_decisions, read_decisions
from pipeline.errors import PipelineError

IDS = [f"{number:016x}" for number in range(10)]


HASH = "0123456789abcdef" * 4


def decision(number: int, action: str, **more: Any) -> dict[str, Any]:
    base = {"pair_id": IDS[number], "action": action, "annotators": ["kim"]}
    return {**base, "when": "2025-01-01T10:00:00+00:00", "reason": "because", **more}


def older(number: int, action: str, **more: Any) -> dict[str, Any]:
    base = {"pair_id": IDS[number], "action": action, "annotator": "kim"}
    return {**base, "when": "2025-01-01T10:00:00+00:00", "why": "because", **more}


def written(tmp_path: Path, *rows: Any) -> Path:
    path = tmp_path / "decisions.jsonl"
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return path


def test_lines_are_read_by_number(tmp_path: Path) -> None:
    rows = [
        decision(0, "drop", annotators=["kim", "lee"], agreement=0.5, texts_sha256=HASH),
        "",
        decision(1, "edit", prompt=[{"role": "user", "content": "Hi"}], chosen="x"),
    ]
    read = read_decisions(written(tmp_path, *rows))
    assert [(number, item.model_dump(exclude_none=True)) for number, item in read.items()] == [
        (1, rows[0]),
        (3, rows[2]),
    ]


def test_reason_agreement_and_texts_may_be_left_out(tmp_path: Path) -> None:
    line = {key: value for key, value in decision(0, "keep").items() if key != "reason"}
    read = read_decisions(written(tmp_path, line))[1]
    assert (read.reason, read.agreement, read.texts_sha256) == ("", None, None)


def test_the_older_shape_is_read(tmp_path: Path) -> None:
    read = read_decisions(written(tmp_path, older(0, "swap", texts="0123456789abcdef")))[1]
    assert read == Decision(
        pair_id=IDS[0],
        action="swap",
        annotators=["kim"],
        reason="because",
        when="2025-01-01T10:00:00+00:00",
        texts="0123456789abcdef",
    )


def test_a_line_separator_in_a_text_ends_no_line(tmp_path: Path) -> None:
    path = tmp_path / "decisions.jsonl"
    rows = [decision(0, "drop", reason="a\u2028b"), decision(1, "drop")]
    path.write_text("\r\n".join(json.dumps(row, ensure_ascii=False) for row in rows), encoding="utf-8")
    assert [item.reason for item in read_decisions(path).values()] == ["a\u2028b", "because"]


# --- faults ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "column", "expected"),
    [
        ("{", None, "one JSON object per line"),
        ("[]", None, "one JSON object per line"),
        (decision(0, "remove"), "action", "'keep', 'swap', 'drop' or 'edit'"),
        ({**decision(0, "keep"), "pair_id": "XYZ"}, "pair_id", "match pattern"),
        ({**decision(0, "keep"), "pair_id": 3}, "pair_id", "string"),
        (older(0, "keep", annotator=""), "annotator", "at least 1 character"),
        (older(0, "keep", why=None), "why", "string"),
        (decision(0, "keep", why="x"), "why", "Extra inputs"),
        (decision(0, "keep", annotator="kim"), "annotator", "Extra inputs"),
        (decision(0, "keep", annotators=[]), "annotators", "at least 1 item"),
        (decision(0, "keep", annotators=["kim", ""]), "annotators.1", "at least 1 character"),
        (decision(0, "keep", annotators=["kim", "kim"]), "annotators", "named once"),
        (decision(0, "keep", agreement=1.5), "agreement", "less than or equal to 1"),
        (decision(0, "keep", texts_sha256="0" * 16), "texts_sha256", "match pattern"),
        (decision(0, "keep", when="yesterday"), "when", "Invalid isoformat string"),
        (decision(0, "keep", when=20250101), "when", "string"),
        (decision(0, "keep", reason=None), "reason", "string"),
        (decision(0, "keep", texts="abc"), "texts", "match pattern"),
        (decision(0, "keep", note="x"), "note", "Extra inputs"),
        ({key: value for key, value in decision(0, "keep").items() if key != "when"}, "when", "required"),
        (decision(0, "keep", chosen="x"), None, "for edit only"),
        (decision(0, "edit"), None, "at least one of prompt, chosen and rejected"),
        (decision(0, "edit", prompt=[]), "prompt", "at least 1 item"),
        (decision(0, "edit", prompt=[{"role": "me", "content": "x"}]), "prompt.0.role", "'user'"),
        (decision(0, "edit", prompt=[{"role": "assistant", "content": "x"}]), None, "message of the user"),
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
    (tmp_path / "a.jsonl").write_bytes(b"\n\xff\xfe")
    with pytest.raises(PipelineError, match="UTF-8") as caught:
        read_decisions(tmp_path / "a.jsonl")
    assert caught.value.row == 2


# --- adding lines ---------------------------------------------------------------------------------------


def test_lines_are_added_once_and_the_others_stay_byte_by_byte(tmp_path: Path) -> None:
    path = tmp_path / "decisions.jsonl"
    # Spaces, order of fields, a CR, no end of line: a person wrote it.
    there = (
        json.dumps(older(0, "drop"), indent=None, separators=(" , ", " : "))
        + "\r\n"
        + json.dumps(decision(1, "keep"))
    )
    path.write_bytes(there.encode())
    again, new = Decision(**decision(1, "keep")), Decision(**decision(2, "edit", chosen="\u2028 \u00e9"))
    assert append_decisions(path, [again, new, new]) == 1
    assert path.read_bytes() == (there + "\n" + new.line() + "\n").encode()
    assert append_decisions(path, [new, again]) == 0
    assert list(read_decisions(path)) == [1, 2, 3]
    assert json.loads(new.line()) == decision(2, "edit", chosen="\u2028 \u00e9")


def test_the_first_lines_make_the_file(tmp_path: Path) -> None:
    path = tmp_path / "new" / "decisions.jsonl"
    assert append_decisions(path, []) == 0 and not path.exists()
    assert append_decisions(path, [Decision(**decision(0, "keep"))]) == 1
    assert [item.action for item in read_decisions(path).values()] == ["keep"]


def test_nothing_is_added_to_a_file_that_is_not_valid(tmp_path: Path) -> None:
    path = written(tmp_path, decision(0, "keep"), "{")
    before = path.read_bytes()
    with pytest.raises(PipelineError, match="not JSON"):
        append_decisions(path, [Decision(**decision(1, "keep"))])
    assert path.read_bytes() == before
