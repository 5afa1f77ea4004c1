"""A pair as an annotator sees it: a prompt, and A and B in the drawn order; never which is chosen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import polars as pl

from pipeline.curation.blinding import other_side
from pipeline.curation.sent import Sent


@dataclass(frozen=True)
class BlindPair:
    """What of a pair may be shown.

    Attributes:
        pair_id: The pair; a hash of the unordered responses, so it tells nothing.
        prompt: The conversation as text, see :func:`prompt_text`.
        messages: The conversation: messages with role and content, in order.
        a: The response that stands as A.
        b: The other one.
    """

    pair_id: str
    prompt: str
    messages: list[dict[str, str]]
    a: str
    b: str


def blind_pairs(queue: pl.DataFrame) -> Iterator[BlindPair]:
    """The queue's pairs as annotators see them, in its order; A is the side named by ``first``.

    Args:
        queue: A frame with the columns of :data:`~pipeline.schema.QUEUE`.
    """
    for row in queue.select("pair_id", "prompt", "chosen", "rejected", "first").iter_rows(named=True):
        second = other_side(row["first"])
        yield BlindPair(
            row["pair_id"], prompt_text(row["prompt"]), row["prompt"], row[row["first"]], row[second]
        )


def prompt_text(prompt: Sequence[Mapping[str, str]]) -> str:
    """A conversation as a person reads it: one user's message as it is, more with the role above each."""
    if len(prompt) == 1 and prompt[0]["role"] == "user":
        return prompt[0]["content"]
    return "\n\n".join(f"[{message['role']}]\n{message['content']}" for message in prompt)


def sent_lines(queue: pl.DataFrame, where: str, when: datetime | None = None) -> list[Sent]:
    """The record of sending a queue's pairs to one place, for :func:`~pipeline.curation.sent.append_sent`.

    Args:
        queue: A frame with the columns of :data:`~pipeline.schema.QUEUE`.
        where: The place, as the annotations that come from it will name it.
        when: The time; None: now.
    """
    told = (when or datetime.now(UTC)).isoformat(timespec="seconds")
    rows = queue.select("pair_id", "texts_sha256", "first").iter_rows(named=True)
    return [Sent(where=where, when=told, **row) for row in rows]
