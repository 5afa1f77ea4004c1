"""The hash by which a decision knows the texts it was made on.

A pair_id is of the unordered two responses: it stays where chosen and rejected change places. This hash is
of prompt, chosen and rejected in that order, so that a decision on other texts, or on the same texts the
other way round, is known to be stale. Anybody can compute it: it is the SHA-256 of the UTF-8 JSON
``[[{"content":...,"role":...},...],chosen,rejected]``, without spaces and with nothing escaped that JSON does
not make one escape.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import polars as pl

from pipeline.files import canonical_json


def texts_hash(prompt: Sequence[Mapping[str, str]], chosen: str, rejected: str) -> str:
    """SHA-256 of a pair's texts.

    Args:
        prompt: The conversation: messages with role and content, in order.
        chosen: The preferred response.
        rejected: The other one.

    Returns:
        64 hex digits.
    """
    messages = [{"role": message["role"], "content": message["content"]} for message in prompt]
    return hashlib.sha256(canonical_json([messages, chosen, rejected]).encode()).hexdigest()


def texts_hashes(pairs: pl.DataFrame) -> pl.Series:
    """:func:`texts_hash` row by row.

    Args:
        pairs: A frame with the columns prompt, chosen and rejected, without nulls.

    Returns:
        Strings, named ``texts_sha256``.
    """
    rows = pairs.select("prompt", "chosen", "rejected").iter_rows()
    hashes = [texts_hash(*row) for row in rows]
    return pl.Series("texts_sha256", hashes, dtype=pl.String)
