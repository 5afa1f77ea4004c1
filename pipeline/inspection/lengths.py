"""How long the sample's pairs are in the base model's tokens, and what the length policy does with them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import polars as pl
from transformers import PreTrainedTokenizerFast

from pipeline.params import TokenizeParams
from pipeline.tokens.encoders import TransformersEncoder
from pipeline.tokens.pair_tokens import BlockTokens, PairTokenizer
from pipeline.tokens.shards import TokenPair

PERCENTILES = (50, 90, 95, 99, 100)
"""Those that are shown; 100 is the longest."""

PARTS = ("prompt", "chosen", "rejected", "pair")
"""What has a length. ``pair`` is the prompt and the longer response, which max_length is about."""

_NO_LIMIT = 2**62

Lengths = npt.NDArray[np.int64]


@dataclass(frozen=True)
class TokenFindings:
    """Lengths before anything is cut, and what the policy makes of them.

    Attributes:
        lengths: Tokens per pair, by name of :data:`PARTS`, the chat template's included.
        dropped: Pairs that tokenize would drop, by reason.
        cut: Pairs that it would cut.
        notes: Counts by name of :data:`~pipeline.tokens.pair_tokens.NOTES`, of the pairs that stay.
        kept: The pairs that stay, in the order of the sample.
        seconds: Wall time of rendering and encoding the sample once.
    """

    lengths: Mapping[str, Lengths]
    dropped: Mapping[str, int]
    cut: int
    notes: Mapping[str, int]
    kept: list[TokenPair] = field(repr=False)
    seconds: float

    @property
    def pairs(self) -> int:
        """How many pairs were looked at."""
        return len(self.lengths["pair"])

    def percentiles(self) -> dict[str, dict[str, int]]:
        """Of each part the lengths at :data:`PERCENTILES`, as ``p50`` ... ``max``; empty without pairs."""
        if not self.pairs:
            return {}
        return {part: _percentiles(lengths) for part, lengths in self.lengths.items()}

    def over(self, tokens: int) -> int:
        """How many pairs are longer than so many tokens."""
        return int((self.lengths["pair"] > tokens).sum())


def measure_tokens(
    pairs: pl.DataFrame, tokenizer: PreTrainedTokenizerFast, params: TokenizeParams
) -> TokenFindings:
    """Tokenise pairs as the stage tokenize does, once without a limit and the long ones with theirs.

    Args:
        pairs: A pairs table.
        tokenizer: The base model's.
        params: The section ``tokenize``.

    Raises:
        PipelineError: If the chat template refuses a conversation, or EOS is not one token.
    """
    encoder = TransformersEncoder(tokenizer)
    whole = params.model_copy(update={"max_length": _NO_LIMIT, "max_prompt_length": None})
    began = time.perf_counter()
    measured = PairTokenizer(tokenizer, encoder, whole).tokenize(pairs)
    seconds = time.perf_counter() - began
    lengths = _lengths(measured.pairs)
    is_long = lengths["pair"] > params.max_length
    if params.max_prompt_length is not None:
        is_long |= lengths["prompt"] > params.max_prompt_length
    fitted = PairTokenizer(tokenizer, encoder, params).tokenize(pairs.filter(pl.Series(is_long)))
    return TokenFindings(
        lengths=lengths,
        dropped={reason: len(rows) for reason, rows in sorted(fitted.dropped.items())},
        cut=fitted.notes["truncated"],
        notes=dict(measured.notes),
        kept=_kept(measured, fitted, is_long),
        seconds=seconds,
    )


def _lengths(pairs: list[TokenPair]) -> dict[str, Lengths]:
    sides = {
        part: np.array([len(getattr(pair, f"{part}_ids")) for pair in pairs], np.int64) for part in PARTS[:-1]
    }
    return {**sides, "pair": sides["prompt"] + np.maximum(sides["chosen"], sides["rejected"])}


def _percentiles(lengths: Lengths) -> dict[str, int]:
    values = np.percentile(lengths, PERCENTILES, method="higher").tolist()
    names = ["max" if percent == 100 else f"p{percent}" for percent in PERCENTILES]
    return dict(zip(names, map(int, values), strict=True))


def _kept(measured: BlockTokens, fitted: BlockTokens, is_long: npt.NDArray[np.bool_]) -> list[TokenPair]:
    by_id = {pair.pair_id: pair for pair in fitted.pairs}
    found = [
        by_id.get(pair.pair_id) if long else pair
        for pair, long in zip(measured.pairs, is_long.tolist(), strict=True)
    ]
    return [pair for pair in found if pair is not None]
