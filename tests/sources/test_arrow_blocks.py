"""Arrow files and streams: read as Parquet is, and refused where they are not whole."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq
import pytest

from pipeline.errors import PipelineError
from pipeline.sources import ultrafeedback_binarized
from pipeline.sources.arrow_blocks import arrow_blocks
from pipeline.sources.parquet_blocks import parquet_blocks
from pipeline.sources.reading import read_rows

Read = Callable[..., Any]

ROWS = [
    {"prompt": f"p{n}", "chosen": "a", "rejected": "b", "score_chosen": n, "meta": [n]} for n in range(10)
]


def as_file(table: pa.Table, path: Path) -> None:
    with pa.ipc.new_file(str(path), table.schema) as out:
        out.write_table(table, 4)


def as_stream(table: pa.Table, path: Path) -> None:
    with pa.ipc.new_stream(str(path), table.schema) as out:
        out.write_table(table, 4)


WRITERS: dict[str, tuple[str, Callable[[pa.Table, Path], None]]] = {
    "file": ("a.arrow", as_file),
    "stream": ("a.arrow", as_stream),
    "feather": ("a.feather", feather.write_feather),
    "packed feather": ("a.feather", lambda table, path: feather.write_feather(table, path, "zstd")),
}


@pytest.mark.parametrize("kind", WRITERS)
def test_rows_are_read_with_their_numbers_and_as_columns(
    tmp_path: Path, read_both_ways: Read, kind: str
) -> None:
    name, write = WRITERS[kind]
    write(pa.Table.from_pylist(ROWS), tmp_path / name)
    assert list(read_rows(tmp_path / name)) == list(enumerate(ROWS, start=1))
    outcome = read_both_ways(tmp_path / name, ultrafeedback_binarized.ADAPTER)
    assert (outcome.lines, outcome.read_singly) == (list(range(1, 11)), 0)
    assert outcome.completions["overall_score"].to_list()[::2] == [float(n) for n in range(10)]


def test_blocks_number_the_rows_through_and_tell_how_far_they_are(tmp_path: Path) -> None:
    as_stream(pa.Table.from_pylist(ROWS), tmp_path / "a.arrow")
    blocks = list(arrow_blocks(tmp_path / "a.arrow", block_rows=3))
    # The stream's own batches have four, four and two rows.
    assert [block.numbers.tolist() for block in blocks] == [[1, 2, 3], [4], [5, 6, 7], [8], [9, 10]]
    done = [block.done for block in blocks]
    assert done == sorted(done) and done[0] > 0 and done[-1] <= (tmp_path / "a.arrow").stat().st_size


@pytest.mark.parametrize("kind", ["file", "stream"])
@pytest.mark.parametrize("keep", [0.0, 0.3, 0.7])
def test_a_file_that_is_cut_off_is_refused(tmp_path: Path, kind: str, keep: float) -> None:
    path = tmp_path / "a.arrow"
    WRITERS[kind][1](pa.Table.from_pylist(ROWS), path)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * keep)])
    with pytest.raises(PipelineError) as caught:
        list(read_rows(path))
    assert (caught.value.problem, caught.value.file) == ("A source file is not whole Arrow", str(path))
    assert str(caught.value.row).startswith("after ")
    assert caught.value.expected == "Arrow, from its beginning to its end"


def test_values_that_point_elsewhere_are_never_looked_at(tmp_path: Path) -> None:
    path = tmp_path / "a.arrow"
    as_stream(pa.table({"a": ["xyz", "uvw", "rst"]}), path)
    offsets = b"".join(n.to_bytes(4, "little") for n in (0, 3, 6, 9))
    data = path.read_bytes()
    assert data.count(offsets) == 1
    path.write_bytes(data.replace(offsets, offsets[:4] + (1 << 30).to_bytes(4, "little") + offsets[8:]))
    with pytest.raises(PipelineError, match="not whole Arrow") as caught:
        list(read_rows(path))
    assert caught.value.row == "after 0"
    assert "offset" in str(caught.value.found)


def test_every_flipped_byte_is_refused_or_read(tmp_path: Path) -> None:
    as_stream(pa.Table.from_pylist([{"a": "xyz", "b": [1, 2]}] * 3), tmp_path / "whole.arrow")
    whole = (tmp_path / "whole.arrow").read_bytes()
    path = tmp_path / "a.arrow"
    refused = 0
    for place in range(0, len(whole), 3):
        data = bytearray(whole)
        data[place] ^= 0xFF
        path.write_bytes(data)
        try:
            list(read_rows(path))
        except PipelineError as error:
            assert error.file == str(path)
            refused += 1
    assert 0 < refused < len(whole) / 3


@pytest.mark.parametrize("name", ["a.arrow", "a.parquet"])
def test_two_columns_of_one_name_are_refused(tmp_path: Path, name: str) -> None:
    table = pa.table([pa.array(["x"]), pa.array(["y"]), pa.array(["z"])], names=["a", "b", "a"])
    path = tmp_path / name
    if name == "a.arrow":
        as_file(table, path)
    else:
        pq.write_table(table, path)
    read = arrow_blocks if name == "a.arrow" else parquet_blocks
    with pytest.raises(PipelineError) as caught:
        list(read(path))
    assert (caught.value.problem, caught.value.found) == ("A table has two columns of one name", "'a'")


def test_an_empty_table_is_refused(tmp_path: Path) -> None:
    as_file(pa.table({"a": pa.array([], pa.string())}), tmp_path / "a.arrow")
    with pytest.raises(PipelineError, match="has no rows"):
        list(read_rows(tmp_path / "a.arrow"))


def test_what_polars_writes_is_read(tmp_path: Path) -> None:
    frame = pl.DataFrame({"a": ["x", None], "c": pl.Series(["u", "v"], dtype=pl.Categorical)})
    frame.write_ipc(tmp_path / "a.arrow")
    assert [row for _, row in read_rows(tmp_path / "a.arrow")] == [
        {"a": "x", "c": "u"},
        {"a": None, "c": "v"},
    ]
