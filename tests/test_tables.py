"""The only reader and writer of Parquet: what it refuses, and that equal frames give equal bytes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq
import pytest

from pipeline import tables
from pipeline.errors import PipelineError
from pipeline.schema import LEDGER, PAIRS
from pipeline.tables import (
    HeldTable,
    StoredTable,
    count_rows,
    open_table,
    read_blocks,
    read_lineage,
    read_table,
    write_table,
)
from pipeline.validation import validate

GOOD: dict[str, Any] = {
    "pair_id": "i",
    "prompt_id": "p",
    "row_id": "r",
    "source": "s",
    "prompt": [{"role": "user", "content": "Hi"}],
    "chosen": "a",
    "rejected": "b",
    "margin": 1.0,
}


def frame(*rows: dict[str, Any]) -> pl.DataFrame:
    return pl.DataFrame([{**GOOD, "pair_id": f"i{n}", **row} for n, row in enumerate(rows)], PAIRS.schema())


def test_rows_and_lineage_come_back(tmp_path: Path) -> None:
    path = tmp_path / "sub/pairs.parquet"
    rows = frame({}, {"margin": None, "chosen": "ü"})
    write_table(rows.select(reversed(rows.columns)), path, PAIRS, {"commit": "c", "files": [1]})
    assert read_table(path, PAIRS).equals(rows)
    assert read_lineage(path) == {"commit": "c", "files": [1]}
    assert [child.name for child in path.parent.iterdir()] == ["pairs.parquet"]


def test_an_empty_table_keeps_its_types(tmp_path: Path) -> None:
    write_table(PAIRS.empty(), tmp_path / "a.parquet", PAIRS)
    assert read_table(tmp_path / "a.parquet", PAIRS).schema == PAIRS.schema()
    assert read_lineage(tmp_path / "a.parquet") == {}


def test_equal_frames_give_equal_bytes_however_they_were_made(tmp_path: Path) -> None:
    whole = frame(*({} for _ in range(100)))
    parts = pl.concat([whole[:30], whole[30:]], rechunk=False)
    for name, rows in (("a", whole), ("b", parts), ("c", whole.clone())):
        write_table(rows, tmp_path / name, PAIRS, {"b": 1, "a": 2})
    assert len({(tmp_path / name).read_bytes() for name in "abc"}) == 1


@pytest.mark.parametrize(
    ("bad", "problem", "column"),
    [
        (frame({}).drop("source"), "lacks a column", "source"),
        (frame({}).with_columns(pl.col("margin").cast(pl.Float32)), "wrong type", "margin"),
        (frame({}).with_columns(extra=1), "columns it should not", "extra"),
        (frame({}, {"chosen": None}), "a null where none may be", "chosen"),
        (frame({"pair_id": "x"}, {"pair_id": "x"}), "names one row twice", "pair_id"),
        (frame({}, {"rejected": "a"}), "breaks a rule", None),
    ],
)
def test_a_frame_that_breaks_the_schema_is_refused(
    tmp_path: Path, bad: pl.DataFrame, problem: str, column: str | None
) -> None:
    path = tmp_path / "a.parquet"
    write_table(frame({}), path, PAIRS)
    before = path.read_bytes()
    with pytest.raises(PipelineError, match=problem) as caught:
        write_table(bad, path, PAIRS)
    assert (caught.value.column, caught.value.file) == (column, str(path))
    assert path.read_bytes() == before


def test_the_broken_row_is_named() -> None:
    with pytest.raises(PipelineError) as caught:
        validate(frame({}, {}, {"chosen": "b"}), PAIRS)
    assert (caught.value.row, caught.value.expected) == (3, "chosen differs from rejected")
    assert "i2" in str(caught.value.found)


def test_a_ledger_entry_names_a_row_or_a_pair() -> None:
    entry = {"stage": "s", "reason": "r"}
    with pytest.raises(PipelineError, match="a row or a pair is named"):
        validate(pl.DataFrame([entry], LEDGER.schema()), LEDGER)
    validate(pl.DataFrame([{**entry, "row_id": "x"}, {**entry, "pair_id": "x"}], LEDGER.schema()), LEDGER)


def test_a_missing_a_broken_and_a_foreign_file(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match=r"is missing.*dvc repro"):
        read_table(tmp_path / "none.parquet", PAIRS)
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 not really")
    with pytest.raises(PipelineError, match="cannot be read"):
        read_table(tmp_path / "broken.parquet", PAIRS)
    with pytest.raises(PipelineError, match="cannot be read"):
        read_lineage(tmp_path / "broken.parquet")
    pl.DataFrame({"a": [1]}).write_parquet(tmp_path / "foreign.parquet")
    with pytest.raises(PipelineError, match="lacks a column"):
        read_table(tmp_path / "foreign.parquet", PAIRS)
    assert read_lineage(tmp_path / "foreign.parquet") == {}


# --- in blocks ------------------------------------------------------------------------------------------


@pytest.fixture
def small_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "ROW_GROUP", 8)


@pytest.mark.usefixtures("small_groups")
@pytest.mark.parametrize("sizes", [[21], [1] * 21, [7, 7, 7], [8, 8, 5], [3, 0, 17, 1], [20, 1]])
def test_blocks_of_any_size_give_the_bytes_of_the_whole(tmp_path: Path, sizes: list[int]) -> None:
    rows = frame(*({"margin": float(n)} for n in range(21)))
    write_table(rows, tmp_path / "whole", PAIRS, {"a": 1})
    with open_table(tmp_path / "blocks", PAIRS, {"a": 1}) as writer:
        start = 0
        for size in sizes:
            writer.write(rows[start : start + size])
            start += size
    assert writer.rows == start == 21
    assert (tmp_path / "blocks").read_bytes() == (tmp_path / "whole").read_bytes()
    groups = pq.read_metadata(tmp_path / "whole")
    assert [groups.row_group(n).num_rows for n in range(groups.num_row_groups)] == [8, 8, 5]


@pytest.mark.usefixtures("small_groups")
def test_a_table_is_read_in_blocks_as_often_as_needed(tmp_path: Path) -> None:
    rows = frame(*({"margin": float(n)} for n in range(21)))
    write_table(rows, tmp_path / "a", PAIRS)
    stored = StoredTable(tmp_path / "a", PAIRS)
    assert stored.rows == count_rows(tmp_path / "a", PAIRS) == HeldTable(rows).rows == 21
    for _ in range(2):
        blocks = list(stored.blocks())
        assert [block.height for block in blocks] == [8, 8, 5]
        assert pl.concat(blocks).equals(rows)
    thin = list(stored.blocks(["margin", "pair_id"]))
    assert pl.concat(thin).equals(rows.select("margin", "pair_id"))
    assert read_table(tmp_path / "a", PAIRS, ["chosen"]).equals(rows.select("chosen"))


@pytest.mark.usefixtures("small_groups")
@pytest.mark.parametrize("runs", [[1] * 21, [21], [3, 10, 8], [8, 8, 5], [7, 2, 12]])
def test_runs_are_not_parted_where_they_must_stay_whole(tmp_path: Path, runs: list[int]) -> None:
    names = [f"r{n}" for n, length in enumerate(runs) for _ in range(length)]
    rows = frame(*({"row_id": name} for name in names))
    write_table(rows, tmp_path / "a", PAIRS)
    for source in (StoredTable(tmp_path / "a", PAIRS), HeldTable(rows, 8), HeldTable(rows, 1)):
        blocks = list(source.blocks(whole="row_id"))
        assert pl.concat(blocks).equals(rows)
        seen = [set(block["row_id"]) for block in blocks]
        assert sum(map(len, seen)) == len(set(names))


@pytest.mark.usefixtures("small_groups")
def test_a_fault_while_writing_leaves_the_old_table(tmp_path: Path) -> None:
    write_table(frame({}), tmp_path / "a", PAIRS)
    before = (tmp_path / "a").read_bytes()
    with (
        pytest.raises(PipelineError, match="a null where none may be"),
        open_table(tmp_path / "a", PAIRS) as writer,
    ):
        writer.write(frame(*({} for _ in range(20))))
        writer.write(frame({"chosen": None}))
    assert (tmp_path / "a").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_blocks_of_a_broken_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match="is missing"):
        list(read_blocks(tmp_path / "none", PAIRS))
    whole = tmp_path / "whole"
    write_table(frame(*({"chosen": str(n) * 50} for n in range(2000))), whole, PAIRS)
    data = bytearray(whole.read_bytes())
    data[200:3000] = bytes(2800)
    (tmp_path / "broken").write_bytes(data)
    with pytest.raises(PipelineError, match="cannot be read"):
        list(read_blocks(tmp_path / "broken", PAIRS))
    with pytest.raises(PipelineError, match=r"is another table.*Found: pairs\. Expected: ledger"):
        list(read_blocks(whole, LEDGER))
