"""Token shards: Arrow IPC streams with masks, a manifest beside them, memory-mapped on reading.

Each shard opens with ``datasets.Dataset.from_file`` as it is. The manifest names every shard with its SHA-256
and says which tokenizer and template made it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.errors import PipelineError
from pipeline.files import sha256_file
from pipeline.tokens.manifest import MANIFEST, read_manifest

PARTS = ("prompt", "chosen", "rejected")

SHARD_SCHEMA = pa.schema(
    [
        pa.field("pair_id", pa.string()),
        *[pa.field(f"{part}_ids", pa.list_(pa.int32())) for part in PARTS],
        *[pa.field(f"{part}_mask", pa.list_(pa.bool_())) for part in PARTS],
    ]
)
"""One pair a row. A mask is true where the token is trained on."""

_MEND = "Run `dvc repro --force tokenize`, or restore it with `dvc checkout`"

Ids = npt.NDArray[np.int32]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class TokenPair:
    """One pair's tokens and masks (int32 and bool arrays); ``*_mask`` has the length of ``*_ids``."""

    pair_id: str
    prompt_ids: Ids
    chosen_ids: Ids
    rejected_ids: Ids
    prompt_mask: Mask
    chosen_mask: Mask
    rejected_mask: Mask

    @property
    def tokens(self) -> int:
        """Tokens of the three parts, the prompt counted once."""
        return len(self.prompt_ids) + len(self.chosen_ids) + len(self.rejected_ids)

    @property
    def sequence_tokens(self) -> int:
        """Tokens of the two sequences, the prompt counted in both."""
        return len(self.prompt_ids) + self.tokens

    @property
    def longest(self) -> int:
        """Tokens of the prompt with the longer response."""
        return len(self.prompt_ids) + max(len(self.chosen_ids), len(self.rejected_ids))


class ShardSet:
    """The pairs of one split, memory-mapped, in shard order.

    Args:
        folder: The folder that holds ``manifest.json``.
        split: train, validation or test.

    Raises:
        PipelineError: If the manifest or a shard is missing, or a shard is not the one the manifest names, is
            not Arrow or not of :data:`SHARD_SCHEMA`.
    """

    def __init__(self, folder: Path, split: str) -> None:
        self.manifest = read_manifest(folder)
        shards = split_entry(self.manifest, folder, split)["shards"]
        self._batches: list[pa.RecordBatch] = []
        for shard in shards:
            path = folder / split / shard["file"]
            check_hash(path, shard["sha256"])
            self._batches += open_shard(path).to_batches()
        self._ends = np.cumsum([batch.num_rows for batch in self._batches], dtype=np.int64)
        self.pair_ids: list[str] = [
            pair_id for batch in self._batches for pair_id in batch.column("pair_id").to_pylist()
        ]

    def __len__(self) -> int:
        return len(self.pair_ids)

    def __getitem__(self, index: int) -> TokenPair:
        place = index + len(self) if index < 0 else index
        if not 0 <= place < len(self):
            raise IndexError(index)
        number = int(np.searchsorted(self._ends, place, side="right"))
        batch = self._batches[number]
        row = place - (int(self._ends[number]) - batch.num_rows)
        arrays = {
            name: batch.column(name)[row].values.to_numpy(zero_copy_only=False)
            for name in SHARD_SCHEMA.names
            if name != "pair_id"
        }
        return TokenPair(pair_id=self.pair_ids[place], **arrays)

    def __iter__(self) -> Iterator[TokenPair]:
        return (self[index] for index in range(len(self)))

    def lengths(self) -> npt.NDArray[np.int64]:
        """Tokens of prompt plus longer response of each pair, shape (pairs,)."""
        found = [
            list_lengths(batch, "prompt_ids")
            + np.maximum(list_lengths(batch, "chosen_ids"), list_lengths(batch, "rejected_ids"))
            for batch in self._batches
        ]
        return np.concatenate([np.zeros(0, np.int64), *found])


def list_lengths(batch: pa.RecordBatch, column: str) -> npt.NDArray[np.int64]:
    """Length of each row's list, int64, shape (rows,)."""
    offsets: npt.NDArray[np.int32] = batch.column(column).offsets.to_numpy()
    return np.diff(offsets).astype(np.int64)


def split_entry(manifest: dict[str, Any], folder: Path, split: str) -> dict[str, Any]:
    """What a manifest says of a split.

    Raises:
        PipelineError: If it does not name it.
    """
    splits = manifest.get("splits", {})
    if split not in splits:
        raise PipelineError(
            "The shard set does not hold this split",
            file=folder / MANIFEST,
            column="splits",
            found=", ".join(splits),
            expected=split,
        )
    return dict(splits[split])


def check_hash(path: Path, sha256: str) -> None:
    """Check that a shard is the file that the manifest names.

    Raises:
        PipelineError: If it is missing or other than that.
    """
    if not path.is_file():
        raise PipelineError("A shard is missing", file=path, hint=_MEND)
    found = sha256_file(path)
    if found != sha256:
        raise PipelineError(
            "A shard is not the one its manifest names",
            file=path,
            column="sha256",
            found=found,
            expected=sha256,
            hint=_MEND,
        )


def open_shard(path: Path) -> pa.Table:
    """A shard's rows, memory-mapped.

    Raises:
        PipelineError: If it cannot be read, or has other columns than :data:`SHARD_SCHEMA`.
    """
    try:
        table = pa.ipc.open_stream(pa.memory_map(str(path))).read_all()
    except (OSError, pa.ArrowException) as error:
        raise PipelineError(
            "A shard cannot be read", file=path, found=str(error), expected="an Arrow IPC stream", hint=_MEND
        ) from error
    if not table.schema.equals(SHARD_SCHEMA):
        raise PipelineError(
            "A shard has other columns than it should",
            file=path,
            found=_columns(table.schema),
            expected=_columns(SHARD_SCHEMA),
            hint=_MEND,
        )
    return table


def _columns(schema: pa.Schema) -> str:
    return ", ".join(f"{field.name} {field.type}" for field in schema)
