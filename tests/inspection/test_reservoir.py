"""The sample: as large as asked for, by hashes of prompts, the same in any order and any blocks."""

from __future__ import annotations

from collections.abc import Callable

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.inspection.reservoir import Reservoir
from pipeline.texts import content_ids, prompt_keys

Frame = Callable[..., pl.DataFrame]


@pytest.fixture(scope="module")
def forty(completions: Frame) -> pl.DataFrame:
    """40 rows of two completions; every two rows share a prompt."""
    rows = {f"r{number:02}": [("a", 1.0), ("b", 2.0)] for number in range(40)}
    return completions(rows, {row: f"prompt {int(row[1:]) // 2}" for row in rows})


def sampled(blocks: list[pl.DataFrame], rows: int) -> Reservoir:
    reservoir = Reservoir(rows)
    for block in blocks:
        reservoir.add(block)
    return reservoir


def test_the_prompts_with_the_smallest_hashes_are_held(forty: pl.DataFrame) -> None:
    hashed = forty.with_columns(content_ids(prompt_keys(forty["prompt"])).alias("hash"))
    expected = hashed.select("hash", "row_id").unique().sort("hash", "row_id")["row_id"].head(10).to_list()
    found = sampled([forty], 10)
    assert found.rows == 10
    assert found.completions()["row_id"].unique(maintain_order=True).to_list() == expected
    assert found.completions()["completion_index"].to_list() == [0, 1] * 10


def test_rows_of_one_prompt_stay_together(forty: pl.DataFrame) -> None:
    held = sampled([forty], 10).completions()
    prompts = held.select(pl.col("prompt").list.first().struct.field("content"))["content"]
    assert prompts.value_counts()["count"].to_list() == [4] * 5


def test_a_source_that_is_smaller_is_held_whole(forty: pl.DataFrame) -> None:
    held = sampled([forty], 40).completions()
    assert held.sort("row_id", "completion_index").equals(forty)


@given(seed=st.integers(0, 999), size=st.integers(1, 40), rows=st.integers(1, 45))
@settings(max_examples=25)
def test_order_and_blocks_make_no_difference(forty: pl.DataFrame, seed: int, size: int, rows: int) -> None:
    order = forty["row_id"].unique().sort().shuffle(seed)
    shuffled = pl.concat([forty.filter(pl.col("row_id") == row) for row in order])
    blocks = list(shuffled.iter_slices(2 * size))
    assert sampled(blocks, rows).completions().equals(sampled([forty], rows).completions())


def test_nothing_gives_nothing(forty: pl.DataFrame) -> None:
    assert sampled([], 5).completions().is_empty()
    assert sampled([forty.clear()], 5).rows == 0
