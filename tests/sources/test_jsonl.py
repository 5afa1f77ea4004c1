"""The reader of raw files: what it yields, and how it says what is wrong."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import zstandard

from pipeline.errors import PipelineError
from pipeline.sources.jsonl import Repeated, parse_object
from pipeline.sources.reading import read_rows

ROWS = [{"n": number, "text": f"Zeile {number} ü\u2028 end"} for number in range(5)]
LINES = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS).encode()

Row = dict[str, Any]


def read(path: Path) -> list[tuple[int, Row]]:
    return list(read_rows(path))


def written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def zstd(data: bytes) -> bytes:
    return zstandard.ZstdCompressor().compress(data)


@pytest.mark.parametrize(
    ("name", "pack"),
    [("a.jsonl", bytes), ("a.jsonl.gz", gzip.compress), ("a.jsonl.zst", zstd)],
)
def test_rows_come_in_order_with_their_line(
    tmp_path: Path, name: str, pack: Callable[[bytes], bytes]
) -> None:
    assert read(written(tmp_path / name, pack(LINES))) == list(enumerate(ROWS, start=1))


def test_parquet_rows_come_in_order_with_their_number(tmp_path: Path) -> None:
    nested = [{**row, "items": [{"a": 1.5, "b": None}]} for row in ROWS]
    pl.DataFrame(nested).write_parquet(tmp_path / "a.parquet")
    assert read(tmp_path / "a.parquet") == list(enumerate(nested, start=1))


def test_blank_lines_count_but_are_no_rows(tmp_path: Path) -> None:
    path = written(tmp_path / "a.jsonl", b'\n{"a": 1}\r\n   \n{"a": 2}')
    assert read(path) == [(2, {"a": 1}), (4, {"a": 2})]


@pytest.mark.parametrize("frames", [[LINES], [LINES[:40], LINES[40:]], [LINES, b""]])
def test_zstd_of_several_frames_is_read_whole(tmp_path: Path, frames: list[bytes]) -> None:
    path = written(tmp_path / "a.jsonl.zst", b"".join(zstd(frame) for frame in frames))
    assert len(read(path)) == 5


def test_large_zstd_is_read_whole(tmp_path: Path) -> None:
    data = b"".join(b'{"n": %d, "pad": "%s"}\n' % (n, bytes([97 + n % 26]) * 3000) for n in range(500))
    path = written(tmp_path / "a.jsonl.zst", zstd(data))
    assert [row["n"] for _, row in read(path)] == list(range(500))


@pytest.mark.parametrize(
    ("line", "found"),
    [
        (b"{not json}", "Expecting property name enclosed in double quotes"),
        (b"[1, 2]", "list: [1, 2]"),
        (b"3", "int: 3"),
        (b'{"a": NaN}', "the constant NaN, which is not JSON"),
        (b'{"a": [1, {"b": -Infinity}]}', "the constant -Infinity, which is not JSON"),
        (b'{"a": Infinity}', "the constant Infinity, which is not JSON"),
        (b'{"a": 1} {"a": 2}', "Extra data"),
        (b"[" * 200_000, "recursion"),
        (b'\xef\xbb\xbf{"a": 1}', "Unexpected UTF-8 BOM"),
    ],
)
def test_a_line_that_is_no_object_is_named(tmp_path: Path, line: bytes, found: str) -> None:
    path = written(tmp_path / "a.jsonl", b'{"a": 0}\n' + line + b"\n")
    with pytest.raises(PipelineError) as caught:
        read(path)
    error = caught.value
    assert (error.problem, error.file, error.row) == ("A line is not one JSON object", str(path), 2)
    assert found in str(error.found)
    assert error.hint is not None


def test_a_key_that_stands_twice_has_no_value(tmp_path: Path) -> None:
    path = written(tmp_path / "a.jsonl", b'{"a": 1, "b": {"c": 2, "c": 2, "d": 4}, "a": 3, "a": 4}\n')
    assert read(path) == [(1, {"a": Repeated("a"), "b": {"c": Repeated("c"), "d": 4}})]
    assert str(Repeated("a")) == "the key 'a' twice in one object"


def test_an_integer_too_long_to_be_one_is_infinite(tmp_path: Path) -> None:
    path = written(tmp_path / "a.jsonl", b'{"a": ' + b"9" * 4000 + b', "b": -' + b"9" * 5000 + b"}")
    assert read(path) == [(1, {"a": 10**4000 - 1, "b": float("-inf")})]


@pytest.mark.parametrize("text", ["[1]", "3", '{"a": NaN}', "{"])
def test_what_is_no_object_is_refused(text: str) -> None:
    assert parse_object('{"a": {"b": 1}}') == {"a": {"b": 1}}
    with pytest.raises(ValueError, match=r"object|JSON|property"):
        parse_object(text)


def test_bytes_that_are_no_utf8_are_named(tmp_path: Path) -> None:
    path = written(tmp_path / "a.jsonl", b'{"a": "x"}\n{"a": "\xe4"}\n')
    with pytest.raises(PipelineError, match="not UTF-8") as caught:
        read(path)
    assert (caught.value.row, caught.value.found) == (2, "byte 0xe4 at 8")


def test_half_a_surrogate_pair_is_named_and_a_whole_one_is_read(tmp_path: Path) -> None:
    path = written(tmp_path / "a.jsonl", b'{"a": "\\ud83d\\ude00"}\n{"b": {"c": ["\\uD83D"]}}\n')
    with pytest.raises(PipelineError, match="surrogate") as caught:
        read(path)
    assert (caught.value.row, caught.value.column, caught.value.found) == (2, "b", "\\ud83d")
    assert read(written(path, b'{"a": "\\ud83d\\ude00 \\\\ud83d"}\n')) == [(1, {"a": "😀 \\ud83d"})]


@pytest.mark.parametrize("name", ["a.jsonl.gz", "a.jsonl.zst"])
@pytest.mark.parametrize("keep", [0.5, 0.98])
def test_a_cut_off_file_is_refused(tmp_path: Path, name: str, keep: float) -> None:
    data = b"".join(b'{"n": %d}\n' % (n * 7919) for n in range(20_000))
    packed = gzip.compress(data, mtime=0) if name.endswith("gz") else zstd(data)
    path = written(tmp_path / name, packed[: int(len(packed) * keep)])
    with pytest.raises(PipelineError, match="cut off or damaged") as caught:
        read(path)
    after = int(str(caught.value.row).removeprefix("after "))
    # What is lost of the lines before: less than one read of 64 KB, some 5,000 lines.
    assert 20_000 * keep - 5_000 < after < 20_000 or name.endswith("zst")


@pytest.mark.parametrize("name", ["a.jsonl.gz", "a.jsonl.zst"])
def test_a_file_that_is_not_compressed_is_refused(tmp_path: Path, name: str) -> None:
    kind = {"a.jsonl.gz": "gzip", "a.jsonl.zst": "zstd"}[name]
    with pytest.raises(PipelineError, match="not what its name says") as caught:
        read(written(tmp_path / name, LINES))
    assert caught.value.found == "plain text"
    assert caught.value.expected == f"{kind}, as its name ends in .jsonl.{name[-3:].strip('.')}"


def test_damaged_gzip_content_is_refused(tmp_path: Path) -> None:
    packed = bytearray(gzip.compress(LINES * 200, mtime=0))
    packed[len(packed) // 2] ^= 0xFF
    with pytest.raises(PipelineError):
        read(written(tmp_path / "a.jsonl.gz", bytes(packed)))


@pytest.mark.parametrize(
    ("name", "data"), [("a.jsonl", b""), ("a.jsonl", b"\n \n"), ("a.jsonl.gz", gzip.compress(b"", mtime=0))]
)
def test_an_empty_file_is_refused(tmp_path: Path, name: str, data: bytes) -> None:
    with pytest.raises(PipelineError, match="has no rows"):
        read(written(tmp_path / name, data))


def test_an_empty_parquet_file_is_refused(tmp_path: Path) -> None:
    pl.DataFrame(schema={"a": pl.Int64}).write_parquet(tmp_path / "a.parquet")
    with pytest.raises(PipelineError, match="has no rows"):
        read(tmp_path / "a.parquet")


@pytest.mark.parametrize("keep", [0.0, 0.5, 0.9])
def test_broken_parquet_is_refused(tmp_path: Path, keep: float) -> None:
    path = tmp_path / "a.parquet"
    pl.DataFrame({"a": list(range(1000))}).write_parquet(path)
    written(path, path.read_bytes()[: int(path.stat().st_size * keep)])
    with pytest.raises(PipelineError, match="not whole Parquet"):
        read(path)


def test_a_missing_file_or_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match=r"is missing .*source\.path"):
        read(tmp_path / "none.jsonl")
    (tmp_path / "folder.jsonl").mkdir()
    with pytest.raises(PipelineError, match="Found: a folder"):
        read(tmp_path / "folder.jsonl")


@pytest.mark.parametrize(("name", "found"), [("a.yaml", ".yaml"), ("a", "no extension"), ("a.b.C", ".c")])
def test_an_unknown_extension_is_refused(tmp_path: Path, name: str, found: str) -> None:
    with pytest.raises(PipelineError, match="unknown kind") as caught:
        read(written(tmp_path / name, LINES))
    assert caught.value.found == found
    assert caught.value.expected == (
        "one of .jsonl, .ndjson, .json, .csv, .tsv, .parquet, .arrow, .feather; "
        "the text formats also with .gz or .zst behind"
    )
