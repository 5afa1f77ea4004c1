"""What was sent: read, appended once, un-blinded by the record."""

import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.curation.sent import Sent, append_sent, latest_sent, read_sent, sent_path
from pipeline.errors import PipelineError

WHEN = "2026-11-22T10:00:00+00:00"


def line(number: int, **more: Any) -> Sent:
    fields = {"texts_sha256": f"{number:064x}", "first": "chosen", "where": "argilla:pairs", "when": WHEN}
    return Sent(pair_id=f"{number:016x}", **{**fields, **more})


def test_it_lies_beside_the_decisions() -> None:
    assert sent_path(Path("curation/decisions.jsonl")) == Path("curation/sent.jsonl")


def test_nothing_was_sent_where_there_is_no_file(tmp_path: Path) -> None:
    assert read_sent(tmp_path / "sent.jsonl") == []


def test_lines_are_appended_in_order_as_json(tmp_path: Path) -> None:
    path = tmp_path / "curation" / "sent.jsonl"
    assert append_sent(path, [line(2), line(1, first="rejected")]) == 2
    assert append_sent(path, [line(3)]) == 1
    assert read_sent(path) == [line(2), line(1, first="rejected"), line(3)]
    assert json.loads(path.read_text().splitlines()[1]) == {
        "pair_id": "0000000000000001",
        "texts_sha256": f"{1:064x}",
        "first": "rejected",
        "where": "argilla:pairs",
        "when": WHEN,
    }


def test_sending_again_adds_nothing_and_keeps_the_first_time(tmp_path: Path) -> None:
    path = tmp_path / "sent.jsonl"
    append_sent(path, [line(1)])
    before = path.read_bytes()
    assert append_sent(path, [line(1, when="2027-01-01"), line(1)]) == 0
    assert path.read_bytes() == before
    # Another place and other texts are other sendings, and one of them given twice is one.
    other, changed = line(1, where="file:a", first="rejected"), line(1, texts_sha256=f"{9:064x}")
    assert append_sent(path, [other, changed, other]) == 2


def test_a_line_is_added_after_a_file_without_a_last_newline(tmp_path: Path) -> None:
    path = tmp_path / "sent.jsonl"
    append_sent(path, [line(1)])
    path.write_text(path.read_text().rstrip("\n"))
    append_sent(path, [line(2)])
    assert [sent.pair_id for sent in read_sent(path)] == [f"{1:016x}", f"{2:016x}"]


def test_a_pair_sent_again_in_another_order_is_recorded_and_the_latest_counts(tmp_path: Path) -> None:
    path = tmp_path / "sent.jsonl"
    assert append_sent(path, [line(1), line(2)]) == 2
    assert append_sent(path, [line(1, first="rejected"), line(2)]) == 1
    assert append_sent(path, [line(1)]) == 1
    assert [sent.first for sent in read_sent(path)] == ["chosen", "chosen", "rejected", "chosen"]


def test_what_was_latest_sent_a_place_is_the_latest_of_each_pair() -> None:
    changed = line(1, texts_sha256=f"{9:064x}", first="rejected")
    record = [line(1), line(2, where="review"), line(3), changed]
    assert latest_sent(record, "argilla:pairs") == {changed.pair_id: changed, f"{3:016x}": line(3)}


@pytest.mark.parametrize(
    ("first", "choice", "preferred"),
    [
        ("chosen", "A", "chosen"),
        ("chosen", "B", "rejected"),
        ("rejected", "A", "rejected"),
        ("rejected", "B", "chosen"),
        ("rejected", "tie", "tie"),
        ("chosen", "both_bad", "both_bad"),
    ],
)
def test_unblinding(first: Any, choice: Any, preferred: str) -> None:
    assert line(1, first=first).unblind(choice) == preferred


@pytest.mark.parametrize(
    ("text", "column"),
    [
        ("nonsense", None),
        (line(2).model_dump_json().replace("chosen", "A"), "first"),
        (line(2).model_dump_json().replace(WHEN, "soon"), "when"),
        (line(2).model_dump_json().replace("argilla:pairs", ""), "where"),
        (line(2).model_dump_json()[:-1] + ', "margin": 1}', "margin"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, text: str, column: str | None) -> None:
    path = tmp_path / "sent.jsonl"
    path.write_text(line(1).model_dump_json() + "\n\n" + text + "\n")
    with pytest.raises(PipelineError) as caught:
        read_sent(path)
    assert (caught.value.file, caught.value.row, caught.value.column) == (str(path), 3, column)
