"""Pairs to tokens: ours beside TRL's own path, each from a Parquet file to Arrow on disk.

TRL's is what ``ORPOTrainer`` runs on its dataset: ``maybe_extract_prompt``, ``maybe_apply_chat_template`` and
``tokenize_row`` by ``datasets.map``. It doubles EOS where a template ends a turn with EOS and a newline: for
the comparison of ids what follows the first EOS that ends a response is cut from its rows.
"""

from __future__ import annotations

import gc
import json
import shutil
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import datasets
import polars as pl
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from benchmarks.contest import Figures, timed
from pipeline.params import TokenizeParams
from pipeline.schema import SPLIT_PAIRS
from pipeline.tables import StoredTable, read_table
from pipeline.tokens.chat import PairTexts, render_pairs
from pipeline.tokens.encoder_choice import choose_encoder
from pipeline.tokens.manifest import read_manifest
from pipeline.tokens.shards import ShardSet
from pipeline.tokens.tokenize import tokenize_splits
from pipeline.tokens.tokenizer import load_tokenizer
from pipeline.tokens.trl_columns import trl_columns

PAIRS, TRL_ROWS, MODEL = "pairs.parquet", "trl.parquet", "model"
NO_LIMIT = 1 << 30
"""A length that nothing exceeds: what is measured is tokenising, not a policy."""

COMPARED = ("prompt_input_ids", "chosen_input_ids", "rejected_input_ids", "chosen_labels", "rejected_labels")


def ours(folder: Path) -> Figures:
    """The stage's own function: shards, hashes, manifest and the proof of the encoder included."""
    tokenizer = load_tokenizer(folder / MODEL)
    out = folder / "ours"
    shutil.rmtree(out, ignore_errors=True)
    with timed() as watch:
        table = StoredTable(folder / PAIRS, SPLIT_PAIRS)
        tokenize_splits({"train": table}, tokenizer, TokenizeParams(max_length=NO_LIMIT), out)
    return {**watch.figures(), "encoder": read_manifest(out)["encoder"]["name"]}


def trl(folder: Path, workers: int | None = None) -> Figures:
    """What ORPOTrainer does with its dataset before it trains, in one process."""
    from trl.data_utils import maybe_apply_chat_template, maybe_extract_prompt
    from trl.experimental.orpo import ORPOTrainer

    tokenizer = AutoTokenizer.from_pretrained(folder / MODEL)
    # The trainer's attributes that tokenize_row reads; a whole one would load a model.
    trainer: Any = SimpleNamespace(
        processing_class=tokenizer, max_length=NO_LIMIT, is_encoder_decoder=False, padding_value=0
    )
    build: Any = ORPOTrainer.build_tokenized_answer
    trainer.build_tokenized_answer = lambda *args: build(trainer, *args)

    def tokenize_row(row: dict[str, Any]) -> dict[str, Any]:
        tokens: dict[str, Any] = ORPOTrainer.tokenize_row(trainer, row)
        return tokens

    cache = folder / f"cache-{workers}"
    shutil.rmtree(cache, ignore_errors=True)
    rows = datasets.Dataset.from_parquet(str(folder / TRL_ROWS), cache_dir=str(cache))
    with timed() as watch:
        rows = rows.map(maybe_extract_prompt, num_proc=workers)
        rows = rows.map(
            maybe_apply_chat_template, fn_kwargs={"processing_class": tokenizer}, num_proc=workers
        )
        rows = rows.map(tokenize_row, num_proc=workers)
    if workers is None:
        rows.select_columns(list(COMPARED)).to_parquet(str(folder / "trl-tokens.parquet"))
    return watch.figures()


def trl_2(folder: Path) -> Figures:
    """The same with two worker processes."""
    return trl(folder, 2)


def ceiling(folder: Path) -> Figures:
    """The encoder alone on the texts that have to be encoded, in one call: none can be faster with it."""
    tokenizer = load_tokenizer(folder / MODEL)
    texts = _texts(folder, tokenizer)
    encoder = choose_encoder(tokenizer, "auto", lambda: texts[:64]).encoder
    # A full collection of what was made of the texts could fall into the call, of which it is no part.
    gc.collect()
    gc.freeze()
    with timed() as watch:
        encoded = encoder.encode(texts)
    return {**watch.figures(), "encoder": encoder.name, "tokens": len(encoded.ids)}


def _texts(folder: Path, tokenizer: PreTrainedTokenizerFast) -> list[str]:
    rows = read_table(folder / PAIRS, SPLIT_PAIRS).iter_rows(named=True)
    pairs = [PairTexts(row["prompt"], row["chosen"], row["rejected"]) for row in rows]
    rendered = render_pairs(tokenizer, pairs)
    return [text for pair in rendered for text in (pair.prompt, pair.chosen, pair.rejected)]


def compare(folder: Path) -> Figures:
    """How many pairs have TRL's ids and labels; and how many boundaries ours found merged."""
    eos = int(load_tokenizer(folder / MODEL).eos_token_id)
    theirs = pl.read_parquet(folder / "trl-tokens.parquet")
    shards = ShardSet(folder / "ours", "train")
    merged = shards.manifest["splits"]["train"]["merged_boundaries"]
    same, doubled = 0, 0
    different: list[str] = []
    for pair, row in zip(shards, theirs.iter_rows(named=True), strict=True):
        mine = trl_columns(vars(pair))
        changed = _without_doubled_eos(row, len(row["prompt_input_ids"]), eos)
        doubled += changed != row
        if all(list(mine[name]) == changed[name] for name in COMPARED):
            same += 1
        else:
            different.append(pair.pair_id)
    return {
        "pairs": len(shards),
        "identical": same,
        "merged_boundaries": merged,
        "eos_doubled_by_trl": doubled,
        "different": different[:10],
    }


def _without_doubled_eos(row: dict[str, Any], prompt: int, eos: int) -> dict[str, Any]:
    """A row of TRL's whose responses end with the EOS that the template writes."""
    changed = dict(row)
    for side in ("chosen", "rejected"):
        ids = row[f"{side}_input_ids"]
        ends = [place for place in range(max(prompt, len(ids) - 3), len(ids)) if ids[place] == eos]
        if ends:
            for name in ("input_ids", "labels"):
                changed[f"{side}_{name}"] = row[f"{side}_{name}"][: ends[0] + 1]
    return changed


def prepare_rows(rows: pl.DataFrame, folder: Path) -> Figures:
    """Write the pairs for all contestants: our table, and TRL's conversational columns."""
    begun = time.perf_counter()
    rows.select("prompt", "chosen", "rejected").with_columns(
        pl.concat_list(pl.struct(role=pl.lit("assistant"), content=pl.col(side))).alias(side)
        for side in ("chosen", "rejected")
    ).write_parquet(folder / TRL_ROWS)
    return {"rows": rows.height, "seconds": time.perf_counter() - begun}


def main_figures(details: dict[str, Any]) -> dict[str, float]:
    """The three figures that what was measured comes down to."""
    fastest = min(details[name]["seconds"] for name in ("trl", "trl_2"))
    agreement = details["agreement"]
    return {
        "speedup_vs_trl": fastest / details["ours"]["seconds"],
        "identical_ids": agreement["identical"] / agreement["pairs"],
        "share_of_ceiling": details["ceiling"]["seconds"] / details["ours"]["seconds"],
    }


def dumped(figures: dict[str, Any]) -> str:
    """The figures as a person reads them on the terminal."""
    return json.dumps({name: value for name, value in figures.items() if name != "details"}, indent=2)
