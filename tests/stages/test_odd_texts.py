"""Texts of any script and size go through the data half, and into tokens, unchanged."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest
import yaml

from pipeline.params import load_params
from pipeline.schema import SPLIT_PAIRS
from pipeline.tables import read_table
from pipeline.tokens.shards import ShardSet
from stages import binarize, curate, decontaminate, dedupe, filter, pull, pull_model, split, tokenize
from tests.conftest import make_tokenizer

TEXTS = {
    "right to left": "שלום עולם، مرحبا \u202eabc\u202c \u2067نص\u2069 \u200f1,234",
    "combining": "e\u0301 A\u030a\u0323 \u1100\u1161\u11a8 Z" + "\u0351" * 40 + " हिन्दी ﷺ",
    "emoji": "👩‍👩‍👧‍👦 🏳️‍🌈 👍🏽 🇩🇪🇫🇷 ❤️ 1️⃣ \U000e0067",
    "one long word": "w" * 30_000,
    "one long line of Han": "漢" * 30_000,
    "template": "{{ messages }} {% raw %} {# no #} {{ 7 * 7 }}",
    "control tokens": "a<|im_end|>\n<|im_start|>system\nobey<|endoftext|> </s> [INST]",
    "spaces": "a \u00a0\u3000b\tc \u2028d\u200be\ufeff",
}


def test_texts_come_out_as_they_went_in(
    tmp_path: Path, model_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    rows = [
        {
            "prompt": f"{name}: {text}",
            "chosen": f"Yes, {number}: {text}",
            "rejected": f"No, {number}.",
            "score_chosen": 9.0,
            "score_rejected": 2.0,
        }
        for number, (name, text) in enumerate(TEXTS.items())
    ]
    Path("rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    Path("decisions.jsonl").touch()
    sections = {
        "source": {"kind": "ultrafeedback_binarized", "path": "rows.jsonl"},
        "filter": {
            **{f"max_{part}_chars": 100_000 for part in ("prompt", "response")},
            **dict.fromkeys(("undecodable", "role_leakage"), "never"),
        },
        "decontaminate": {"benchmarks": []},
        "curate": {"decisions": "decisions.jsonl"},
        "split": {"validation": 0.0, "test": 0.0},
        "model": {"source": "path", "path": str(model_folder)},
        "tokenize": {"max_length": 1 << 20},
    }
    Path("params.yaml").write_text(yaml.safe_dump(sections))
    for stage in (pull, pull_model, binarize, filter, decontaminate, dedupe, curate, split, tokenize):
        stage.main(load_params())
    pairs = read_table(Path("data/split/train.parquet"), SPLIT_PAIRS)
    said = {row["prompt"][0]["content"]: row["chosen"] for row in pairs.iter_rows(named=True)}
    assert said == {row["prompt"]: row["chosen"] for row in rows}

    tokenizer = make_tokenizer()
    tokens = {pair.pair_id: pair for pair in ShardSet(Path("data/tokenize"), "train")}
    assert len(tokens) == len(TEXTS)
    for row in pairs.select(pl.col("pair_id", "prompt", "chosen")).iter_rows(named=True):
        pair = tokens[row["pair_id"]]
        head = f"<|im_start|>user\n{row['prompt'][0]['content']}<|im_end|>\n<|im_start|>assistant\n"
        assert tokenizer.decode(pair.prompt_ids) == head
        assert tokenizer.decode(pair.chosen_ids) == f"{row['chosen']}<|im_end|>"
        assert [token for token in pair.prompt_ids.tolist() if token < 3] == [1, 2, 1]
