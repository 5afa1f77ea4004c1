"""What asking a judge will cost, before anything is asked."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pipeline.errors import PipelineError
from pipeline.evaluation.benchmarks.judge_cache import Message
from pipeline.params import JudgeParams

BYTES_PER_TOKEN = 4
"""UTF-8 bytes per token of English text in the judges' vocabularies; no tokenizer of theirs is at hand."""

MESSAGE_TOKENS = 4
"""Tokens that a chat format adds to a message."""


@dataclass(frozen=True)
class CostEstimate:
    """What is about to be asked.

    Attributes:
        calls: Requests to be made, one try each.
        prompt_tokens: Tokens of their prompts, estimated from the bytes.
        reply_tokens: Tokens of the replies at most.
        cost: In the currency of params' prices; None where a price is not given.
    """

    calls: int
    prompt_tokens: int
    reply_tokens: int
    cost: float | None

    def line(self) -> str:
        """The estimate in words."""
        money = "no prices in params" if self.cost is None else f"at most about {self.cost:,.2f}"
        return (
            f"{self.calls:,} to ask: about {self.prompt_tokens:,} prompt tokens and at most "
            f"{self.reply_tokens:,} reply tokens; {money}"
        )


def estimate_tokens(messages: Sequence[Message]) -> int:
    """Tokens of a conversation, estimated: a quarter of its UTF-8 bytes and a few for each message."""
    return sum(
        math.ceil(len(message["content"].encode("utf-8", "surrogatepass")) / BYTES_PER_TOKEN) + MESSAGE_TOKENS
        for message in messages
    )


def estimate_cost(
    conversations: Iterable[Sequence[Message]], max_tokens: int, params: JudgeParams
) -> CostEstimate:
    """What it takes to ask each conversation once.

    Args:
        conversations: The requests that will be made.
        max_tokens: Tokens a reply may have.
        params: The prices.
    """
    counts = [estimate_tokens(messages) for messages in conversations]
    prompt, reply = sum(counts), len(counts) * max_tokens
    return CostEstimate(len(counts), prompt, reply, price(prompt, reply, params))


def price(prompt_tokens: int, reply_tokens: int, params: JudgeParams) -> float | None:
    """The price of so many tokens; None where params give no prices."""
    if params.prompt_price is None or params.reply_price is None:
        return None
    return (prompt_tokens * params.prompt_price + reply_tokens * params.reply_price) / 1e6


def check_cost(estimate: CostEstimate, params: JudgeParams) -> None:
    """Refuse an estimate above ``max_cost``.

    Raises:
        PipelineError: If it is above, or there is a limit but no price to hold against it.
    """
    if params.max_cost is None or not estimate.calls:
        return
    if estimate.cost is None:
        raise PipelineError(
            "The judge's cost is limited, but its price is not known",
            key="benchmarks.judge.max_cost",
            found="prompt_price or reply_price null",
            hint="State both prices, or set max_cost to null",
        )
    if estimate.cost > params.max_cost:
        raise PipelineError(
            "Asking the judge may cost more than params allow; nothing was asked",
            key="benchmarks.judge.max_cost",
            found=estimate.line(),
            expected=f"at most {params.max_cost:g}",
            hint="Raise max_cost, judge fewer items (limit), or name a cheaper judge",
        )


class Budget:
    """What may still be asked within ``max_cost``: replies without a verdict, asked for again, cost too.

    Args:
        params: The limit and the prices.
    """

    def __init__(self, params: JudgeParams) -> None:
        self._params = params
        self._spent = 0.0

    def spend(self, messages: Sequence[Message], max_tokens: int) -> None:
        """Count one request, at the most it may cost.

        Raises:
            PipelineError: If all requests together may then cost more than ``max_cost``.
        """
        cost = price(estimate_tokens(messages), max_tokens, self._params)
        if self._params.max_cost is None or cost is None:
            return
        # A hair of room: summed one by one, the estimate's floats may end above their own sum.
        if self._spent + cost > self._params.max_cost * (1 + 1e-9):
            raise PipelineError(
                "Asking the judge again, where a reply held no verdict, may cost more than params allow",
                key="benchmarks.judge.max_cost",
                found=f"{self._spent:,.2f} for what was asked",
                expected=f"at most {self._params.max_cost:g}",
                hint="What was judged is kept. Raise max_cost or lower benchmarks.judge.attempts, and go on",
            )
        self._spent += cost
