"""Pairs to token shards: render, encode, apply the length policy, write with masks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from transformers import PreTrainedTokenizerFast

from pipeline.errors import PipelineError
from pipeline.ledger import Ledger, conserve
from pipeline.params import TokenizeParams
from pipeline.progress import track
from pipeline.tokens.chat import RenderedPair, encode, encode_prompts, render_pair
from pipeline.tokens.shards import write_manifest, write_shards
from pipeline.tokens.tokenizer import template_fingerprint, tokenizer_fingerprint

ENCODE_BATCH = 512
"""Pairs encoded at once: enough for the tokenizer's threads, little enough to show progress."""


@dataclass
class SplitTokens:
    """The tokenised rows of one split and what became of the others."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    truncated: int = 0

    def statistics(self) -> dict[str, Any]:
        """Counts for metrics: pairs, tokens by part, truncated pairs, percentiles of a pair's longer side."""
        lengths = {
            part: np.array([len(row[f"{part}_ids"]) for row in self.rows], dtype=np.int64)
            for part in ("prompt", "chosen", "rejected")
        }
        longest = lengths["prompt"] + np.maximum(lengths["chosen"], lengths["rejected"])
        return {
            "pairs": len(self.rows),
            "prompt_tokens": int(lengths["prompt"].sum()),
            "chosen_tokens": int(lengths["chosen"].sum()),
            "rejected_tokens": int(lengths["rejected"].sum()),
            "truncated": self.truncated,
            "length_p50": float(np.percentile(longest, 50)) if len(longest) else None,
            "length_max": int(longest.max()) if len(longest) else None,
        }


def tokenize_split(
    pairs: pl.DataFrame, tokenizer: PreTrainedTokenizerFast, params: TokenizeParams, ledger: Ledger, name: str
) -> SplitTokens:
    """Tokenise pairs in the order they are given.

    Args:
        pairs: Rows of a pairs table.
        tokenizer: The base model's.
        params: Length and policy.
        ledger: Takes the pairs that do not fit.
        name: The split's name, for the progress bar.

    Returns:
        Rows of the shard schema.

    Raises:
        PipelineError: If the chat template refuses a conversation, with its pair_id.
    """
    result = SplitTokens()
    dropped: list[dict[str, Any]] = []
    batches = list(
        pairs.select("pair_id", "row_id", "prompt", "chosen", "rejected").iter_slices(ENCODE_BATCH)
    )
    for batch in track(batches, f"tokenize {name}", total=len(batches), unit="batches"):
        for row_id, row in _encode_batch(batch, tokenizer):
            prompt, chosen, rejected = (len(row[f"{part}_ids"]) for part in ("prompt", "chosen", "rejected"))
            if prompt + max(chosen, rejected) > params.max_length:
                room = params.max_length - prompt
                if params.truncation == "drop" or room < 1:
                    dropped.append(
                        {
                            "row_id": row_id,
                            "pair_id": row["pair_id"],
                            "value": prompt + max(chosen, rejected),
                            "threshold": params.max_length,
                            "detail": f"prompt {prompt}, chosen {chosen}, rejected {rejected} tokens",
                        }
                    )
                    continue
                result.truncated += 1
                _cut_responses(row, room)
            result.rows.append(row)
    if dropped:
        ledger.add("over_max_length", pl.DataFrame(dropped))
    return result


def _encode_batch(
    batch: pl.DataFrame, tokenizer: PreTrainedTokenizerFast
) -> Iterator[tuple[str, dict[str, Any]]]:
    rendered = [_render(row, tokenizer) for row in batch.iter_rows(named=True)]
    prompts = encode_prompts(tokenizer, [pair.prompt for pair in rendered])
    chosen = encode(tokenizer, [pair.chosen for pair in rendered])
    rejected = encode(tokenizer, [pair.rejected for pair in rendered])
    ids = zip(batch["row_id"], batch["pair_id"], prompts, chosen, rejected, strict=True)
    for row_id, pair_id, prompt_ids, chosen_ids, rejected_ids in ids:
        yield (
            row_id,
            {
                "pair_id": pair_id,
                "prompt_ids": prompt_ids,
                "chosen_ids": chosen_ids,
                "rejected_ids": rejected_ids,
                "prompt_mask": [False] * len(prompt_ids),
                "chosen_mask": [True] * len(chosen_ids),
                "rejected_mask": [True] * len(rejected_ids),
            },
        )


def _render(row: Mapping[str, Any], tokenizer: PreTrainedTokenizerFast) -> RenderedPair:
    from jinja2 import TemplateError

    try:
        return render_pair(tokenizer, row["prompt"], row["chosen"], row["rejected"])
    except TemplateError as error:
        roles = [message["role"] for message in row["prompt"]]
        raise PipelineError(
            "The model's chat template refuses a conversation",
            row=f"pair_id {row['pair_id']}",
            column="prompt",
            found=f"{error}; roles {roles}",
            expected="roles in an order the template takes",
            hint="Drop the pair in curation/decisions.jsonl, or use a model whose template takes it",
        ) from error


def _cut_responses(row: dict[str, Any], room: int) -> None:
    """Cut both responses to ``room`` tokens; a response that is cut ends without EOS, as it was not ended."""
    for part in ("chosen", "rejected"):
        row[f"{part}_ids"] = row[f"{part}_ids"][:room]
        row[f"{part}_mask"] = row[f"{part}_mask"][:room]


def tokenize_splits(
    splits: Mapping[str, pl.DataFrame],
    tokenizer: PreTrainedTokenizerFast,
    params: TokenizeParams,
    folder: Path,
) -> tuple[Ledger, dict[str, dict[str, Any]]]:
    """Write one shard set with a part per split.

    Args:
        splits: Split name to its pairs.
        tokenizer: The base model's.
        params: Length, policy and shard size.
        folder: Where ``manifest.json`` and a folder per split go.

    Returns:
        The ledger and the statistics per split.

    Raises:
        PipelineError: If a split that had pairs is left with none, or a conversation is refused.
    """
    ledger = Ledger("tokenize")
    statistics: dict[str, dict[str, Any]] = {}
    parts: dict[str, dict[str, Any]] = {}
    kept: list[str] = []
    for name, pairs in splits.items():
        tokens = tokenize_split(pairs, tokenizer, params, ledger, name)
        if pairs.height and not tokens.rows:
            raise PipelineError(
                f"Split {name} is left with no pairs after tokenising",
                key="tokenize.max_length",
                found=f"{params.max_length} tokens, all {pairs.height} pairs are longer",
                expected="at least one pair that fits",
                hint="Raise tokenize.max_length or set tokenize.truncation to truncate_response",
            )
        kept += [row["pair_id"] for row in tokens.rows]
        statistics[name] = tokens.statistics()
        parts[name] = {
            **statistics[name],
            "shards": write_shards(tokens.rows, folder / name, params.shard_pairs),
        }
    ids_in = pl.concat([pairs["pair_id"] for pairs in splits.values()])
    conserve("tokenize", ids_in, pl.Series(kept, dtype=pl.String), ledger.frame()["pair_id"])
    write_manifest(
        folder,
        {
            "tokenizer_sha256": tokenizer_fingerprint(tokenizer),
            "template_sha256": template_fingerprint(tokenizer),
            "eos_token_id": tokenizer.eos_token_id,
            "pad_token_id": tokenizer.pad_token_id,
            "max_length": params.max_length,
            "truncation": params.truncation,
            "splits": parts,
        },
    )
    return ledger, statistics
