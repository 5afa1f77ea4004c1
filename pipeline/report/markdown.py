"""Markdown of the cards: text from data cannot break out of a table cell or become HTML."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence


def inline(text: str) -> str:
    """Text for one line of Markdown: HTML, table bars, backticks and links of its own mean nothing there."""
    line = " ".join(text.split()).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_\[\]|])", r"\\\1", line)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; its cells are taken as they are, so that text from data goes through :func:`inline` first."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
