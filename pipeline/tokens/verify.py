"""Re-reading a shard set: whether shards are what the manifest says, and rows what training relies on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from transformers import PreTrainedTokenizerFast

from pipeline.errors import PipelineError
from pipeline.tokens.manifest import MANIFEST, check_fingerprints, read_manifest
from pipeline.tokens.shards import PARTS, check_hash, list_lengths, open_shard, split_entry
from pipeline.tokens.template_tokens import never_written
from pipeline.tokens.tokenizer import template_fingerprint, tokenizer_fingerprint

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Verified:
    """What a sound shard set holds.

    Attributes:
        splits: Split name to its pairs, shards, and tokens of each part.
        fingerprints: Whether it was compared with a model's tokenizer.
    """

    splits: dict[str, dict[str, int]]
    fingerprints: bool


def verify_shards(
    folder: Path, tokenizer: PreTrainedTokenizerFast | None = None, model: Path | None = None
) -> Verified:
    """Read all of a shard set and check it; the first fault is raised.

    Checked are: each shard's SHA-256 and schema; its counts against the manifest's, per shard and per split;
    that no pair comes twice; per row that masks are as long as ids, nothing is null, ids are in the
    vocabulary, no response is empty and all of it is trained on, at most one BOS begins, prompt and response
    are within ``max_length``, and one EOS ends each response, unless it was cut and fills the length. Where
    ``special_tokens_in_text`` is ``text``, no response has an EOS before its end, and with a tokenizer no row
    has a control token that its template never writes.

    Args:
        folder: The folder that holds ``manifest.json``.
        tokenizer: A model's tokenizer whose fingerprints are to be compared; None: they are not.
        model: Where that comes from, for the error.

    Raises:
        PipelineError: With the file and the row of the first fault.
    """
    manifest = read_manifest(folder)
    _check_facts(manifest, folder / MANIFEST)
    if tokenizer is not None:
        fingerprints = tokenizer_fingerprint(tokenizer), template_fingerprint(tokenizer)
        check_fingerprints(manifest, model or folder, *fingerprints)
    foreign: frozenset[int] = frozenset()
    if tokenizer is not None and manifest["special_tokens_in_text"] == "text":
        foreign = never_written(tokenizer)
    seen: set[str] = set()
    splits = {}
    for split in manifest["splits"]:
        entry = split_entry(manifest, folder, split)
        total = _new_counts()
        for shard in entry["shards"]:
            path = folder / split / shard["file"]
            check_hash(path, shard["sha256"])
            found = _check_shard(path, manifest, foreign, seen)
            _compare_counts(found, shard, path)
            total = {name: total[name] + found[name] for name in total}
        _compare_counts(total, entry, folder / MANIFEST)
        splits[split] = {"shards": len(entry["shards"]), **total}
    return Verified(splits, tokenizer is not None)


FACTS = (
    "tokenizer_sha256",
    "template_sha256",
    "encoder",
    "vocabulary",
    "bos_token_id",
    "eos_token_id",
    "max_length",
    "truncation",
    "loss_on",
    "special_tokens_in_text",
    "splits",
)
"""What a manifest has to say for its shards to be checked."""


def _check_facts(manifest: dict[str, Any], path: Path) -> None:
    missing = [name for name in FACTS if name not in manifest]
    if missing:
        raise PipelineError(
            "The shards' manifest is not complete",
            file=path,
            column=", ".join(missing),
            expected=", ".join(FACTS),
            hint="Run `dvc repro --force tokenize`",
        )


def _new_counts() -> dict[str, int]:
    return {"pairs": 0, **{f"{part}_tokens": 0 for part in PARTS}}


def _compare_counts(found: dict[str, int], said: dict[str, Any], path: Path) -> None:
    for name, count in found.items():
        if said.get(name) != count:
            raise PipelineError(
                "The manifest counts otherwise than its shards",
                file=path,
                column=name,
                found=str(count),
                expected=str(said.get(name)),
                hint="Run `dvc repro --force tokenize`",
            )


def _check_shard(
    path: Path, manifest: dict[str, Any], foreign: frozenset[int], seen: set[str]
) -> dict[str, int]:
    """Check a shard's rows, add its pair_ids to ``seen``, and give its counts."""
    counts = _new_counts()
    for batch in open_shard(path).to_batches():
        _check_batch(batch, path, counts["pairs"], manifest, foreign)
        for row, pair_id in enumerate(batch.column("pair_id").to_pylist()):
            if pair_id in seen:
                _refuse(path, counts["pairs"] + row, "pair_id", f"{pair_id} again", "each pair once")
            seen.add(pair_id)
        counts["pairs"] += batch.num_rows
        for part in PARTS:
            counts[f"{part}_tokens"] += int(list_lengths(batch, f"{part}_ids").sum())
    return counts


def _check_batch(
    batch: pa.RecordBatch, path: Path, start: int, manifest: dict[str, Any], foreign: frozenset[int]
) -> None:
    def demand(good: Bools, column: str, expected: str) -> None:
        """All rows must be good; the first that is not is named."""
        if not good.all():
            row = int(np.argmin(good))
            pair_id = batch.column("pair_id")[row].as_py()
            _refuse(path, start + row, column, f"pair_id {pair_id}", expected)

    for name in batch.schema.names:
        column = batch.column(name)
        nulls = column.null_count + (column.flatten().null_count if name != "pair_id" else 0)
        if nulls:
            _refuse(path, start, name, f"{nulls} nulls from this row on", "no null")
    lengths = {part: list_lengths(batch, f"{part}_ids") for part in PARTS}
    for part in PARTS:
        ids, mask = _values(batch, f"{part}_ids"), _values(batch, f"{part}_mask")
        demand(lengths[part] > 0, f"{part}_ids", "at least one token")
        demand(lengths[part] == list_lengths(batch, f"{part}_mask"), f"{part}_mask", "as long as the ids")
        known = (ids >= 0) & (ids < manifest["vocabulary"])
        demand(_all(known, lengths[part]), f"{part}_ids", f"ids from 0 to {manifest['vocabulary'] - 1}")
        if foreign:
            own = ~np.isin(ids, list(foreign))
            expected = "no control token but those the template writes"
            demand(_all(own, lengths[part]), f"{part}_ids", expected)
        if part != "prompt":
            demand(_all(mask, lengths[part]), f"{part}_mask", "true throughout: a response is trained on")
        elif manifest["loss_on"] == "last_turn":
            demand(_all(~mask, lengths[part]), f"{part}_mask", "false throughout: loss_on is last_turn")
    demand(_one_bos(batch, lengths["prompt"], manifest["bos_token_id"]), "prompt_ids", "one BOS at most")
    for part in ("chosen", "rejected"):
        whole = lengths["prompt"] + lengths[part]
        demand(whole <= manifest["max_length"], f"{part}_ids", f"at most {manifest['max_length']} tokens")
        cut = whole == manifest["max_length"] if manifest["truncation"] == "truncate_response" else whole < 0
        ended, doubled = _ends(batch, part, lengths[part], manifest["eos_token_id"])
        demand(ended | cut, f"{part}_ids", f"EOS ({manifest['eos_token_id']}) as the last token")
        demand(~doubled, f"{part}_ids", "one EOS at the end, not two")
        if manifest["special_tokens_in_text"] == "text":
            inside = _inside(batch, part, lengths[part], manifest["eos_token_id"])
            demand(~inside, f"{part}_ids", "no EOS before the last token: in texts it is text")


def _values(batch: pa.RecordBatch, column: str) -> npt.NDArray[Any]:
    values: npt.NDArray[Any] = batch.column(column).flatten().to_numpy(zero_copy_only=False)
    return values


def _all(good: Bools, lengths: npt.NDArray[np.int64]) -> Bools:
    """Of each row's list whether all of it is good; ``good`` holds the lists one after the other."""
    counted = np.concatenate([[0], np.cumsum(good)])
    ends = np.cumsum(lengths)
    return np.asarray(counted[ends] - counted[ends - lengths] == lengths)


def _one_bos(batch: pa.RecordBatch, lengths: npt.NDArray[np.int64], bos: int | None) -> Bools:
    """Whether each prompt begins with fewer than two BOS."""
    if bos is None:
        return np.ones(len(lengths), np.bool_)
    ids = np.append(_values(batch, "prompt_ids"), -1)
    starts = np.cumsum(lengths) - lengths
    doubled: Bools = (lengths > 1) & (ids[starts] == bos) & (ids[starts + 1] == bos)
    return ~doubled


def _ends(batch: pa.RecordBatch, part: str, lengths: npt.NDArray[np.int64], eos: int) -> tuple[Bools, Bools]:
    """Of each response whether EOS ends it, and whether two do."""
    ids = _values(batch, f"{part}_ids")
    last = np.cumsum(lengths) - 1
    ended = ids[last] == eos
    return ended, ended & (lengths > 1) & (ids[last - 1] == eos)


def _inside(batch: pa.RecordBatch, part: str, lengths: npt.NDArray[np.int64], eos: int) -> Bools:
    """Of each response whether EOS stands before its last token."""
    other = _values(batch, f"{part}_ids") != eos
    other[np.cumsum(lengths) - 1] = True
    return ~_all(other, lengths)


def _refuse(path: Path, row: int, column: str, found: str, expected: str) -> NoReturn:
    raise PipelineError(
        "A shard breaks a rule",
        file=path,
        row=row + 1,
        column=column,
        found=found,
        expected=expected,
        hint="Run `dvc repro --force tokenize`",
    )
