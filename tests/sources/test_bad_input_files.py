"""The catalogue of bad input: files and folders that are refused as a whole, and those that are not.

Damage to a file is an error whatever ``on_bad_row`` says: nobody can tell which rows it cost.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from pipeline.sources.reading import read_rows
from tests.sources.catalogue import (
    BadFile,
    BadLine,
    Row,
    check_drops,
    check_refused,
    check_stops,
    jsonl,
    names,
    pulled,
)

KIND = "ultrafeedback_binarized"
SIDE = "a string, or a list of messages (role, content) that ends in the assistant's"


def pair(number: int) -> Row:
    return {"prompt": f"q{number}", "chosen": f"good {number * 7919}", "rejected": f"bad {number * 104729}"}


PAIRS = [pair(number) for number in range(40)]
LINES = jsonl(PAIRS)
GZIP = gzip.compress(LINES, mtime=0)
ZSTD = zstandard.ZstdCompressor().compress(LINES)


def parquet(rows: list[Row]) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), sink)
    return sink.getvalue()


def arrow(rows: list[Row]) -> bytes:
    table, sink = pa.Table.from_pylist(rows), io.BytesIO()
    with pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


def table(rows: list[Row], delimiter: str = ",") -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), delimiter=delimiter)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def archive() -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as packed:
        packed.writestr("../../mine.jsonl", LINES)
    return sink.getvalue()


def bomb(pack: Callable[[bytes], bytes]) -> Callable[[], bytes]:
    """65 MB in one line, packed into some 300 KB, when it is needed."""
    return lambda: pack(b'{"prompt": "' + b"a" * (65 << 20))


def two_columns_of_one_name() -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_arrays([pa.array(["a"])] * 2, names=["prompt", "prompt"]), sink)
    return sink.getvalue()


DAMAGED = "cut off or damaged"
PARQUET, ARROW, ARRAY = "not whole Parquet", "not whole Arrow", "not one whole array"
FOOTER = parquet(PAIRS)[:-8] + b"\xff\xff\xff\x7fPAR1"
FILES = [
    BadFile(
        "gzip_cut_off",
        {"a.jsonl.gz": GZIP[:-30]},
        "a.jsonl.gz",
        DAMAGED,
        "a.jsonl.gz",
        "after ",
        hint="again",
    ),
    BadFile(
        "gzip_wrong_sum", {"a.jsonl.gz": GZIP[:-8] + bytes(8)}, "a.jsonl.gz", DAMAGED, "a.jsonl.gz", "after "
    ),
    BadFile("zstd_cut_off", {"a.jsonl.zst": ZSTD[:-9]}, "a.jsonl.zst", DAMAGED, "a.jsonl.zst", "after "),
    BadFile(
        "gzip_of_nothing_known",
        {"a.jsonl.gz": LINES},
        "a.jsonl.gz",
        "not what its name says",
        "a.jsonl.gz",
        found="text",
    ),
    BadFile(
        "plain_name_of_gzip",
        {"a.jsonl": GZIP},
        "a.jsonl",
        "not what its name says",
        "a.jsonl",
        found="gzip",
        hint=".gz",
    ),
    BadFile(
        "plain_name_of_zip",
        {"a.jsonl": archive()},
        "a.jsonl",
        "not what its name says",
        "a.jsonl",
        found="zip",
    ),
    BadFile("zip", {"a.zip": archive()}, "a.zip", "unknown kind", "a.zip", found=".zip", hint="Unpack"),
    BadFile(
        "pickle", {"a.pkl": b"\x80\x04."}, "a.pkl", "unknown kind", "a.pkl", found=".pkl", hint="run code"
    ),
    BadFile(
        "bomb_of_gzip",
        {"a.jsonl.gz": bomb(lambda data: gzip.compress(data, 1))},
        "a.jsonl.gz",
        "too long",
        "a.jsonl.gz",
        1,
        expected="64 MB",
    ),
    BadFile(
        "bomb_of_zstd",
        {"a.jsonl.zst": bomb(zstandard.ZstdCompressor().compress)},
        "a.jsonl.zst",
        "too long",
        "a.jsonl.zst",
        1,
        expected="64 MB",
    ),
    BadFile(
        "utf_16",
        {"a.jsonl": LINES.decode().encode("utf-16")},
        "a.jsonl",
        "UTF-16",
        "a.jsonl",
        expected="UTF-8",
        hint="iconv -f UTF-16",
    ),
    BadFile(
        "utf_16_without_mark",
        {"a.jsonl": LINES.decode().encode("utf-16-be")},
        "a.jsonl",
        "UTF-16",
        "a.jsonl",
        hint="iconv -f UTF-16BE",
    ),
    BadFile(
        "utf_32",
        {"a.jsonl": LINES.decode().encode("utf-32")},
        "a.jsonl",
        "UTF-32",
        "a.jsonl",
        hint="iconv -f UTF-32",
    ),
    BadFile(
        "utf_16_csv",
        {"a.csv": table(PAIRS).decode().encode("utf-16")},
        "a.csv",
        "UTF-16",
        "a.csv",
        hint="iconv",
    ),
    BadFile("empty", {"a.jsonl": b""}, "a.jsonl", "has no rows", "a.jsonl", expected="at least one row"),
    BadFile("blank", {"a.jsonl": b"\n \r\n"}, "a.jsonl", "has no rows", "a.jsonl"),
    BadFile("empty_gzip", {"a.jsonl.gz": gzip.compress(b"")}, "a.jsonl.gz", "has no rows", "a.jsonl.gz"),
    BadFile(
        "one_of_two_is_empty",
        {"a.jsonl": LINES, "b.jsonl": b""},
        ["a.jsonl", "b.jsonl"],
        "has no rows",
        "b.jsonl",
    ),
    BadFile("header_only", {"a.csv": b"prompt,chosen,rejected\r\n"}, "a.csv", "has no rows", "a.csv"),
    BadFile("empty_array", {"a.json": b"[]"}, "a.json", "has no rows", "a.json"),
    BadFile("empty_folder", {}, "", "holds no data files", "", key="source.path", found="nothing in it"),
    BadFile(
        "folder_of_others",
        {"notes.txt": b"x"},
        "",
        "holds no data files",
        "",
        key="source.path",
        found="notes.txt",
    ),
    BadFile(
        "pattern_of_nothing",
        {"a.jsonl": LINES},
        "*.parquet",
        "No file matches",
        key="source.path",
        found="nothing",
    ),
    BadFile("missing", {}, "a.jsonl", "is missing", "a.jsonl", found="nothing there", hint="source.path"),
    BadFile(
        "parquet_cut_off", {"a.parquet": parquet(PAIRS)[:-300]}, "a.parquet", PARQUET, "a.parquet", "after 0"
    ),
    BadFile(
        "parquet_broken_footer",
        {"a.parquet": FOOTER},
        "a.parquet",
        PARQUET,
        "a.parquet",
        "after 0",
        hint="again",
    ),
    BadFile(
        "parquet_of_zeros",
        {"a.parquet": b"PAR1" + bytes(400) + b"PAR1"},
        "a.parquet",
        PARQUET,
        "a.parquet",
        "after 0",
    ),
    BadFile("arrow_cut_off", {"a.arrow": arrow(PAIRS)[:-300]}, "a.arrow", ARROW, "a.arrow", "after "),
    BadFile("array_cut_off", {"a.json": json.dumps(PAIRS).encode()[:-20]}, "a.json", ARRAY, "a.json", 40),
    BadFile(
        "array_and_more",
        {"a.json": json.dumps(PAIRS).encode() + b"{}"},
        "a.json",
        ARRAY,
        "a.json",
        "after 40",
    ),
    BadFile(
        "array_with_a_gap", {"a.json": b"[{}, , {}]"}, "a.json", ARRAY, "a.json", 2, found="nothing between"
    ),
    BadFile("object_of_no_rows", {"a.json": b'{"a": 1,\n"b": 2}'}, "a.json", "does not hold rows", "a.json"),
    BadFile(
        "csv_open_quote",
        {"a.csv": table(PAIRS) + b'"a,b,c\r\n'},
        "a.csv",
        "cannot be told from the next",
        "a.csv",
        42,
        expected="doubled",
    ),
    BadFile(
        "csv_header_twice",
        {"a.csv": b"prompt,chosen,chosen\na,b,c\n"},
        "a.csv",
        "names a column twice",
        "a.csv",
        1,
        found="'chosen'",
    ),
    BadFile(
        "parquet_columns_twice",
        {"a.parquet": two_columns_of_one_name},
        "a.parquet",
        "two columns of one name",
        "a.parquet",
        found="'prompt'",
    ),
]


@pytest.mark.parametrize("on_bad_row", ["error", "drop"])
@pytest.mark.parametrize("case", FILES, ids=names(FILES))
def test_a_file_is_refused_as_a_whole(tmp_path: Path, case: BadFile, on_bad_row: str) -> None:
    check_refused(tmp_path, case, on_bad_row, kind=KIND)


# --- one row of a format --------------------------------------------------------------------------------

CELLS = [
    BadLine("cell_missing", b"q,good\r\n", "wrong_cells", None, "2 cells", "3 cells parted by commas"),
    BadLine("cell_too_many", b"q,good,bad,ugly\r\n", "wrong_cells", None, "4 cells", "3 cells"),
    BadLine("nul", b"q,go\x00od,bad\r\n", "bad_value", "chosen", "a NUL at character 3", "text"),
    BadLine("latin_1", b"q,good,b\xe4d\r\n", "not_utf8", "rejected", "byte 0xe4 at character 2", "UTF-8"),
    BadLine(
        "empty_prompt", b",good,bad\r\n", "null_value", "prompt", "null", "a string or a list of messages"
    ),
]


@pytest.mark.parametrize("case", CELLS, ids=names(CELLS))
def test_a_bad_row_of_cells(tmp_path: Path, case: BadLine) -> None:
    path = tmp_path / "mine.csv"
    path.write_bytes(table(PAIRS[:2]) + case.line + table(PAIRS[2:4]).split(b"\r\n", 1)[1])
    check_stops(tmp_path, case, KIND, path, 4)
    found = check_drops(tmp_path, [case], KIND, path, [4])
    assert found.metrics["kept"] == 4


ELEMENTS = [
    BadLine("number", b"7", "not_an_object", None, "int: 7", "one JSON object per element"),
    BadLine("nan", b'{"a": NaN}', "not_json", None, "the constant NaN", "one JSON object"),
    BadLine("half_a_pair", b'{"a": "\\ud800"}', "lone_surrogate", "a", "\\ud800", "whole characters"),
    BadLine(
        "no_chosen", b'{"prompt": "q", "rejected": "b"}', "missing_field", "chosen", "the fields prompt", SIDE
    ),
]


@pytest.mark.parametrize("case", ELEMENTS, ids=names(ELEMENTS))
def test_a_bad_element_of_an_array(tmp_path: Path, case: BadLine) -> None:
    path = tmp_path / "mine.json"
    rows = [json.dumps(row).encode() for row in PAIRS[:2]]
    path.write_bytes(b"[" + b",\n".join([rows[0], case.line, rows[1]]) + b"]")
    check_stops(tmp_path, case, KIND, path, 2)
    assert check_drops(tmp_path, [case], KIND, path, [2]).metrics["kept"] == 2


@pytest.mark.parametrize(("form", "write"), [("parquet", parquet), ("arrow", arrow)])
def test_a_bad_row_of_a_table(tmp_path: Path, form: str, write: Callable[[list[Row]], bytes]) -> None:
    path = tmp_path / f"mine.{form}"
    path.write_bytes(write([PAIRS[0], {**PAIRS[1], "prompt": None}, PAIRS[2]]))
    case = BadLine("null", b"", "null_value", "prompt", "null", "a string or a list of messages")
    check_stops(tmp_path, case, KIND, path, 2)
    assert check_drops(tmp_path, [case], KIND, path, [2]).completions["line"].to_list() == [1, 1, 3, 3]


def test_files_of_different_fields(tmp_path: Path) -> None:
    whole, other = tmp_path / "a.jsonl", tmp_path / "b.jsonl"
    whole.write_bytes(LINES)
    other.write_bytes(jsonl([{"question": "q", "answer": "a"}]))
    case = BadLine("other", b"", "missing_field", "chosen", "the fields question, answer", SIDE)
    check_stops(tmp_path, case, KIND, other, 1)
    paths = [str(whole), str(other)]
    found = pulled(tmp_path, paths, kind=KIND, on_bad_row="drop", max_bad_share=0.5)
    assert found.metrics["dropped"] == {"missing_field": 1}
    assert found.ledger["detail"].item().startswith("b.jsonl row 1, column chosen: ")


# --- what is not refused --------------------------------------------------------------------------------


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["plain", "with_mark"])
@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.jsonl", LINES),
        ("a.json", json.dumps(PAIRS).encode()),
        ("a.csv", table(PAIRS)),
        ("a.tsv", table(PAIRS, "\t")),
        ("a.jsonl", LINES.replace(b"\n", b"\r\n")),
    ],
    ids=["jsonl", "json", "csv", "tsv", "jsonl_of_windows"],
)
def test_a_byte_order_mark_is_no_part_of_the_rows(
    tmp_path: Path, name: str, content: bytes, mark: bytes
) -> None:
    path = tmp_path / name
    path.write_bytes(mark + content)
    assert [row for _, row in read_rows(path)] == PAIRS


@pytest.mark.parametrize("cell", ['=HYPERLINK("http://x.example";"y")', "+1+1", "-2", "@SUM(A1)", "\t=1"])
def test_a_formula_in_a_cell_is_text(tmp_path: Path, cell: str) -> None:
    path = tmp_path / "mine.csv"
    path.write_bytes(table([{**PAIRS[0], "chosen": cell}]))
    assert pulled(tmp_path, path, kind=KIND).completions["completion"][0] == cell


def test_a_line_of_a_megabyte_is_read(tmp_path: Path) -> None:
    path = tmp_path / "mine.jsonl"
    path.write_bytes(jsonl([{**PAIRS[0], "chosen": "x" * (1 << 20)}, PAIRS[1]]))
    found = pulled(tmp_path, path, kind=KIND)
    assert found.completions["completion"].str.len_bytes().to_list()[0] == 1 << 20


def test_a_path_out_of_the_project_is_read_and_leaves_nothing_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project, outside = tmp_path / "project", tmp_path / "outside"
    project.mkdir()
    outside.mkdir()
    (outside / "mine.jsonl").write_bytes(LINES)
    monkeypatch.chdir(project)
    found = pulled(project, Path("../outside/mine.jsonl"), kind=KIND)
    # Tables say the file's name, not the way to it, which is another on every machine.
    assert found.completions["file"].unique().to_list() == ["mine.jsonl"]
    assert [path.name for path in outside.iterdir()] == ["mine.jsonl"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["outside", "project"]
