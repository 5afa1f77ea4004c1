"""Raw files before a row of them is read: names, first bytes, encodings, bombs and lines without end."""

from __future__ import annotations

import codecs
import gzip
import pickle
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from pipeline.errors import PipelineError
from pipeline.sources import line_blocks as line_blocks_module
from pipeline.sources import raw_files
from pipeline.sources.formats import EXTENSIONS, Format, format_of, is_data_file
from pipeline.sources.line_blocks import line_blocks
from pipeline.sources.raw_files import check_file
from pipeline.sources.reading import read_rows

LINE = b'{"a": "x"}\n'


def written(tmp_path: Path, name: str, data: bytes) -> Path:
    path = tmp_path / name
    path.write_bytes(data)
    return path


def refusal(path: Path) -> PipelineError:
    with pytest.raises(PipelineError) as caught:
        list(read_rows(path))
    assert caught.value.file == str(path)
    return caught.value


# --- names ----------------------------------------------------------------------------------------------


def test_every_text_format_may_be_packed_and_no_table() -> None:
    text = [
        f".{kind}{pack}" for kind in ("jsonl", "ndjson", "json", "csv", "tsv") for pack in ("", ".gz", ".zst")
    ]
    assert sorted(EXTENSIONS) == sorted([*text, ".parquet", ".arrow", ".feather"])


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("a.jsonl", Format("jsonl", "")),
        ("a.v1.NDJSON.GZ", Format("jsonl", "gz")),
        ("a b.json.zst", Format("json", "zst")),
        ("a.gz.csv", Format("csv", "")),
        ("a.feather", Format("arrow", "")),
    ],
)
def test_the_end_of_a_name_says_what_a_file_is(name: str, found: Format) -> None:
    assert format_of(Path("a.jsonl.d") / name) == found
    assert is_data_file(name)


@pytest.mark.parametrize(
    ("name", "found", "hint"),
    [
        ("a.zip", ".zip", "Unpack it and name the folder"),
        ("a.tar.gz", ".tar.gz", "Unpack it and name the folder"),
        ("a.7z", ".7z", "Unpack it and name the folder"),
        ("a.xlsx", ".xlsx", "Save the sheet as CSV in UTF-8"),
        ("a.pkl", ".pkl", "can run code"),
        ("model.pt", ".pt", "can run code"),
        ("a.parquet.gz", ".parquet.gz", "Unpack it"),
        ("a.jsonl.bz2", ".bz2", "Unpack it"),
        ("a.txt", ".txt", "rename it to .jsonl"),
        ("a.gz", ".gz", "Convert it"),
        (".jsonl", "no extension", "Convert it"),
    ],
)
def test_other_names_are_refused_with_what_to_do(name: str, found: str, hint: str) -> None:
    assert not is_data_file(name) or name == ".jsonl"
    with pytest.raises(PipelineError, match="of an unknown kind") as caught:
        format_of(Path(name))
    assert caught.value.found == found
    assert hint in str(caught.value.hint)


# --- first bytes ----------------------------------------------------------------------------------------


def parquet() -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({"a": ["é"]}), sink)
    return bytes(sink.getvalue().to_pybytes())


def arrow() -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, pa.schema([("a", pa.string())])):
        pass
    return bytes(sink.getvalue().to_pybytes())


@pytest.mark.parametrize(
    ("name", "data", "found", "expected"),
    [
        ("a.jsonl", gzip.compress(LINE), "gzip", "text, as its name ends in .jsonl"),
        ("a.csv", zstandard.ZstdCompressor().compress(LINE), "zstd", "text, as its name ends in .csv"),
        ("a.jsonl", parquet(), "Parquet", "text, as its name ends in .jsonl"),
        ("a.json", arrow(), "Arrow", "text, as its name ends in .json"),
        ("a.parquet", arrow(), "Arrow", "Parquet, as its name ends in .parquet"),
        ("a.arrow", parquet(), "Parquet", "Arrow, as its name ends in .arrow"),
        ("a.parquet", LINE, "plain text", "Parquet, as its name ends in .parquet"),
        ("a.jsonl.gz", parquet(), "Parquet", "gzip, as its name ends in .jsonl.gz"),
        ("a.jsonl.zst", gzip.compress(LINE), "gzip", "zstd, as its name ends in .jsonl.zst"),
        ("a.jsonl", pickle.dumps([1]), "a Python pickle", "text, as its name ends in .jsonl"),
        (
            "a.csv",
            b"PK\x03\x04" + b"\0" * 30,
            "a zip archive (or a sheet of Excel)",
            "text, as its name ends in .csv",
        ),
        ("a.csv", b"\n<!DOCTYPE html><p>", "a web page", "text, as its name ends in .csv"),
        (
            "a.jsonl",
            b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n",
            "a pointer of Git LFS, not the file itself",
            "text, as its name ends in .jsonl",
        ),
        (
            "a.jsonl.gz",
            gzip.compress(parquet()),
            "Parquet inside",
            "text inside, as its name ends in .jsonl.gz",
        ),
        (
            "a.csv.gz",
            gzip.compress(gzip.compress(LINE)),
            "gzip inside",
            "text inside, as its name ends in .csv.gz",
        ),
    ],
    ids=range(15),
)
def test_a_file_that_is_not_what_its_name_says_is_refused(
    tmp_path: Path, name: str, data: bytes, found: str, expected: str
) -> None:
    error = refusal(written(tmp_path, name, data))
    assert error.problem == "A source file is not what its name says"
    assert (error.found, error.expected) == (found, expected)
    assert error.hint


def test_text_that_begins_like_a_format_is_text(tmp_path: Path) -> None:
    path = written(tmp_path, "a.csv", b"PAR1,BZh\n1,2\n")
    check_file(path)
    assert list(read_rows(path)) == [(2, {"PAR1": "1", "BZh": "2"})]


# --- encodings ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz", "a.json"])
def test_the_mark_of_utf_8_is_left_out(tmp_path: Path, name: str) -> None:
    data = codecs.BOM_UTF8 + (b'[{"a": "x"}]' if name == "a.json" else LINE)
    path = written(tmp_path, name, gzip.compress(data) if name.endswith("gz") else data)
    assert list(read_rows(path)) == [(1, {"a": "x"})]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "utf-32", "utf-32-be", "utf-16-le"])
@pytest.mark.parametrize("name", ["a.jsonl", "a.json", "a.csv", "a.jsonl.gz"])
def test_wider_encodings_are_named_with_how_to_convert_them(tmp_path: Path, name: str, encoding: str) -> None:
    marks = {"utf-16-be": codecs.BOM_UTF16_BE, "utf-32-be": codecs.BOM_UTF32_BE}
    data = marks.get(encoding, b"") + LINE.decode().encode(encoding)
    error = refusal(written(tmp_path, name, gzip.compress(data) if name.endswith("gz") else data))
    kind = encoding.upper()[:6]
    assert error.problem == f"A source file is {kind}"
    assert error.expected == "text in UTF-8"
    if encoding == "utf-16-le":
        assert error.found == "every second byte zero, as in UTF-16 without a mark"
        assert error.hint == "Convert the file: `iconv -f UTF-16LE -t UTF-8 OLD > NEW`"
    else:
        assert error.found == f"the byte order mark of {kind}"
        assert error.hint == f"Convert the file: `iconv -f {kind} -t UTF-8 OLD > NEW`"


def test_latin_1_is_named_with_its_line_and_byte_and_how_to_convert_it(tmp_path: Path) -> None:
    error = refusal(written(tmp_path, "a.jsonl", LINE + b'{"a": "\xfc"}\n'))
    assert (error.problem, error.row, error.found) == ("A line is not UTF-8", 2, "byte 0xfc at 8")
    assert error.hint == (
        "Convert the file: `iconv -f WINDOWS-1252 -t UTF-8 OLD > NEW`, if that is what it is in"
    )


def test_nul_bytes_are_named(tmp_path: Path) -> None:
    error = refusal(written(tmp_path, "a.jsonl", LINE + b"\0" * 100))
    assert (error.problem, error.row, error.found) == ("A line is not one JSON object", 2, "a NUL byte at 1")


# --- too much of it -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "compress"),
    [("a.jsonl.gz", gzip.compress), ("a.jsonl.zst", zstandard.ZstdCompressor().compress)],
    ids=["gz", "zst"],
)
def test_a_bomb_is_refused_before_it_is_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, compress: Callable[[bytes], bytes]
) -> None:
    packed = compress(b" " * (8 << 20))
    monkeypatch.setattr(raw_files, "BOMB_BYTES", 1 << 20)
    error = refusal(written(tmp_path, name, packed))
    assert error.problem == "A compressed source file unpacks to far more than rows of text do"
    assert error.expected == "at most 200 times its size, or 1 MB"
    assert int(str(error.found).split(" ")[0]) <= 3
    # What is as large, or as dense but small, is read.
    monkeypatch.setattr(raw_files, "BOMB_BYTES", 16 << 20)
    with pytest.raises(PipelineError, match="has no rows"):
        list(read_rows(tmp_path / name))
    monkeypatch.setattr(raw_files, "BOMB_BYTES", 1 << 20)
    monkeypatch.setattr(raw_files, "BOMB_RATIO", 1 << 20)
    with pytest.raises(PipelineError, match="has no rows"):
        list(read_rows(tmp_path / name))


def test_a_line_without_end_is_not_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line_blocks_module, "LONGEST_ROW", 1 << 20)
    path = written(tmp_path, "a.jsonl.gz", gzip.compress(LINE * 2 + b'{"a": "' + b"x" * (4 << 20)))
    error = refusal(path)
    assert (error.problem, error.row) == ("A line is too long", 3)
    assert (error.found, error.expected) == ("no end after 64 MB", "at most 64 MB in each row")
    # One that is long but ends is read.
    good = written(tmp_path, "b.jsonl", LINE + b'{"a": "' + b"x" * 1_000_000 + b'"}\n' + LINE)
    assert [number for number, _ in read_rows(good)] == [1, 2, 3]


def test_many_short_lines_are_many_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line_blocks_module, "_MOST_LINES", 4)
    path = written(tmp_path, "a.jsonl", b"\n" * 9 + b"{}")
    blocks = list(line_blocks(path))
    assert [block.numbers.tolist() for block in blocks] == [[1, 2, 3, 4], [5, 6, 7, 8], [9, 10]]
    assert list(read_rows(path)) == [(10, {})]
    assert [block.numbers.size for block in line_blocks(written(tmp_path, "b.jsonl", b"\n" * 8))] == [4, 4]
