"""Pairs to token shards, in bounded memory: blocks are tokenised in turns, shards written as they fill."""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import polars_hash as plh
from transformers import PreTrainedTokenizerFast

from pipeline.errors import PipelineError
from pipeline.ledger import Ledger, conserve
from pipeline.params import TokenizeParams
from pipeline.progress import track
from pipeline.tables import Blocks
from pipeline.tokens.chat import PairTexts, render_pairs
from pipeline.tokens.encoder_choice import Choice, ChosenEncoder, choose_encoder, report_choice
from pipeline.tokens.manifest import write_manifest
from pipeline.tokens.pair_tokens import COLUMNS, NOTES, BlockTokens, PairTokenizer
from pipeline.tokens.shard_writer import open_shards
from pipeline.tokens.shards import PARTS
from pipeline.tokens.tokenizer import template_fingerprint, template_name, tokenizer_fingerprint
from pipeline.workers import map_in_order

ENCODE_BATCH = 1024
"""Pairs encoded at once: enough for the tokenizer's threads, little enough to show progress."""

SAMPLE_PAIRS, SAMPLE_SEED = 64, 0
"""Pairs on which a faster encoder must prove equal, and the seed they are drawn by."""


@dataclass
class SplitTally:
    """Of one split: which pairs are kept, how long they are, and what was noted of them."""

    taken: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    lengths: dict[str, list[int]] = field(default_factory=lambda: {part: [] for part in PARTS})
    notes: Counter[str] = field(default_factory=Counter)

    def add(self, block: BlockTokens) -> None:
        """Count a block."""
        self.notes.update(block.notes)
        for pair in block.pairs:
            self.kept.append(pair.pair_id)
            for part, lengths in self.lengths.items():
                lengths.append(len(getattr(pair, f"{part}_ids")))

    def statistics(self) -> dict[str, Any]:
        """Counts for metrics: pairs, tokens by part, notes, percentiles of a pair's longer side, percentages.

        Percentages are of the pairs that came in.
        """
        lengths = {part: np.array(counts, dtype=np.int64) for part, counts in self.lengths.items()}
        longest = lengths["prompt"] + np.maximum(lengths["chosen"], lengths["rejected"])
        came_in = len(self.taken)
        return {
            "pairs": len(self.kept),
            **{f"{part}_tokens": int(counts.sum()) for part, counts in lengths.items()},
            **{name: self.notes[name] for name in NOTES},
            "length_p50": float(np.percentile(longest, 50)) if len(longest) else None,
            "length_max": int(longest.max()) if len(longest) else None,
            "truncated_percent": 100 * self.notes["truncated"] / came_in if came_in else None,
            "dropped_percent": 100 * (came_in - len(self.kept)) / came_in if came_in else None,
        }


def tokenize_splits(
    splits: Mapping[str, Blocks],
    tokenizer: PreTrainedTokenizerFast,
    params: TokenizeParams,
    folder: Path,
) -> tuple[Ledger, dict[str, dict[str, Any]]]:
    """Write one shard set with a part per split, each in the order of its pairs.

    Args:
        splits: Split name to its pairs.
        tokenizer: The base model's.
        params: Length, policy, encoder and shard size.
        folder: Where ``manifest.json`` and a folder per split go.

    Returns:
        The ledger and the statistics per split.

    Raises:
        PipelineError: If a split that had pairs is left with none, or a conversation is refused.
    """
    with _loaded_left_alone(), ThreadPoolExecutor(1) as pool:
        choosing = pool.submit(_choose_encoder, splits, tokenizer, params.encoder)
        pairs = PairTokenizer(tokenizer, ChosenEncoder(choosing), params)
        ledger, tallies, parts = _write_splits(splits, pairs, params, folder)
        choice = choosing.result()
    write_manifest(
        folder,
        {
            "tokenizer_sha256": tokenizer_fingerprint(tokenizer),
            "template_sha256": template_fingerprint(tokenizer),
            "template": template_name(tokenizer),
            "encoder": choice.facts(),
            "vocabulary": len(tokenizer),
            "bos_token_id": tokenizer.bos_token_id,
            "eos_token_id": tokenizer.eos_token_id,
            "pad_token_id": tokenizer.pad_token_id,
            "max_length": params.max_length,
            "max_prompt_length": params.max_prompt_length,
            "truncation": params.truncation,
            "loss_on": params.loss_on,
            "special_tokens_in_text": params.special_tokens_in_text,
            "splits": parts,
        },
    )
    return ledger, {name: tally.statistics() for name, tally in tallies.items()}


@contextmanager
def _loaded_left_alone() -> Iterator[None]:
    """Keep what is loaded by now out of garbage collections, which else take a quarter of a second each.

    Thousands of arrays set them off, and they would go through all of torch and transformers.
    """
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def _choose_encoder(splits: Mapping[str, Blocks], tokenizer: PreTrainedTokenizerFast, wanted: str) -> Choice:
    choice = choose_encoder(tokenizer, wanted, lambda: sample_texts(splits, tokenizer))
    report_choice(choice, wanted)
    return choice


def _write_splits(
    splits: Mapping[str, Blocks], pairs: PairTokenizer, params: TokenizeParams, folder: Path
) -> tuple[Ledger, dict[str, SplitTally], dict[str, dict[str, Any]]]:
    """Tokenise all splits; gives the ledger, the tallies, and what the manifest says of each split."""
    ledger = Ledger("tokenize")
    tallies: dict[str, SplitTally] = {}
    parts: dict[str, dict[str, Any]] = {}
    for name, blocks in splits.items():
        tally = tallies[name] = SplitTally()
        shards = _write_split(name, blocks, pairs, folder / name, params.shard_pairs, tally, ledger)
        _refuse_empty(name, tally, params)
        parts[name] = {**tally.statistics(), "shards": shards}
    conserve(
        "tokenize",
        _series(tally.taken for tally in tallies.values()),
        _series(tally.kept for tally in tallies.values()),
        ledger.frame()["pair_id"],
    )
    return ledger, tallies, parts


def _series(ids: Iterable[list[str]]) -> pl.Series:
    return pl.Series(list(chain.from_iterable(ids)), dtype=pl.String)


def _write_split(
    name: str,
    blocks: Blocks,
    pairs: PairTokenizer,
    folder: Path,
    shard_pairs: int,
    tally: SplitTally,
    ledger: Ledger,
) -> list[dict[str, Any]]:
    """Tokenise a split and write its shards; gives what each holds."""
    batches = map_in_order(pairs.tokenize, _batches(blocks, tally))
    total = -(-blocks.rows // ENCODE_BATCH)
    with open_shards(folder, shard_pairs) as writer:
        for block in track(batches, f"tokenize {name}", total=total, unit="batches"):
            for reason, dropped in block.dropped.items():
                ledger.add(reason, pl.DataFrame(dropped))
            tally.add(block)
            writer.add(block.pairs)
        return writer.shards()


def _batches(blocks: Blocks, tally: SplitTally) -> Iterator[pl.DataFrame]:
    for block in blocks.blocks(COLUMNS):
        tally.taken += block["pair_id"].to_list()
        yield from block.iter_slices(ENCODE_BATCH)


def sample_texts(splits: Mapping[str, Blocks], tokenizer: PreTrainedTokenizerFast) -> list[str]:
    """The rendered texts of :data:`SAMPLE_PAIRS` pairs, drawn by a seeded hash of their ids.

    None where the chat template refuses one of them: tokenising will come to that pair, and name it.
    """
    drawn: pl.DataFrame | None = None
    hashed: pl.Expr = plh.col("pair_id").nchash.xxh3_64(seed=SAMPLE_SEED)
    rank = hashed.alias("rank")
    for blocks in splits.values():
        for block in blocks.blocks(COLUMNS):
            ranked = block.with_columns(rank).bottom_k(SAMPLE_PAIRS, by="rank")
            drawn = ranked if drawn is None else pl.concat([drawn, ranked]).bottom_k(SAMPLE_PAIRS, by="rank")
    if drawn is None:
        return []
    rows = drawn.sort("rank", "pair_id").iter_rows(named=True)
    pairs = [PairTexts(row["prompt"], row["chosen"], row["rejected"]) for row in rows]
    try:
        rendered = render_pairs(tokenizer, pairs)
    except Exception:
        return []
    return [text for pair in rendered for text in (pair.prompt, pair.chosen, pair.rejected)]


def _refuse_empty(name: str, tally: SplitTally, params: TokenizeParams) -> None:
    limit = params.max_prompt_length
    if tally.taken and not tally.kept:
        raise PipelineError(
            f"Split {name} is left with no pairs after tokenising",
            key="tokenize.max_length",
            found=f"{params.max_length} tokens, all {len(tally.taken)} pairs are longer"
            + ("" if limit is None else f", or their prompts than max_prompt_length {limit}"),
            expected="at least one pair that fits",
            hint="Raise tokenize.max_length or set tokenize.truncation to truncate_response"
            + ("" if limit is None else ", or raise tokenize.max_prompt_length"),
        )
