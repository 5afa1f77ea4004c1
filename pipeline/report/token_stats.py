"""Token and truncation statistics: the counts of tokenize, and the lengths of its shards."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.errors import PipelineError
from pipeline.report import words
from pipeline.report.grid import Cell, Grid, Head
from pipeline.results import missing, read_metrics

Lengths = npt.NDArray[np.int64]
"""Tokens of each pair's prompt with its longer response."""


def read_lengths(folder: Path, split: str) -> tuple[Lengths, int]:
    """The lengths of a split's pairs, and the longest that tokenize allows.

    Only the offsets of the token lists are read of the memory-mapped shards.

    Args:
        folder: data/tokenize.
        split: train, validation or test.

    Raises:
        PipelineError: If the manifest or a shard is missing or cannot be read.
    """
    manifest = read_metrics(folder / "manifest.json", "tokenize")
    files = [folder / split / shard["file"] for shard in manifest["splits"][split]["shards"]]
    found = [_shard_lengths(file) for file in files]
    return np.concatenate(found) if found else np.empty(0, np.int64), int(manifest["max_length"])


def _shard_lengths(file: Path) -> Lengths:
    if not file.is_file():
        raise missing(file, "tokenize")
    try:
        with pa.memory_map(str(file)) as source:
            table = pa.ipc.open_stream(source).read_all()
            counts = [_counts(table, part) for part in ("prompt", "chosen", "rejected")]
    except (pa.ArrowException, KeyError) as error:
        raise PipelineError(
            "A token shard cannot be read",
            file=file,
            found=str(error),
            expected="an Arrow stream with columns of token ids",
            hint="Run `dvc repro --force --single-item tokenize`",
        ) from error
    return counts[0] + np.maximum(counts[1], counts[2])


def _counts(table: pa.Table, part: str) -> Lengths:
    return np.asarray(pc.list_value_length(table[f"{part}_ids"]), dtype=np.int64)


def token_grid(counts: Mapping[str, Any]) -> Grid | None:
    """The counts of tokenize, one row each and a column per split; None where it counted none.

    Args:
        counts: ``splits`` of metrics/tokenize.json.
    """
    splits = list(counts)
    flat = {split: words.numbers(counts[split]) for split in splits}
    names = list(dict.fromkeys(name for split in splits for name in flat[split]))
    rows = [
        [Cell(words.title(name)), *(_cell(name, flat[split].get(name)) for split in splits)] for name in names
    ]
    return Grid([Head("Tokens"), *(Head(split, number=True) for split in splits)], rows) if rows else None


def _cell(name: str, value: float | None) -> Cell:
    if value is None:
        return Cell(words.DASH)
    if name.endswith("percent"):
        return Cell(f"{value:.2f}%", value)
    return Cell(f"{value:,.0f}" if float(value).is_integer() else f"{value:,.1f}", value)
