"""A block of pairs to tokens: rendered, encoded, and held to the length that params allow."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl
from transformers import PreTrainedTokenizerFast

from pipeline.errors import PipelineError
from pipeline.params import TokenizeParams
from pipeline.tokens.boundary import EncodedPair
from pipeline.tokens.chat import PairTexts, RenderedPair
from pipeline.tokens.control_text import ControlText
from pipeline.tokens.encoders import Encoder, Ids
from pipeline.tokens.shards import TokenPair
from pipeline.tokens.templates import Message
from pipeline.tokens.ways import Way, Ways

COLUMNS = ("pair_id", "row_id", "prompt", "chosen", "rejected")
"""What of a pairs table is needed."""

NOTES = (
    "truncated",
    "merged_boundaries",
    "systems_folded",
    "untrained_turns",
    "inner_eos",
    "control_text_pairs",
)
"""What is counted of the pairs that are kept.

``truncated``: pairs cut by the length policy. ``merged_boundaries``: boundaries of prompt and response that a
token would have spanned. ``systems_folded``: pairs whose system prompt became part of the first user message.
``untrained_turns``: earlier assistant turns that ``loss_on`` asks for and the template rewrites.
``inner_eos``: pairs with the EOS token written out in a response's own text.
``control_text_pairs``: pairs with any control token written out in a message or a response.
"""

Dropped = dict[str, Any]


@dataclass
class BlockTokens:
    """What became of a block.

    Attributes:
        pairs: Those that are kept, in order.
        dropped: Ledger rows of the others, by reason.
        notes: Counts by name of :data:`NOTES`.
    """

    pairs: list[TokenPair] = field(default_factory=list)
    dropped: dict[str, list[Dropped]] = field(default_factory=dict)
    notes: Counter[str] = field(default_factory=Counter)


class PairTokenizer:
    """Turns blocks of pairs into tokens; blocks may be worked on by several threads.

    Args:
        tokenizer: The base model's.
        encoder: What encodes, equal to the tokenizer.
        params: Length, policy, and what is trained on.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerFast, encoder: Encoder, params: TokenizeParams) -> None:
        self._tokenizer, self._params = tokenizer, params
        self._control = ControlText(tokenizer)
        self._ways = Ways(tokenizer, self._control, encoder)
        self._eos = int(tokenizer.eos_token_id)

    def tokenize(self, block: pl.DataFrame) -> BlockTokens:
        """Tokens of the pairs of a block, which has :data:`COLUMNS`.

        Raises:
            PipelineError: If the chat template refuses a conversation, or the tokenizer does not take EOS for
                a token; with the pair_id.
        """
        result = BlockTokens()
        rows = block.to_dicts()
        found = self._control.find(block)
        holding = set(found.holding)
        as_text = set(found.suspect) if self._params.special_tokens_in_text == "text" else set()
        plain = [row for place, row in enumerate(rows) if place not in as_text]
        tokens = iter(self._tokens(plain, self._ways.plain))
        for place, row in enumerate(rows):
            way, done = self._ways.plain, None
            if place in as_text:
                way = self._ways.as_text(_texts(row), f"pair_id {row['pair_id']}")
                [done] = self._tokens([row], way)
            texts, encoded = done or next(tokens)
            self._check_eos(row["pair_id"], encoded)
            self._place(row, texts, encoded, way, place in holding, result)
        return result

    def _tokens(self, rows: Sequence[Mapping[str, Any]], way: Way) -> list[tuple[RenderedPair, EncodedPair]]:
        rendered = self._render(rows, way)
        return list(zip(rendered, way.encoder.encode(rendered), strict=True))

    def _place(
        self,
        row: Mapping[str, Any],
        texts: RenderedPair,
        tokens: EncodedPair,
        way: Way,
        holds_control: bool,
        to: BlockTokens,
    ) -> None:
        """Keep a pair, whole or cut, or drop it."""
        reason = None
        if self._has_long_prompt(tokens):
            reason = "prompt_over_max_length"
        elif _longest(tokens) > self._params.max_length:
            fitting = self._fit(row, texts, tokens, way)
            if fitting is None:
                reason = "over_max_length"
            elif np.array_equal(fitting[1].chosen, fitting[1].rejected):
                # What told the two apart is cut away: nothing is left to prefer.
                reason = "same_after_truncation"
            else:
                texts, tokens = fitting
                to.notes["truncated"] += 1
        if reason is not None:
            to.dropped.setdefault(reason, []).append(self._dropped(reason, row, tokens))
            return
        to.notes["merged_boundaries"] += tokens.merged
        to.notes["systems_folded"] += texts.system_folded
        to.notes["untrained_turns"] += texts.untrained_turns
        to.notes["inner_eos"] += texts.inner_eos
        to.notes["control_text_pairs"] += holds_control
        to.pairs.append(
            TokenPair(
                pair_id=row["pair_id"],
                prompt_ids=tokens.prompt,
                chosen_ids=tokens.chosen,
                rejected_ids=tokens.rejected,
                prompt_mask=tokens.prompt_mask,
                chosen_mask=np.ones(len(tokens.chosen), np.bool_),
                rejected_mask=np.ones(len(tokens.rejected), np.bool_),
            )
        )

    def _fit(
        self, row: Mapping[str, Any], texts: RenderedPair, tokens: EncodedPair, way: Way
    ) -> tuple[RenderedPair, EncodedPair] | None:
        """The pair cut to the length by the policy; None where that cannot be done."""
        if self._params.truncation == "truncate_response":
            room = self._params.max_length - len(tokens.prompt)
            return (texts, _cut(tokens, room)) if room >= 1 else None
        if self._params.truncation == "truncate_prompt":
            shorter = [{**row, "prompt": prompt} for prompt in shorter_prompts(row["prompt"])]
            for candidate in self._tokens(shorter, way):
                if _longest(candidate[1]) <= self._params.max_length:
                    return candidate
        return None

    def _has_long_prompt(self, tokens: EncodedPair) -> bool:
        most = self._params.max_prompt_length
        return most is not None and len(tokens.prompt) > most

    def _dropped(self, reason: str, row: Mapping[str, Any], tokens: EncodedPair) -> Dropped:
        """The ledger row of a pair: the length that was too much, beside the one that is allowed."""
        lengths = (len(tokens.prompt), len(tokens.chosen), len(tokens.rejected))
        is_prompt = reason == "prompt_over_max_length"
        return {
            "row_id": row["row_id"],
            "pair_id": row["pair_id"],
            "value": lengths[0] if is_prompt else _longest(tokens),
            "threshold": self._params.max_prompt_length if is_prompt else self._params.max_length,
            "detail": "prompt {}, chosen {}, rejected {} tokens".format(*lengths),
        }

    def _render(self, rows: Sequence[Mapping[str, Any]], way: Way) -> list[RenderedPair]:
        all_turns = self._params.loss_on == "all_assistant_turns"
        pairs = [_texts(row) for row in rows]
        try:
            return way.renderer.render(pairs, all_turns)
        except Exception:
            # One of them, whatever a template raises: once more, one by one, to say which.
            return [
                self._render_one(row, pair, all_turns, way) for row, pair in zip(rows, pairs, strict=True)
            ]

    def _render_one(self, row: Mapping[str, Any], pair: PairTexts, all_turns: bool, way: Way) -> RenderedPair:
        try:
            return way.renderer.render([pair], all_turns)[0]
        except Exception as error:
            roles = [message["role"] for message in pair.prompt]
            raise PipelineError(
                "The model's chat template refuses a conversation",
                row=f"pair_id {row['pair_id']}",
                column="prompt",
                found=f"{error}; roles {roles}",
                expected="roles in an order the template takes",
                hint="Drop the pair in curation/decisions.jsonl, or use a model whose template takes it",
            ) from error

    def _check_eos(self, pair_id: str, tokens: EncodedPair) -> None:
        for name, ids in (("chosen", tokens.chosen), ("rejected", tokens.rejected)):
            if not len(ids) or ids[-1] != self._eos:
                raise PipelineError(
                    "The tokenizer does not take its own EOS for one token, so that responses would not end",
                    row=f"pair_id {pair_id}",
                    column=name,
                    found=f"last token {ids[-1:].tolist()}",
                    expected=f"{self._eos}, {self._tokenizer.eos_token!r}",
                    hint="Correct eos_token in the model's tokenizer_config.json",
                )


def shorter_prompts(prompt: Sequence[Message]) -> Iterator[list[Message]]:
    """A prompt without its oldest messages: ever fewer, the last time with the last turn alone.

    A leading system message stays, and what is left of the others begins with the user.
    """
    system = list(prompt[:1]) if prompt and prompt[0]["role"] == "system" else []
    turns = list(prompt[len(system) :])
    for start, message in enumerate(turns):
        if start and message["role"] == "user":
            yield system + turns[start:]


def _texts(row: Mapping[str, Any]) -> PairTexts:
    return PairTexts(row["prompt"], row["chosen"], row["rejected"])


def _longest(tokens: EncodedPair) -> int:
    return len(tokens.prompt) + max(len(tokens.chosen), len(tokens.rejected))


def _cut(tokens: EncodedPair, room: int) -> EncodedPair:
    """Both responses cut to ``room`` tokens; one that is cut ends without EOS, as it was not ended."""
    chosen: Ids = tokens.chosen[:room]
    return EncodedPair(tokens.prompt, chosen, tokens.rejected[:room], tokens.prompt_mask, tokens.merged)
