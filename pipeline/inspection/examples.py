"""A pair as the model will see it, in segments of text that are trained on or not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from transformers import PreTrainedTokenizerFast

from pipeline.tokens.shards import Ids, Mask, TokenPair

EXAMPLES = 3
"""How many are shown."""

_ROLE_LINE = "{role}: {content}\n"


@dataclass(frozen=True)
class Segment:
    """A run of text: its tokens are all trained on, or none is."""

    text: str
    trained: bool


@dataclass(frozen=True)
class Example:
    """One pair as it is rendered.

    Attributes:
        pair_id: Its id.
        prompt: The prompt with all that the chat template writes up to the response.
        chosen: The preferred response with its EOS.
        rejected: The other one.
        tokens: Tokens of the three parts; empty where there is no tokenizer.
    """

    pair_id: str
    prompt: tuple[Segment, ...]
    chosen: tuple[Segment, ...]
    rejected: tuple[Segment, ...]
    tokens: tuple[int, ...] = ()


def token_examples(pairs: Sequence[TokenPair], tokenizer: PreTrainedTokenizerFast) -> list[Example]:
    """The first pairs as their tokens read, special tokens among them.

    Args:
        pairs: Tokens and masks, as the shards will hold them.
        tokenizer: What made them.
    """
    return [_example(pair, tokenizer) for pair in pairs[:EXAMPLES]]


def plain_examples(pairs: pl.DataFrame) -> list[Example]:
    """The first pairs without a chat template: roles and texts, the responses alone trained on.

    Args:
        pairs: A pairs table.
    """
    return [
        Example(
            row["pair_id"],
            (Segment("".join(_ROLE_LINE.format(**message) for message in row["prompt"]), False),),
            (Segment(row["chosen"], True),),
            (Segment(row["rejected"], True),),
        )
        for row in pairs.head(EXAMPLES).iter_rows(named=True)
    ]


def _example(pair: TokenPair, tokenizer: PreTrainedTokenizerFast) -> Example:
    prompt = _Sequence(tokenizer, pair.prompt_ids, pair.prompt_mask)
    responses = (
        _Sequence(
            tokenizer,
            np.concatenate([pair.prompt_ids, ids]),
            np.concatenate([pair.prompt_mask, mask]),
        )
        for ids, mask in ((pair.chosen_ids, pair.chosen_mask), (pair.rejected_ids, pair.rejected_mask))
    )
    begin = len(pair.prompt_ids)
    chosen, rejected = (response.segments(begin) for response in responses)
    sizes = (begin, len(pair.chosen_ids), len(pair.rejected_ids))
    return Example(pair.pair_id, prompt.segments(0), chosen, rejected, sizes)


class _Sequence:
    """Tokens that are read from the beginning: what a token reads as may depend on those before it."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast, ids: Ids, mask: Mask) -> None:
        self._tokenizer, self._ids, self._mask = tokenizer, ids, mask

    def segments(self, begin: int) -> tuple[Segment, ...]:
        """The text from a token on, cut where training begins or ends."""
        changes = np.flatnonzero(np.diff(self._mask[begin:].astype(np.int8))) + 1 + begin
        cuts = [begin, *changes.tolist(), len(self._ids)]
        texts = [self._text(cut) for cut in cuts]
        return tuple(
            Segment(texts[place + 1][len(texts[place]) :], bool(self._mask[start]))
            for place, start in enumerate(cuts[:-1])
            if start < cuts[place + 1]
        )

    def _text(self, end: int) -> str:
        return str(
            self._tokenizer.decode(
                self._ids[:end].tolist(), skip_special_tokens=False, clean_up_tokenization_spaces=False
            )
        )
