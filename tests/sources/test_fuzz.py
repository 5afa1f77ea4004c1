"""Damaged rows at every reader: nothing but foreseen errors, no row lost, both ways of reading alike.

A few hundred rows of each here; ``python benchmarks/fuzz.py`` throws ten thousand.
"""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.fuzz_files import FILES, line_file, packed
from benchmarks.mutations import mutated_row
from benchmarks.reader_laws import check_laws
from benchmarks.reader_seeds import SEEDS
from pipeline.errors import PipelineError
from pipeline.sources.pull import completion_blocks
from pipeline.sources.tally import Tally

RANDOM = st.randoms(use_true_random=False)


@pytest.mark.parametrize("name", SEEDS)
@settings(max_examples=10)
@given(random=RANDOM, block_bytes=st.sampled_from([400, 1 << 20]))
def test_damaged_lines(
    tmp_path_factory: pytest.TempPathFactory, name: str, random: Random, block_bytes: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzz.jsonl"
    content, rows = line_file(SEEDS[name].rows, random, count=20)
    path.write_bytes(content)
    check_laws(path, SEEDS[name].adapter, block_bytes, rows)


@pytest.mark.parametrize("form", FILES)
@settings(max_examples=15)
@given(random=RANDOM, name=st.sampled_from(list(SEEDS)))
def test_damaged_files(
    tmp_path_factory: pytest.TempPathFactory, form: str, random: Random, name: str
) -> None:
    path = tmp_path_factory.getbasetemp() / f"fuzz.{form}"
    content, rows = packed(form, SEEDS[name].rows, random, count=20)
    path.write_bytes(content)
    check_laws(path, SEEDS[name].adapter, 1 << 20, rows)


@settings(max_examples=15)
@given(random=RANDOM, block_bytes=st.sampled_from([400, 1 << 20]))
def test_damaged_rows_that_are_brought_together(
    tmp_path_factory: pytest.TempPathFactory, random: Random, block_bytes: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzz.jsonl"
    content, rows = line_file(SEEDS["rated_single"].rows, random, count=20)
    path.write_bytes(content)
    tally = Tally()
    adapter = SEEDS["rated_single"].adapter
    try:
        blocks = list(completion_blocks({"fuzz.jsonl": path}, adapter, tally, block_bytes, "drop"))
    except PipelineError:
        return  # a fault of the file as a whole
    tally.check()
    assert tally.row_ids.len() == rows
    assert sum(block.height for block in blocks) == tally.rows_kept == rows - tally.ledger.frame().height


def test_the_same_seed_gives_the_same_damage() -> None:
    rows: list[Any] = [mutated_row(SEEDS["hh_rlhf"].rows[0], Random(seed)) for seed in (1, 1, 2)]
    assert rows[0] == rows[1] != rows[2]


def test_a_lost_row_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "fuzz.jsonl"
    path.write_bytes(b'{"chosen": "a", "rejected": "b"}\n[]\n')
    adapter = SEEDS["hh_rlhf"].adapter
    assert check_laws(path, adapter, 1 << 20, 2) == (1, 1)
    with pytest.raises(AssertionError):
        check_laws(path, adapter, 1 << 20, 3)
