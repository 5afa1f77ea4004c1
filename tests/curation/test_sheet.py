"""The file for annotators: blind, whole, read back exactly; every fault named by its row."""

import csv
import io
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.curation.blind_pairs import blind_pairs
from pipeline.curation.offline.cells import MAX_CELL, unguard
from pipeline.curation.offline.export import Exported, export_queue
from pipeline.curation.offline.sheet import COLUMNS, write_sheet
from pipeline.curation.offline.sheet_import import import_sheet
from pipeline.curation.offline.sheet_rows import read_sheet
from pipeline.curation.sent import read_sent
from pipeline.errors import PipelineError
from pipeline.schema import ANNOTATIONS
from pipeline.validation import validate
from tests.curation.queues import pair_id, queue, queued

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
SHORT = queue(*(queued(number) for number in range(4)))
NAMES = ("annotate.csv", "annotate.jsonl")


def exported(
    tmp_path: Path, name: str = "annotate.csv", frame: pl.DataFrame = SHORT
) -> tuple[Path, Exported]:
    path = tmp_path / name
    return path, export_queue(frame, path, tmp_path / "sent.jsonl")


def table(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_bytes().decode("utf-8-sig"), newline="")))


def rewrite(path: Path, rows: list[dict[str, Any]], delimiter: str = ",") -> None:
    """The rows as a spreadsheet or a program saves them."""
    if path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return
    with path.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.DictWriter(handle, list(rows[0]), delimiter=delimiter)
        writer.writeheader()
        writer.writerows(rows)


def rows_of(path: Path) -> list[dict[str, Any]]:
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in path.read_text().splitlines()]
    return list(table(path))


def fill_in(path: Path, *filled: dict[str, Any]) -> None:
    """Fill in the first rows, as an annotator does."""
    rows = rows_of(path)
    for row, more in zip(rows, filled, strict=False):
        row.update(more)
    rewrite(path, rows)


def imported(path: Path, **more: Any) -> pl.DataFrame:
    frame = import_sheet(path, read_sent(path.with_name("sent.jsonl")), when=NOW, **more)
    validate(frame, ANNOTATIONS)
    return frame


def fault(path: Path, **more: Any) -> PipelineError:
    with pytest.raises(PipelineError) as caught:
        imported(path, **more)
    assert caught.value.file == str(path)
    return caught.value


# --- the file -------------------------------------------------------------------------------------------


def test_csv_has_a_byte_order_mark_and_the_columns(tmp_path: Path) -> None:
    path, told = exported(tmp_path)
    assert path.read_bytes().startswith(b'\xef\xbb\xbf"pair_id","prompt","response_a","response_b","choice",')
    rows = table(path)
    assert tuple(rows[0]) == COLUMNS
    assert told == Exported(unguard(rows[0]["export"]), 4, ())
    # Pair 0 shows chosen first, pair 1 rejected.
    assert (rows[0]["response_a"], rows[0]["response_b"]) == ("The good answer to 0.", "The bad answer to 0.")
    assert (rows[1]["response_a"], rows[1]["response_b"]) == ("The bad answer to 1.", "The good answer to 1.")
    assert {rows[0][name] for name in ("choice", "correction", "rating", "annotator", "note")} == {""}


def test_jsonl_has_the_prompt_as_messages(tmp_path: Path) -> None:
    path, told = exported(tmp_path, "annotate.jsonl")
    row = rows_of(path)[1]
    assert tuple(row) == COLUMNS
    assert row["prompt"] == [{"role": "user", "content": "What is 1?"}]
    assert (row["response_a"], row["choice"], row["rating"]) == ("The bad answer to 1.", None, None)
    assert row["export"] == told.export


@pytest.mark.parametrize("name", NAMES)
def test_nothing_in_the_file_tells_which_is_chosen(tmp_path: Path, name: str) -> None:
    """The same texts, shown in the same way, give the same bytes whichever of them is chosen."""
    (tmp_path / "other").mkdir()
    path, _ = exported(tmp_path, name)
    turned = [
        queued(
            number,
            chosen=f"The bad answer to {number}.",
            rejected=f"The good answer to {number}.",
            first="chosen" if number % 2 else "rejected",
            margin=-9.0,
            priority=0.0,
            suspicion=0.9,
        )
        for number in range(4)
    ]
    other, _ = exported(tmp_path / "other", name, queue(*turned))
    assert path.read_bytes() == other.read_bytes()


def test_exporting_again_changes_nothing(tmp_path: Path) -> None:
    path, told = exported(tmp_path)
    before = path.read_bytes(), (tmp_path / "sent.jsonl").read_bytes()
    assert exported(tmp_path)[1] == told
    assert (path.read_bytes(), (tmp_path / "sent.jsonl").read_bytes()) == before


def test_the_record_says_which_stood_first(tmp_path: Path) -> None:
    _, told = exported(tmp_path)
    lines = read_sent(tmp_path / "sent.jsonl")
    assert [(line.pair_id, line.first, line.where) for line in lines] == [
        (pair_id(number), "rejected" if number % 2 else "chosen", f"file:{told.export}")
        for number in range(4)
    ]
    assert [line.texts_sha256 for line in lines] == SHORT["texts_sha256"].to_list()


def test_a_text_longer_than_a_cell_is_left_out_of_csv_by_name_and_never_cut(tmp_path: Path) -> None:
    fits, long = "x" * MAX_CELL, "x" * (MAX_CELL + 1)
    frame = queue(queued(0, chosen=fits), queued(1, chosen=long), queued(2, rejected="😀" * 16_384))
    path, told = exported(tmp_path, frame=frame)
    assert (told.pairs, told.too_long) == (1, (pair_id(1), pair_id(2)))
    assert table(path)[0]["response_a"] == fits
    assert [line.pair_id for line in read_sent(tmp_path / "sent.jsonl")] == [pair_id(0)]
    path, told = exported(tmp_path, "annotate.jsonl", frame)
    assert (told.pairs, told.too_long) == (3, ())
    assert rows_of(path)[1]["response_b"] == long


def test_nothing_to_export_is_said(tmp_path: Path) -> None:
    frame = queue(queued(1, chosen="x" * (MAX_CELL + 1)))
    with pytest.raises(PipelineError, match="no pair to export") as caught:
        exported(tmp_path, frame=frame)
    assert ".jsonl" in str(caught.value.hint)
    assert not (tmp_path / "sent.jsonl").exists()


def test_a_name_without_a_format_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match="does not tell the format"):
        exported(tmp_path, "annotate.xlsx")


TEXT = st.text(st.one_of(st.sampled_from("'=+-@\t\r\n\",; 0123456789"), st.characters(codec="utf-8")))


@given(st.lists(st.tuples(TEXT, TEXT, TEXT), min_size=1, max_size=3), st.sampled_from(NAMES))
def test_every_text_comes_back_exactly(
    tmp_path_factory: Any, texts: list[tuple[str, ...]], name: str
) -> None:
    path = tmp_path_factory.mktemp("sheet") / name
    rows = [
        queued(number, prompt=[{"role": "user", "content": prompt}], chosen=chosen, rejected=rejected)
        for number, (prompt, chosen, rejected) in enumerate(texts)
    ]
    pairs = list(blind_pairs(queue(*rows)))
    write_sheet(path, pairs, annotator="=anna")
    read = read_sheet(path)
    assert [(row.pair_id, row.prompt, row.response_a, row.response_b) for row in read] == [
        (pair.pair_id, pair.prompt, pair.a, pair.b) for pair in pairs
    ]
    assert {row.annotator for row in read} == {"=anna"}


# --- back -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_answers_are_unblinded_by_the_record(tmp_path: Path, name: str) -> None:
    path, told = exported(tmp_path, name)
    rating: Any = 4 if name.endswith("jsonl") else "4"
    fill_in(
        path,
        {"choice": "A", "annotator": "anna"},
        {"choice": " a", "annotator": "anna", "correction": " Better.\nYes. ", "rating": rating},
        {"choice": "Both bad", "annotator": "anna", "note": "see me"},
        {"note": "what is this?", "annotator": "anna"},
    )
    rows = imported(path).rows(named=True)
    place = f"file:{told.export}"
    assert [(row["pair_id"], row["status"], row["choice"], row["preferred"]) for row in rows] == [
        (pair_id(0), "submitted", "A", "chosen"),
        (pair_id(1), "submitted", "A", "rejected"),
        (pair_id(2), "submitted", "both_bad", "both_bad"),
        (pair_id(3), "draft", None, None),
    ]
    assert [(row["correction"], row["rating"], row["note"]) for row in rows] == [
        (None, None, None),
        (" Better.\nYes. ", 4, None),
        (None, None, "see me"),
        (None, None, "what is this?"),
    ]
    assert {(row["annotator"], row["when"], row["where"]) for row in rows} == {("anna", NOW, place)}
    assert [row["texts_sha256"] for row in rows] == SHORT["texts_sha256"].to_list()


def test_rows_that_are_not_filled_in_give_nothing(tmp_path: Path) -> None:
    path, _ = exported(tmp_path)
    fill_in(path, {"choice": " "}, {"choice": "tie"})
    assert imported(path, annotator="ben").select("pair_id", "annotator").rows() == [(pair_id(1), "ben")]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_spreadsheets_own_habits_are_understood(tmp_path: Path, delimiter: str) -> None:
    """Another separator, other line ends within cells, columns moved and added, an empty row, no BOM."""
    path, _ = exported(tmp_path, frame=queue(queued(0, chosen="one\r\ntwo\rthree", rejected="=1; 2, 3")))
    rows = [{"mine": "x", **dict(reversed(row.items())), "choice": "b"} for row in table(path)]
    rows = [
        {name: text.replace("\r\n", "\n").replace("\r", "\n") for name, text in row.items()} for row in rows
    ]
    rewrite(path, [*rows, dict.fromkeys(rows[0], "")], delimiter)
    assert imported(path, annotator="anna")["preferred"].to_list() == ["rejected"]


def test_a_spreadsheet_that_takes_the_apostrophe_for_its_own_mark(tmp_path: Path) -> None:
    """Gnumeric 1.12 opens '007 as the text 007 and saves it so; of a text's own apostrophes it takes one."""
    texts = ["007", "=1+1", "'=1", "'tis so", "''", "1/2"]
    frame = queue(*(queued(number, chosen=text) for number, text in enumerate(texts)))
    path, _ = exported(tmp_path, frame=frame)
    saved = [{name: text.removeprefix("'") for name, text in row.items()} for row in table(path)]
    rewrite(path, [{**row, "choice": "tie"} for row in saved])
    assert imported(path, annotator="anna").height == len(texts)


def test_two_annotators_in_one_file(tmp_path: Path) -> None:
    path, _ = exported(tmp_path)
    rows = [{**row, "choice": "A", "annotator": name} for name in ("anna", "ben") for row in table(path)]
    rewrite(path, rows)
    assert imported(path).height == 8


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("filled_in", "column", "problem"),
    [
        ({"pair_id": "f" * 16}, "pair_id", "not exported"),
        ({"export": "0" * 16}, "export", "no export"),
        ({"response_b": "Cut off"}, "check", "not as it was exported"),
        ({"check": ""}, "check", "not as it was exported"),
        ({"choice": "C", "annotator": "anna"}, "choice", "not one"),
        ({"choice": "A"}, "annotator", "Nobody"),
    ],
)
def test_a_row_at_fault_is_named(
    tmp_path: Path, name: str, filled_in: dict[str, Any], column: str, problem: str
) -> None:
    path, _ = exported(tmp_path, name)
    fill_in(path, {}, {}, filled_in)
    found = fault(path)
    # The third pair: row 4 of a spreadsheet, which counts the header, and line 3 of JSON Lines.
    assert (found.row, found.column) == (4 if name.endswith("csv") else 3, column)
    assert problem in found.problem


@pytest.mark.parametrize("rating", ["0", "6", "4.5", "good", "-1"])
def test_a_wrong_rating_is_named(tmp_path: Path, rating: str) -> None:
    path, _ = exported(tmp_path)
    fill_in(path, {"choice": "A", "rating": rating})
    found = fault(path, annotator="anna")
    assert (found.row, found.column, found.found) == (2, "rating", rating)


def test_columns_sorted_apart_from_each_other_are_found(tmp_path: Path) -> None:
    path, _ = exported(tmp_path)
    rows = table(path)
    ids = [row["pair_id"] for row in rows]
    rewrite(path, [{**row, "pair_id": id} for row, id in zip(rows, reversed(ids), strict=True)])
    found = fault(path)
    assert (found.row, found.column) == (2, "check")
    assert "3 (check), 4 (check), 5 (check)" in str(found.hint)


def test_a_second_row_of_one_annotator_is_named_with_the_first(tmp_path: Path) -> None:
    path, _ = exported(tmp_path)
    rows = table(path)
    rewrite(path, [*rows, {**rows[1], "choice": "A", "annotator": "anna"}])
    found = fault(path, annotator="anna")
    assert (found.row, found.column) == (6, "pair_id")
    assert "row 3" in str(found.found)


def test_missing_rows_are_named_unless_only_a_part_is_wanted(tmp_path: Path) -> None:
    path, _ = exported(tmp_path)
    rows = [{**row, "choice": "A"} for row in table(path)]
    rewrite(path, [rows[0], rows[3]])
    found = fault(path, annotator="anna")
    assert found.found == f"no row for 2 of 4 pairs: {pair_id(1)}, {pair_id(2)}"
    assert imported(path, annotator="anna", partial=True)["pair_id"].to_list() == [pair_id(0), pair_id(3)]


def test_a_correction_that_fills_its_cell_may_have_been_cut(tmp_path: Path) -> None:
    path, _ = exported(tmp_path)
    fill_in(path, {"choice": "A", "correction": "x" * MAX_CELL})
    assert fault(path, annotator="anna").column == "correction"
    fill_in(path, {"choice": "A", "correction": "x" * (MAX_CELL - 1)})
    assert imported(path, annotator="anna").height == 1


@pytest.mark.parametrize(
    ("change", "row", "column", "said"),
    [
        (lambda text: text.replace('"choice"', '"wahl"'), 1, "choice", "missing"),
        (lambda text: text.replace('"note"', '"choice"'), 1, "choice", "twice"),
        (lambda text: text[: text.index('"The bad answer to 1')] + '"x"y\r\n', 3, None, "cannot be read"),
        (lambda text: text + "only,two\r\n", 6, None, "too short"),
        (lambda text: "", 1, "pair_id", "missing"),
    ],
)
def test_a_broken_file_is_named(tmp_path: Path, change: Any, row: int, column: str | None, said: str) -> None:
    path, _ = exported(tmp_path)
    text = path.read_bytes().decode("utf-8-sig")
    path.write_bytes(change(text).encode())
    found = fault(path)
    assert (found.row, found.column) == (row, column)
    assert said in found.problem


@pytest.mark.parametrize("name", NAMES)
def test_a_file_that_is_not_there_or_not_utf8_is_said(tmp_path: Path, name: str) -> None:
    path, _ = exported(tmp_path, name)
    path.write_bytes(path.read_text("utf-8-sig").replace("good", "güte").encode("latin-1"))
    assert "UTF-8" in str(fault(path))
    path.unlink()
    assert "cannot be read" in fault(path).problem


def test_a_file_without_rows_is_refused(tmp_path: Path) -> None:
    path, _ = exported(tmp_path, "annotate.jsonl")
    path.write_text("\n")
    assert "no rows" in fault(path).problem


def test_a_wrong_type_in_a_line_is_named(tmp_path: Path) -> None:
    path, _ = exported(tmp_path, "annotate.jsonl")
    fill_in(path, {}, {"rating": "4"})
    assert (fault(path).row, fault(path).column) == (2, "rating")
