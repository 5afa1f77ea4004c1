"""Every fault that a shard set can have is found, and named by file, row and column."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from transformers import PreTrainedTokenizerFast
from typer.testing import CliRunner

from pipeline.__main__ import app
from pipeline.errors import PipelineError
from pipeline.files import read_json, sha256_file, write_json
from pipeline.tokens.manifest import write_manifest
from pipeline.tokens.shard_writer import write_shards
from pipeline.tokens.shards import SHARD_SCHEMA, ShardSet
from pipeline.tokens.tokenizer import template_fingerprint, tokenizer_fingerprint
from pipeline.tokens.verify import verify_shards
from tests.conftest import make_tokenizer

BOS, EOS = 1, 2
Row = dict[str, Any]


def row(pair_id: str) -> Row:
    return {
        "pair_id": pair_id,
        "prompt_ids": [BOS, 10, 11],
        "chosen_ids": [20, 21, EOS],
        "rejected_ids": [30, EOS],
        "prompt_mask": [False] * 3,
        "chosen_mask": [True] * 3,
        "rejected_mask": [True] * 2,
    }


def write(folder: Path, rows: list[Row], **facts: Any) -> None:
    """A shard set of one split, its counts those of its rows, in two shards."""
    shards = write_shards(rows, folder / "train", 2)
    names = ("pairs", "prompt_tokens", "chosen_tokens", "rejected_tokens")
    total = {name: sum(shard[name] for shard in shards) for name in names}
    said: Row = {
        "tokenizer_sha256": "t",
        "template_sha256": "c",
        "encoder": {"name": "transformers", "version": "1"},
        "vocabulary": 259,
        "bos_token_id": BOS,
        "eos_token_id": EOS,
        "max_length": 6,
        "truncation": "drop",
        "loss_on": "last_turn",
        "special_tokens_in_text": "text",
        "splits": {"train": {**total, "shards": shards}},
    }
    write_manifest(folder, said | facts)


def test_a_sound_set_is_counted(tmp_path: Path) -> None:
    write(tmp_path, [row("a"), row("b"), row("c")])
    found = verify_shards(tmp_path)
    counts = {"pairs": 3, "prompt_tokens": 9, "chosen_tokens": 9, "rejected_tokens": 6}
    assert found.splits == {"train": {"shards": 2, **counts}}
    assert not found.fingerprints


@pytest.mark.parametrize(
    ("change", "column", "expected"),
    [
        ({"pair_id": "a"}, "pair_id", "each pair once"),
        ({"pair_id": None}, "pair_id", "no null"),
        ({"chosen_ids": [20, None, EOS]}, "chosen_ids", "no null"),
        ({"prompt_ids": [], "prompt_mask": []}, "prompt_ids", "at least one token"),
        ({"rejected_ids": [], "rejected_mask": []}, "rejected_ids", "at least one token"),
        ({"chosen_mask": [True]}, "chosen_mask", "as long as the ids"),
        ({"chosen_mask": [True, True, False]}, "chosen_mask", "true throughout"),
        ({"prompt_mask": [False, True, False]}, "prompt_mask", "false throughout"),
        ({"prompt_ids": [BOS, 10, 259]}, "prompt_ids", "ids from 0 to 258"),
        ({"prompt_ids": [BOS, -1, 9]}, "prompt_ids", "ids from 0 to 258"),
        ({"prompt_ids": [BOS, BOS, 10]}, "prompt_ids", "one BOS at most"),
        ({"chosen_ids": [20, 21, 22]}, "chosen_ids", r"EOS \(2\) as the last token"),
        ({"rejected_ids": [EOS, EOS]}, "rejected_ids", "one EOS at the end"),
        ({"chosen_ids": [EOS, 20, EOS]}, "chosen_ids", "no EOS before the last token"),
        ({"chosen_ids": [20, 21, 22, EOS], "chosen_mask": [True] * 4}, "chosen_ids", "at most 6 tokens"),
    ],
)
def test_a_broken_row_is_named(tmp_path: Path, change: Row, column: str, expected: str) -> None:
    rows = [row("a"), row("b"), row("c"), {**row("d"), **change}]
    write(tmp_path, [*rows[:2], row("c"), row("d")])
    _replace(tmp_path, "shard-00001.arrow", rows[2:])
    at = r"row \d" if "no null" in expected else "row 2"
    with pytest.raises(PipelineError, match=rf"shard-00001\.arrow, {at}, column {column}.*{expected}"):
        verify_shards(tmp_path)


def _replace(folder: Path, name: str, rows: list[Row]) -> None:
    """Put other rows into a shard, and into the manifest what it holds then."""
    path = folder / "train" / name
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, SHARD_SCHEMA) as writer:
        writer.write_table(pa.Table.from_pylist(rows, schema=SHARD_SCHEMA))
    manifest = read_json(folder / "manifest.json")
    for shard in manifest["splits"]["train"]["shards"]:
        if shard["file"] == name:
            shard["sha256"] = sha256_file(path)
    write_json(folder / "manifest.json", manifest)


def test_a_response_without_eos_is_sound_only_where_it_was_cut(tmp_path: Path) -> None:
    cut = {**row("a"), "chosen_ids": [20, 21, 22]}
    write(tmp_path / "full", [cut], truncation="truncate_response")
    verify_shards(tmp_path / "full")
    short = {**row("a"), "chosen_ids": [20, 21], "chosen_mask": [True] * 2}
    write(tmp_path / "short", [short], truncation="truncate_response")
    with pytest.raises(PipelineError, match="EOS"):
        verify_shards(tmp_path / "short")


def test_a_prompt_may_be_marked_where_all_turns_are_trained_on(tmp_path: Path) -> None:
    write(tmp_path, [{**row("a"), "prompt_mask": [False, True, True]}], loss_on="all_assistant_turns")
    verify_shards(tmp_path)


def _count(manifest: Row) -> None:
    manifest["splits"]["train"]["chosen_tokens"] += 1


def _shard_count(manifest: Row) -> None:
    manifest["splits"]["train"]["shards"][1]["pairs"] += 1


def _hash(manifest: Row) -> None:
    manifest["splits"]["train"]["shards"][0]["sha256"] = "0" * 64


def _incomplete(manifest: Row) -> None:
    del manifest["eos_token_id"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_count, r"counts otherwise than its shards.*manifest\.json, column chosen_tokens.*Found: 9.*10"),
        (_shard_count, r"counts otherwise than its shards.*shard-00001\.arrow, column pairs.*Found: 1.*2"),
        (_hash, "not the one its manifest names"),
        (_incomplete, "manifest is not complete.*eos_token_id"),
    ],
)
def test_a_manifest_that_says_otherwise_is_refused(
    tmp_path: Path, change: Callable[[Row], None], message: str
) -> None:
    write(tmp_path, [row("a"), row("b"), row("c")])
    manifest = read_json(tmp_path / "manifest.json")
    change(manifest)
    write_json(tmp_path / "manifest.json", manifest)
    with pytest.raises(PipelineError, match=message):
        verify_shards(tmp_path)


def test_foreign_shards_are_refused_in_training_too(tmp_path: Path) -> None:
    write(tmp_path, [row("a")])
    path = tmp_path / "train/shard-00000.arrow"
    manifest = read_json(tmp_path / "manifest.json")
    [shard] = manifest["splits"]["train"]["shards"]
    for content, message in ((b"no Arrow", "A shard cannot be read"), (None, "has other columns")):
        if content is None:
            table = pa.table({"input_ids": [[1]]})
            with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, table.schema) as writer:
                writer.write_table(table)
        else:
            path.write_bytes(content)
        shard["sha256"] = sha256_file(path)
        write_json(tmp_path / "manifest.json", manifest)
        for opened in (lambda: verify_shards(tmp_path), lambda: ShardSet(tmp_path, "train")):
            with pytest.raises(PipelineError, match=message):
                opened()


def test_another_tokenizer_is_refused(tmp_path: Path, tokenizer: PreTrainedTokenizerFast) -> None:
    prints = {
        "tokenizer_sha256": tokenizer_fingerprint(tokenizer),
        "template_sha256": template_fingerprint(tokenizer),
    }
    write(tmp_path, [row("a")], **prints)
    assert verify_shards(tmp_path, tokenizer).fingerprints
    other = make_tokenizer()
    other.chat_template = "{{ messages }}"
    with pytest.raises(PipelineError, match=r"another tokenizer or chat template.*template_sha256"):
        verify_shards(tmp_path, other)


@pytest.mark.parametrize("part", ["prompt", "chosen"])
def test_a_control_token_that_the_template_never_writes_came_from_a_text(
    tmp_path: Path, tokenizer: PreTrainedTokenizerFast, part: str
) -> None:
    prints = {
        "tokenizer_sha256": tokenizer_fingerprint(tokenizer),
        "template_sha256": template_fingerprint(tokenizer),
    }
    ids = {"prompt": [BOS, 10, 0], "chosen": [20, 0, EOS]}
    broken = {**row("b"), f"{part}_ids": ids[part]}
    for in_text in ("text", "control"):
        write(tmp_path / in_text, [row("a"), broken], special_tokens_in_text=in_text, **prints)
    verify_shards(tmp_path / "control", tokenizer)
    verify_shards(tmp_path / "text")
    with pytest.raises(PipelineError, match=rf"row 2, column {part}_ids.*those the template writes"):
        verify_shards(tmp_path / "text", tokenizer)


def test_an_eos_within_a_response_is_sound_where_params_ask_for_control_tokens(tmp_path: Path) -> None:
    write(tmp_path, [{**row("a"), "chosen_ids": [EOS, 20, EOS]}], special_tokens_in_text="control")
    verify_shards(tmp_path)


def test_the_command_says_what_there_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "shards", [row("a"), row("b"), row("c")])
    done = CliRunner().invoke(app, ["verify", "shards"])
    assert done.exit_code == 0
    assert done.stdout.splitlines() == [
        "train: 2 shards, 3 pairs, 9 prompt tokens, 9 chosen tokens, 6 rejected tokens",
        "shards is sound; tokenizer not compared",
    ]
