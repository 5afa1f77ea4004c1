"""Law 2: the same input gives the same bytes, whatever threads and blocks; row order changes no pair."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from pipeline.files import sha256_file
from pipeline.sources.sample import generate

PROJECT = Path(__file__).parents[2]
NAMES = ("pull", "binarize", "filter", "decontaminate", "dedupe", "curate", "split")
RUN = """
import sys
from pathlib import Path
from pipeline import spill, tables
from pipeline.params import load_params
from stages import binarize, curate, decontaminate, dedupe, filter, pull, split
tables.ROW_GROUP = int(sys.argv[1]) or tables.ROW_GROUP
spill.HELD_BYTES = int(sys.argv[2])
for stage in (pull, binarize, filter, decontaminate, dedupe, curate, split):
    stage.main(load_params())
"""
SECTIONS: dict[str, Any] = {
    "binarize": {"pairing": "best_vs_random", "ties": "keep_by_secondary_score"},
    "filter": {"refusals": "either", "max_repetition": 0.9, "max_length_ratio": 30.0},
    "decontaminate": {
        "benchmarks": [{"name": "b", "path": str(PROJECT / "pipeline/sources/sample_benchmark.jsonl")}]
    },
}


def run(
    folder: Path, rows: list[dict[str, Any]], threads: int = 2, group: int = 0, held: int = 1 << 28
) -> None:
    """Run the data stages on raw rows, in a process with so many threads, blocks and bytes held."""
    folder.mkdir()
    lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in rows]
    (folder / "raw.jsonl").write_text("".join(lines), encoding="utf-8")
    source = {"kind": "ultrafeedback", "path": "raw.jsonl"}
    (folder / "params.yaml").write_text(yaml.safe_dump({"source": source, **SECTIONS}))
    (folder / "curation").mkdir()
    (folder / "curation/decisions.jsonl").touch()
    counts = {name: str(threads) for name in ("POLARS_MAX_THREADS", "RAYON_NUM_THREADS", "NUMBA_NUM_THREADS")}
    environment = {**os.environ, **counts, "PYTHONPATH": str(PROJECT)}
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(group), str(held)],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def hashes(folder: Path) -> dict[str, str]:
    files = [path for part in ("data", "metrics") for path in (folder / part).rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): sha256_file(path) for path in sorted(files)}


@pytest.fixture(scope="module")
def raw() -> list[dict[str, Any]]:
    return [row.raw for row in generate(400, 3)]


@pytest.fixture(scope="module")
def reference(raw: list[dict[str, Any]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reference") / "project"
    run(folder, raw)
    return folder


@pytest.mark.parametrize("threads", [1, 5])
def test_threads_change_no_byte(
    raw: list[dict[str, Any]], reference: Path, tmp_path: Path, threads: int
) -> None:
    run(tmp_path / "project", raw, threads=threads)
    assert hashes(tmp_path / "project") == hashes(reference)
    assert len(hashes(reference)) > 20


def test_rows_held_before_they_spill_change_no_byte(
    raw: list[dict[str, Any]], reference: Path, tmp_path: Path
) -> None:
    run(tmp_path / "project", raw, held=0)
    assert hashes(tmp_path / "project") == hashes(reference)


def tables(folder: Path) -> dict[str, pl.DataFrame]:
    """Every table from binarize on: what their rows say, apart from where the raw file came from."""
    files = [path for name in NAMES[1:] for path in sorted((folder / "data" / name).glob("*.parquet"))]
    return {path.relative_to(folder).as_posix(): pl.read_parquet(path) for path in files}


def test_small_blocks_change_no_row(raw: list[dict[str, Any]], reference: Path, tmp_path: Path) -> None:
    run(tmp_path / "project", raw, group=37, held=20_000)
    found, expected = tables(tmp_path / "project"), tables(reference)
    assert found.keys() == expected.keys()
    for name, frame in expected.items():
        assert found[name].equals(frame), name


@pytest.mark.parametrize("seed", [1, 2])
def test_the_order_of_raw_rows_changes_no_pair(
    raw: list[dict[str, Any]], reference: Path, tmp_path: Path, seed: int
) -> None:
    shuffled = random.Random(seed).sample(raw, len(raw))
    run(tmp_path / "project", shuffled)
    found, expected = tables(tmp_path / "project"), tables(reference)
    assert found.keys() == expected.keys() and len(expected) == 17
    for name, frame in expected.items():
        assert frame.equals(found[name]), name
