"""Token shards: Arrow IPC streams with masks, a manifest beside them, memory-mapped on reading.

Each shard opens with ``datasets.Dataset.from_file`` as it is. The manifest names every shard with its SHA-256
and says which tokenizer and template made it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.errors import PipelineError
from pipeline.files import read_json, sha256_file, write_json

SHARD_VERSION = 1
MANIFEST = "manifest.json"

SHARD_SCHEMA = pa.schema(
    [
        pa.field("pair_id", pa.string()),
        *[pa.field(f"{part}_ids", pa.list_(pa.int32())) for part in ("prompt", "chosen", "rejected")],
        *[pa.field(f"{part}_mask", pa.list_(pa.bool_())) for part in ("prompt", "chosen", "rejected")],
    ]
)
"""One pair a row. A mask is true where the token is trained on."""

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
    def longest(self) -> int:
        """Tokens of the prompt with the longer response."""
        return len(self.prompt_ids) + max(len(self.chosen_ids), len(self.rejected_ids))


def write_shards(rows: Sequence[Mapping[str, Any]], folder: Path, shard_pairs: int) -> list[dict[str, Any]]:
    """Write rows of :data:`SHARD_SCHEMA` to ``shard-00000.arrow`` and on.

    Args:
        rows: The pairs, in the order they are to lie.
        folder: An empty or new folder.
        shard_pairs: Rows per shard.

    Returns:
        Per shard its file name, pairs, and SHA-256, for the manifest.
    """
    folder.mkdir(parents=True, exist_ok=True)
    shards = []
    for number, start in enumerate(range(0, len(rows), shard_pairs)):
        path = folder / f"shard-{number:05d}.arrow"
        part = rows[start : start + shard_pairs]
        table = pa.Table.from_pylist([dict(row) for row in part], schema=SHARD_SCHEMA)
        with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, SHARD_SCHEMA) as writer:
            writer.write_table(table, max_chunksize=1024)
        shards.append({"file": path.name, "pairs": len(part), "sha256": sha256_file(path)})
    return shards


def write_manifest(folder: Path, facts: Mapping[str, Any]) -> None:
    """Write ``manifest.json``: the shard version and ``facts``, among them ``splits`` with their shards."""
    write_json(folder / MANIFEST, {"shard_version": SHARD_VERSION, **facts})


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a shard set.

    Raises:
        PipelineError: If it is missing, is not JSON, or is of another version.
    """
    path = folder / MANIFEST
    try:
        manifest: dict[str, Any] = read_json(path)
    except FileNotFoundError as error:
        raise PipelineError(
            "There is no shard set", file=path, hint="Run `dvc repro tokenize`, which makes it"
        ) from error
    except (OSError, json.JSONDecodeError) as error:
        raise PipelineError(
            "The shards' manifest cannot be read",
            file=path,
            found=str(error),
            hint="Run `dvc repro --force tokenize`",
        ) from error
    if manifest.get("shard_version") != SHARD_VERSION:
        raise PipelineError(
            "The shards are of another version",
            file=path,
            column="shard_version",
            found=str(manifest.get("shard_version")),
            expected=str(SHARD_VERSION),
            hint="Run `dvc repro --force tokenize`",
        )
    return manifest


class ShardSet:
    """The pairs of one split, memory-mapped, in shard order.

    Args:
        folder: The folder that holds ``manifest.json``.
        split: train, validation or test.

    Raises:
        PipelineError: If the manifest or a shard is missing, or a shard is not the one the manifest names.
    """

    def __init__(self, folder: Path, split: str) -> None:
        self.manifest = read_manifest(folder)
        entry = self.manifest["splits"].get(split)
        if entry is None:
            raise PipelineError(
                "The shard set does not hold this split",
                file=folder / MANIFEST,
                column="splits",
                found=", ".join(self.manifest["splits"]),
                expected=split,
            )
        tables = [_open_shard(folder / split / shard["file"], shard["sha256"]) for shard in entry["shards"]]
        table = pa.concat_tables(tables) if tables else SHARD_SCHEMA.empty_table()
        self._columns = {
            name: table.column(name).combine_chunks() for name in SHARD_SCHEMA.names if name != "pair_id"
        }
        self.pair_ids: list[str] = table.column("pair_id").to_pylist()

    def __len__(self) -> int:
        return len(self.pair_ids)

    def __getitem__(self, index: int) -> TokenPair:
        arrays = {name: column[index].values for name, column in self._columns.items()}
        return TokenPair(
            pair_id=self.pair_ids[index],
            **{name: values.to_numpy(zero_copy_only=False) for name, values in arrays.items()},
        )

    def __iter__(self) -> Iterator[TokenPair]:
        return (self[index] for index in range(len(self)))

    def lengths(self) -> npt.NDArray[np.int64]:
        """Tokens of prompt plus longer response of each pair, shape (pairs,)."""
        counts = {
            name: np.diff(self._columns[name].offsets.to_numpy()).astype(np.int64)
            for name in ("prompt_ids", "chosen_ids", "rejected_ids")
        }
        longer: npt.NDArray[np.int64] = np.maximum(counts["chosen_ids"], counts["rejected_ids"])
        total: npt.NDArray[np.int64] = counts["prompt_ids"] + longer
        return total


def _open_shard(path: Path, sha256: str) -> pa.Table:
    hint = "Run `dvc repro --force tokenize`, or restore it with `dvc checkout`"
    if not path.is_file():
        raise PipelineError("A shard is missing", file=path, hint=hint)
    found = sha256_file(path)
    if found != sha256:
        raise PipelineError(
            "A shard is not the one its manifest names",
            file=path,
            column="sha256",
            found=found,
            expected=sha256,
            hint=hint,
        )
    return pa.ipc.open_stream(pa.memory_map(str(path))).read_all()
