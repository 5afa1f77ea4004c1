"""Shards as bytes, by place, and in TRL's columns."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pytest

from pipeline.tokens import shard_writer
from pipeline.tokens.manifest import write_manifest
from pipeline.tokens.shard_writer import write_shards
from pipeline.tokens.shards import SHARD_SCHEMA, ShardSet, TokenPair
from pipeline.tokens.trl_columns import trl_columns


def rows(count: int) -> list[dict[str, Any]]:
    made = []
    for number in range(count):
        row: dict[str, Any] = {"pair_id": f"p{number}"}
        for place, part in enumerate(("prompt", "chosen", "rejected"), start=1):
            row[f"{part}_ids"] = list(range(number % 7 + place))
            row[f"{part}_mask"] = [(number + token) % 3 == 0 for token in range(number % 7 + place)]
        made.append(row)
    return made


def test_bytes_are_those_that_arrow_makes_of_the_rows(tmp_path: Path) -> None:
    made = rows(2500)
    shards = write_shards(made, tmp_path / "ours", 2000)
    assert [shard["pairs"] for shard in shards] == [2000, 500]
    for shard, part in zip(shards, (made[:2000], made[2000:]), strict=True):
        with (
            pa.OSFile(str(tmp_path / "arrow"), "wb") as sink,
            pa.ipc.new_stream(sink, SHARD_SCHEMA) as writer,
        ):
            writer.write_table(pa.Table.from_pylist(part, schema=SHARD_SCHEMA), max_chunksize=1024)
        assert (tmp_path / "ours" / shard["file"]).read_bytes() == (tmp_path / "arrow").read_bytes()
        assert shard["chosen_tokens"] == sum(len(row["chosen_ids"]) for row in part)


def test_shards_are_written_in_parallel_and_told_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = rows(40)
    expected = [write_shards([row], tmp_path / f"alone-{place}", 1)[0] for place, row in enumerate(made)]
    write = shard_writer._write
    # Shards wait for each other by twos: one writer alone would wait in vain.
    together = threading.Barrier(2, timeout=20)

    def write_together(path: Path, pairs: Sequence[TokenPair]) -> dict[str, Any]:
        together.wait()
        # The first of the two takes longer, so that they end in another order than they were begun.
        if int(path.stem[-5:]) % 2 == 0:
            time.sleep(0.002)
        return write(path, pairs)

    monkeypatch.setattr(shard_writer, "_write", write_together)
    shards = write_shards(made, tmp_path / "all", 1)
    assert [shard["file"] for shard in shards] == [f"shard-{place:05d}.arrow" for place in range(40)]
    assert [shard["sha256"] for shard in shards] == [shard["sha256"] for shard in expected]


def test_pairs_are_found_by_place_across_shards_and_batches(tmp_path: Path) -> None:
    made = rows(2500)
    shards = write_shards(made, tmp_path / "train", 2000)
    write_manifest(tmp_path, {"splits": {"train": {"shards": shards}}})
    opened = ShardSet(tmp_path, "train")
    for place in (0, 1023, 1024, 1999, 2000, 2499, -1):
        pair, row = opened[place], made[place]
        assert pair.pair_id == row["pair_id"]
        assert {name: getattr(pair, name).tolist() for name in row if name != "pair_id"} == {
            name: value for name, value in row.items() if name != "pair_id"
        }
    assert opened.lengths().tolist() == [number % 7 + 1 + number % 7 + 3 for number in range(2500)]
    for place in (2500, -2501):
        with pytest.raises(IndexError):
            opened[place]


def test_trl_columns_by_hand(tmp_path: Path) -> None:
    row = {
        "pair_id": "a",
        "prompt_ids": [1, 5, 6],
        "chosen_ids": [7, 2],
        "rejected_ids": [8, 9, 2],
        "prompt_mask": [False, False, True],
        "chosen_mask": [True, True],
        "rejected_mask": [True, True, True],
    }
    [shard] = write_shards([row], tmp_path, 1)
    opened = datasets.Dataset.from_file(str(tmp_path / shard["file"]))
    columns = opened.map(trl_columns, remove_columns=opened.column_names, keep_in_memory=True)
    assert columns[0] == {
        "prompt_input_ids": [1, 5, 6],
        "prompt_attention_mask": [1, 1, 1],
        "chosen_input_ids": [1, 5, 6, 7, 2],
        "chosen_attention_mask": [1] * 5,
        "chosen_labels": [-100, -100, 6, 7, 2],
        "rejected_input_ids": [1, 5, 6, 8, 9, 2],
        "rejected_attention_mask": [1] * 6,
        "rejected_labels": [-100, -100, 6, 8, 9, 2],
    }
