"""A queued pair as a record of an Argilla dataset: blind, and the same whenever it is made.

Nothing of it may tell which response is chosen. The hash of the texts, which has them in order, stays at
home; the margin goes without its sign; lengths are those of A and B. Exchanging chosen and rejected, and with
them ``first``, gives the same record to the last letter. Only suggestions, when asked for, break this.

Argilla's page takes every text for HTML, even where a field is not Markdown: tags would be gone and with them
code, and a script would be a script. So texts are escaped on their way there; the page then shows them letter
by letter.
"""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping
from typing import Any

from pipeline.curation.argilla_form import PREFERENCE, PROMPT, RESPONSE_A, RESPONSE_B
from pipeline.curation.blinding import other_side

MESSAGE_LIMIT = 20_000
"""Characters of a chat message that an Argilla server takes (ARGILLA_MAX_MESSAGE_LENGTH in 2.8)."""

BLANK = " "
"""Stands for a message without text, which Argilla refuses."""


def blind_record(row: Mapping[str, Any], first: str, suggestion: bool = False) -> dict[str, Any]:
    """The record of one pair.

    Args:
        row: A row of the table QUEUE.
        first: Which response stands as A: chosen or rejected. It is what the record of sent pairs says,
            which need not be the row's own.
        suggestion: Whether to suggest, as an answer, the response that is chosen so far.

    Returns:
        external_id, fields and metadata, and under ``suggestions`` the suggested answer by question.
    """
    second = other_side(first)
    metadata = {
        "source": row["source"],
        "language": row["language"],
        "response_a_chars": row[f"{first}_chars"],
        "response_b_chars": row[f"{second}_chars"],
        "margin": None if row["margin"] is None else abs(row["margin"]),
        "suspicion": row["suspicion"],
    }
    return {
        "external_id": row["pair_id"],
        "fields": {
            PROMPT: list(_messages(row["prompt"])),
            RESPONSE_A: escaped(row[first]),
            RESPONSE_B: escaped(row[second]),
        },
        "metadata": {name: value for name, value in metadata.items() if value is not None},
        "suggestions": {PREFERENCE: "A" if first == "chosen" else "B"} if suggestion else {},
    }


def escaped(text: str) -> str:
    """A text as Argilla's page must be given it to show it as it is."""
    return html.escape(text, quote=False)


def unescaped(text: str) -> str:
    """The text that :func:`escaped` was given."""
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def _messages(prompt: list[dict[str, str]]) -> Iterator[dict[str, str]]:
    """The conversation; a message longer than Argilla takes goes on in a further one of the same role."""
    for message in prompt:
        for piece in _pieces(message["content"] or BLANK):
            yield {"role": message["role"], "content": piece}


def _pieces(text: str) -> Iterator[str]:
    """A text escaped, in pieces of at most :data:`MESSAGE_LIMIT` that cut no escaped letter in two."""
    start = 0
    while start < len(text):
        size = MESSAGE_LIMIT
        while (excess := len(escaped(text[start : start + size])) - MESSAGE_LIMIT) > 0:
            # A letter becomes five at most (&amp;): fewer than this cannot be too many.
            size = min(size, len(text) - start) - -(-excess // 5)
        yield escaped(text[start : start + size])
        start += size
